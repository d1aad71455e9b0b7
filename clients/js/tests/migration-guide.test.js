/** The code that the migration guide offers does what the guide says. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { guideBlock } from "./support/code-blocks.js";
import { faults, startScriptedServer } from "./support/scripted-server.js";
import { createSignIn, errorOf } from "./support/harness.js";

/** `isImpatient`: what is given up after a while is given up at once. */
async function setUp(t, { isImpatient = false } = {}) {
  const server = await startScriptedServer();
  t.after(() => server.close());
  const rule = guideBlock("js", "function instagramStatus")
    .replace("export ", "")
    .replace('"https://api.example.com"', JSON.stringify(server.url));
  const caller = guideBlock("js", "const fetchInstagramStatus = () =>");
  const timer = (callback, ms, ...args) =>
    setTimeout(callback, isImpatient ? 0 : ms, ...args).unref();
  const make = new Function(
    "session",
    "setTimeout",
    `${rule}\n${caller}\nreturn { instagramStatus, fetchInstagramStatus };`,
  );
  const signIn = createSignIn();
  return { server, signIn, ...make(signIn, timer) };
}

test("plain fetch: reads the status", async (t) => {
  const { signIn, fetchInstagramStatus } = await setUp(t);
  assert.equal((await fetchInstagramStatus()).state, "not_connected");
  assert.deepEqual(signIn.calls, ["cached"]);
});

test("plain fetch: two requests at most, and an exception for what is not known", async (t) => {
  const { server, signIn, fetchInstagramStatus } = await setUp(t);
  server.script("GET /user/instagram/status", faults[401]);
  assert.equal((await errorOf(fetchInstagramStatus())).response.status, 401);
  assert.deepEqual(signIn.calls, ["cached", "mint"]);
  assert.equal(server.requests.length, 2);
});

test("plain fetch: of nobody nothing is asked", async (t) => {
  const { server, signIn, fetchInstagramStatus } = await setUp(t);
  signIn.become(null);
  assert.match((await errorOf(fetchInstagramStatus())).message, /nobody is signed in/);
  assert.deepEqual([server.requests.length, signIn.calls], [0, ["cached"]]);
});

test("plain fetch: a token that never comes is given up", async (t) => {
  const { server, instagramStatus } = await setUp(t, { isImpatient: true });
  assert.equal((await errorOf(instagramStatus(() => new Promise(() => {})))).message, "timed out");
  assert.equal(server.requests.length, 0);
});

test("the package: the guide's command installs one in which every entry resolves", async (t) => {
  const app = await mkdtemp(join(tmpdir(), "holdfast-guide-"));
  t.after(() => rm(app, { recursive: true }));
  await writeFile(
    join(app, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  const client = fileURLToPath(new URL("..", import.meta.url));
  const command = guideBlock("sh", "npm pack").replace(
    "path/to/holdfast/clients/js",
    `'${client}'`,
  );
  const offline = {
    npm_config_offline: "true",
    npm_config_audit: "false",
    npm_config_fund: "false",
  };
  execFileSync("bash", ["-ec", command], {
    cwd: app,
    env: { ...process.env, ...offline },
    stdio: "pipe",
  });
  const { exports } = JSON.parse(
    await readFile(join(app, "node_modules/holdfast-client/package.json"), "utf8"),
  );
  const files = Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry),
  );
  assert.ok(files.length > 10);
  for (const file of files) await readFile(join(app, "node_modules/holdfast-client", file));
  const say = `import { createHoldfastClient } from "holdfast-client"; console.log(typeof createHoldfastClient)`;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", say], {
    cwd: app,
    encoding: "utf8",
  });
  assert.equal(said.trim(), "function");
});
