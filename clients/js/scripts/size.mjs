/**
 * What each entry of the package costs a page, minified and gzipped, and what it may cost. Exit 1 over budget.
 *
 * An entry is measured whole: everything it exports and everything it imports, React excepted, since the page has that.
 * "On top" is the difference that adding the entry makes to what is loaded already.
 */
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const KB = 1_000;
const src = fileURLToPath(new URL("../src", import.meta.url));

const CORE = "./holdfast-client.js";
const REACT = "./react.js";
const COMPONENT = "./instagram-connection.js";
const SWR = "./swr.js";
const TANSTACK_QUERY = "./tanstack-query.js";

async function gzipped(entries) {
  const { outputFiles } = await build({
    stdin: { contents: entries.map((entry) => `export * from "${entry}";`).join("\n"), resolveDir: src },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

async function onTop(entry, loaded) {
  return (await gzipped([...loaded, entry])) - (await gzipped(loaded));
}

const budgets = [
  ["holdfast-client: the core", await gzipped([CORE]), 4 * KB],
  ["holdfast-client/react, on top of the core", await onTop(REACT, [CORE]), 2 * KB],
  [".../instagram-connection with all its texts, on top of both", await onTop(COMPONENT, [CORE, REACT]), 3.5 * KB],
  [".../swr, on top of the core", await onTop(SWR, [CORE]), KB / 2],
  [".../tanstack-query, on top of the core", await onTop(TANSTACK_QUERY, [CORE]), KB / 2],
];
let isOver = false;
for (const [what, bytes, limit] of budgets) {
  isOver ||= bytes > limit;
  console.log(`${bytes > limit ? "OVER" : "ok  "} ${String(bytes).padStart(5)} of ${limit} bytes  ${what}`);
}
process.exitCode = isOver ? 1 : 0;
