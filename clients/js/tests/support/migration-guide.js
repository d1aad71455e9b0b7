/** The code blocks of the migration guide, to be run as they stand there. */
import { readFile } from "node:fs/promises";

const GUIDE = new URL(
  "../../../../docs/guides/migrating-from-a-hand-written-backend.md",
  import.meta.url,
);

/** The block of that language that contains the text; fails where there is none, or more than one. */
export async function guideBlock(language, text) {
  const blocks = (await readFile(GUIDE, "utf8")).matchAll(/```(\w+)\n([\s\S]*?)```/g);
  const found = [...blocks].filter(([, its, code]) => its === language && code.includes(text));
  if (found.length !== 1)
    throw new Error(
      `${found.length} blocks of ${language} with ${JSON.stringify(text)} in the guide`,
    );
  return found[0][2];
}
