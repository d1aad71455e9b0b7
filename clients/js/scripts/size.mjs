/**
 * What each entry of the package costs a page, minified and gzipped, and what it may cost. Exit 1
 * over budget.
 *
 * An entry is measured whole: everything it exports and everything it imports, React excepted,
 * since the page has that. "On top" is the difference that adding the entry makes to what is loaded
 * already.
 */
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const KB = 1_000;
const src = fileURLToPath(new URL("../src", import.meta.url));

const CORE = `export { createHoldfastClient, HoldfastError, HoldfastNetworkError, HoldfastRequestError, HoldfastServiceError, HoldfastSessionError } from "./holdfast-client.js";`;
const REACT = `export * from "./react.js";`;
const HOOK = `export { HoldfastProvider, useInstagram } from "./react.js";`;
const AUTHORIZED_FETCH = `export { authorizedFetch } from "./holdfast-client.js";`;
const STATES = `export * from "./states.js";`;
const POPUP = `export * from "./popup.js";`;
const GERMAN = `export * from "./locales/de.js";`;
const SWR = `export * from "./swr.js";`;
const TANSTACK_QUERY = `export * from "./tanstack-query.js";`;

async function gzipped(...imports) {
  const { outputFiles } = await build({
    stdin: { contents: imports.join("\n"), resolveDir: src },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const core = await gzipped(CORE);
const onTop = async (addition) => (await gzipped(CORE, addition)) - core;

const budgets = [
  ["all that an app loads which shows the component in English", await gzipped(REACT), 9.03 * KB],
  ["all that an app loads which uses the hook alone", await gzipped(HOOK), 6.99 * KB],
  ["holdfast-client: the core", core, 6.34 * KB],
  [
    "holdfast-client/react, all of it with its texts, on top of the core",
    await onTop(REACT),
    2.76 * KB,
  ],
  [
    ".../react, provider and hook alone: a page that imports no component loads no texts",
    await onTop(HOOK),
    0.8 * KB,
  ],
  [
    ".../states: of that, the texts in English, also for other views",
    await onTop(STATES),
    1.35 * KB,
  ],
  [
    "authorizedFetch of the same entry, on top of the core",
    await onTop(AUTHORIZED_FETCH),
    0.82 * KB,
  ],
  [".../popup, on top of the core", await onTop(POPUP), KB / 2],
  [".../locales/de, on top of the core", await onTop(GERMAN), 2 * KB],
  [".../swr, on top of the core", await onTop(SWR), KB / 2],
  [".../tanstack-query, on top of the core", await onTop(TANSTACK_QUERY), KB / 2],
];
let isOver = false;
for (const [what, bytes, limit] of budgets) {
  isOver ||= bytes > limit;
  console.log(
    `${bytes > limit ? "OVER" : "ok  "} ${String(bytes).padStart(5)} of ${limit} bytes  ${what}`,
  );
}
process.exitCode = isOver ? 1 : 0;
