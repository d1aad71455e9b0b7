/** The public types are those of the code: a name that changes on one side alone does not pass. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url)
  .resolve("typescript/package.json")
  .replace("package.json", "bin/tsc");

/**
 * What `tsc` says of the sources, in a copy of them in which `change` has been made to one file.
 */
async function check(t, file, change) {
  await mkdir(join(root, "test-results"), { recursive: true });
  const copy = await mkdtemp(join(root, "test-results/types-"));
  t.after(() => rm(copy, { recursive: true }));
  for (const name of ["src", "tsconfig.json", "tsconfig.src.json"]) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const path = join(copy, "src", file);
  const before = await readFile(path, "utf8");
  const after = change(before);
  assert.equal(after === before, change === unchanged, "the test changes something");
  await writeFile(path, after);
  return spawnSync(process.execPath, [tsc, "-p", join(copy, "tsconfig.src.json")], {
    encoding: "utf8",
  }).stdout;
}

const unchanged = (code) => code;

test("as it is, the code compiles", async (t) =>
  assert.equal(await check(t, "fake.js", unchanged), ""));

for (const [what, file, from, to] of [
  ["a member of the snapshot", "core/store.js", "isCompleting: false", "isFinishing: false"],
  ["what the client sets of it", "core/connecting.js", "isCompleting: !kept", "isFinishing: !kept"],
  ["an operation of the client", "core/client.js", "    check: press", "    verify: press"],
  ["an option", "core/connecting.js", "onReturn } = options", "onBack: onReturn } = options"],
  [
    "a member of an outcome",
    "core/connecting.js",
    "{ outcome, attempt, reason,",
    "{ outcome, attempt, why: reason,",
  ],
  ["a member of an error", "core/problem.js", "retryAfterMs: ", "retryAfter: "],
  ["an operation of the hook", "use-instagram.js", "      retry: quietly", "      again: quietly"],
  ["a member of the hook", "use-instagram.js", "      isRefetching: ", "      isReloading: "],
  ["a label", "locales/de.js", "    restart: ", "    begin: "],
  ["a text", "locales/de.js", "    completing: {", "    finishing: {"],
  ["a member of a fake status", "fake.js", "  missing_scopes: [],", "  lacking_scopes: [],"],
  ["a member of the query options", "tanstack-query.js", "staleTime:", "freshFor:"],
]) {
  test(`renamed in the code alone, it does not compile: ${what}`, async (t) => {
    assert.match(await check(t, file, (code) => code.replace(from, to)), /error TS/);
  });
}

/** The values that a declaration file exports. */
const declaredIn = (text) =>
  [...text.matchAll(/^export (?:declare )?(?:const|function|(?:abstract )?class) (\w+)/gm)]
    .map(([, name]) => name)
    .sort();

test("each entry exports what its types say, and nothing else", async () => {
  const entries = (await readdir(join(root, "src"), { recursive: true })).filter(
    (name) => name.endsWith(".d.ts") && !name.endsWith(".css.d.ts"),
  );
  assert.ok(entries.length >= 8);
  for (const entry of entries) {
    const code = await import(join(root, "src", entry.replace(".d.ts", ".js")));
    const declared = declaredIn(await readFile(join(root, "src", entry), "utf8"));
    assert.deepEqual(Object.keys(code).sort(), declared, entry);
  }
});
