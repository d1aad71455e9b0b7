/**
 * What a page pays, minified and gzipped. Exit 1 over budget.
 *
 * The React layer is code: provider, hook and component. The sentences the component shows are a table of their own
 * (`states.js`), counted apart, since whoever writes their own page does not load them.
 */
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const KB = 1024;
const src = fileURLToPath(new URL("../src", import.meta.url));

async function gzipped(entry, external = []) {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: src },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react", ...external],
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const everything = `export * from "./holdfast-client.js"; export * from "./react.js"`;
const core = await gzipped(`export * from "./holdfast-client.js"`);
const hook = await gzipped(`export * from "./holdfast-client.js"; export { HoldfastProvider, useInstagram } from "./react.js"`);
const layer = await gzipped(everything, ["./states.js"]);
const all = await gzipped(everything);

const budgets = [
  ["core", core, 4 * KB],
  ["React layer: provider, hook and component, on top of the core", layer - core, 2 * KB],
  ["of which provider and hook", hook - core, KB],
  ["texts of the component", all - layer, 2 * KB + KB / 2],
];
let isOver = false;
for (const [what, bytes, limit] of budgets) {
  isOver ||= bytes > limit;
  console.log(`${bytes > limit ? "OVER" : "ok  "} ${String(bytes).padStart(5)} of ${limit} bytes  ${what}`);
}
process.exitCode = isOver ? 1 : 0;
