/** What the server says of each code, from the reference that it writes of itself. */
import { readFileSync } from "node:fs";

const reference = readFileSync(
  new URL("../../../../docs/reference/errors.md", import.meta.url),
  "utf8",
);

const entries = [...reference.matchAll(/^### `([\w-]+)`\n\n(.+)$([\s\S]*?)(?=^#|(?![\s\S]))/gm)];

/** The sentence of every code: `error` of a problem, and of a status with that reason. */
export const sentences = Object.fromEntries(entries.map(([, code, sentence]) => [code, sentence]));

/** The `action` of a problem, by code. */
export const actions = Object.fromEntries(
  entries.map(([, code, , facts]) => [code, facts.match(/^- Action: `(\w+)`$/m)?.[1]]),
);
