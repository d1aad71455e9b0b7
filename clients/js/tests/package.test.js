/** The packed file is what package managers, bundlers and TypeScript expect. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const binary = (name) => `${root}node_modules/.bin/${name}`;
const run = (name, ...args) => spawnSync(binary(name), args, { cwd: root, encoding: "utf8" });

test("publint has nothing to say", () => {
  const { status, stdout, stderr } = run("publint", "--strict", ".");
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /All good/);
});

test("are-the-types-wrong finds nothing, also for TypeScript's old resolution, but what the README says: CommonJS is ES modules by import()", () => {
  const { status, stdout } = run(
    "attw",
    "--pack",
    ".",
    "--ignore-rules=cjs-resolves-to-esm",
    "--exclude-entrypoints",
    "instagram-connection.css",
    "--no-emoji",
  );
  assert.equal(status, 0, stdout);
});

test("CommonJS is served by Node itself", () => {
  const say = `const { createHoldfastClient } = require("holdfast-client"); console.log(typeof createHoldfastClient)`;
  const said = execFileSync(process.execPath, ["--input-type=commonjs", "-e", say], {
    cwd: root,
    encoding: "utf8",
  });
  assert.match(said, /^function$/m);
});

test("every entry of the package is checked by TypeScript, and every source", async () => {
  const { files } = JSON.parse(await readFile(`${root}tsconfig.src.json`, "utf8"));
  const sources = execFileSync("git", ["ls-files", "--cached", "--others", "src/*.js"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.deepEqual(files.toSorted(), sources.trim().split("\n").toSorted());
});
