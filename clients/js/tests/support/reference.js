/** What the server says of each code, from the reference that it writes of itself. */
import { readFileSync } from "node:fs";

const reference = readFileSync(
  new URL("../../../../docs/reference/errors.md", import.meta.url),
  "utf8",
);

/** The sentence of every code: `error` of a problem, and of a status with that reason. */
export const sentences = Object.fromEntries(
  [...reference.matchAll(/^### `([\w-]+)`\n\n(.+)$/gm)].map(([, code, sentence]) => [
    code,
    sentence,
  ]),
);
