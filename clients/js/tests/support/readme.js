/** The code blocks of the README, to be run as they stand there. */
import { readFile } from "node:fs/promises";

export const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");

/** The block of that language that contains the text; fails where there is none, or more than one. */
export function readmeBlock(language, text) {
  const found = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].filter(
    ([, its, code]) => its === language && code.includes(text),
  );
  if (found.length !== 1) throw new Error(`${found.length} blocks of ${language} with ${text}`);
  return found[0][2];
}
