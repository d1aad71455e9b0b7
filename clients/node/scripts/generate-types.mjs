/**
 * Writes `src/openapi.d.ts`, the types of the service API, from the description that the server
 * gives of itself: `npm run generate`. With `--check` it writes nothing and ends with 1 where the
 * file is stale.
 */
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const SOURCE = new URL("../../../docs/reference/openapi.json", import.meta.url);
const TARGET = new URL("../src/openapi.d.ts", import.meta.url);

/** The document with nothing but the service API, the events, and what these refer to. */
function serviceApi(document) {
  const paths = Object.fromEntries(
    Object.entries(document.paths).filter(([path]) => path.startsWith("/service/")),
  );
  const schemas = {};
  const collect = (value) => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (name in schemas) continue;
      schemas[name] = document.components.schemas[name];
      collect(schemas[name]);
    }
  };
  collect(paths);
  collect(document.webhooks);
  // Answers that these share with the routes of the signed-in person.
  for (const name of ["DisconnectReceipt", "HistoryPage"])
    collect({ $ref: `#/components/schemas/${name}` });
  return {
    openapi: document.openapi,
    info: document.info,
    paths: {},
    components: { schemas: sorted(schemas) },
  };
}

const sorted = (object) =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => a.localeCompare(b)));

const document = serviceApi(JSON.parse(await readFile(SOURCE, "utf8")));
const types = await openapiTS(document, { defaultNonNullable: false });
const text = `// Generated from docs/reference/openapi.json by \`npm run generate\`.\n\n${astToString(types)}`;
if (process.argv.includes("--check")) {
  if ((await readFile(TARGET, "utf8")) !== text) {
    console.error("src/openapi.d.ts is stale: npm run generate");
    process.exitCode = 1;
  }
} else {
  await writeFile(TARGET, text);
}
