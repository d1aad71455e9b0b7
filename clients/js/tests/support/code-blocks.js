/** The code blocks of the README and of the migration guide, to be run as they stand there. */
import { readFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/**
 * Finds the block of a language that contains a text; fails where there is none, or more than one.
 */
const blockIn = (document) => (language, text) => {
  const found = [...document.matchAll(/```(\w+)\n([\s\S]*?)```/g)].filter(
    ([, its, code]) => its === language && code.includes(text),
  );
  if (found.length !== 1)
    throw new Error(`${found.length} blocks of ${language} with ${JSON.stringify(text)}`);
  return found[0][2];
};

export const readme = read("README.md");
export const readmeBlock = blockIn(readme);
export const guideBlock = blockIn(
  read("../../docs/guides/migrating-from-a-hand-written-backend.md"),
);
