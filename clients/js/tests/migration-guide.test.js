/** The code that the migration guide offers does what the guide says. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { faults, startScriptedServer } from "./support/scripted-server.js";
import { createSignIn, errorOf } from "./support/harness.js";

const guide = new URL("../../../docs/guides/migrating-from-a-hand-written-backend.md", import.meta.url);

async function setUp(t) {
  const server = await startScriptedServer();
  t.after(() => server.close());
  const blocks = (await readFile(guide, "utf8")).matchAll(/```js\n([\s\S]*?)```/g);
  const code = [...blocks].map(([, block]) => block).find((block) => block.includes("function instagramStatus"));
  const impatient = (callback, ms, ...args) => setTimeout(callback, ms / 100, ...args).unref();
  const make = new Function("API", "setTimeout", `${code.replace("export ", "")} return instagramStatus;`);
  return { server, signIn: createSignIn(), instagramStatus: make(server.url, impatient) };
}

test("plain fetch: reads the status", async (t) => {
  const { signIn, instagramStatus } = await setUp(t);
  assert.equal((await instagramStatus(signIn.getToken)).state, "not_connected");
  assert.deepEqual(signIn.calls, ["cached"]);
});

test("plain fetch: two requests at most, and an exception for what is not known", async (t) => {
  const { server, signIn, instagramStatus } = await setUp(t);
  server.script("GET /user/instagram/status", faults[401]);
  assert.equal((await errorOf(instagramStatus(signIn.getToken))).response.status, 401);
  assert.deepEqual(signIn.calls, ["cached", "mint"]);
  assert.equal(server.requests.length, 2);
});

test("plain fetch: a token that never comes is given up", async (t) => {
  const { server, instagramStatus } = await setUp(t);
  assert.equal((await errorOf(instagramStatus(() => new Promise(() => {})))).message, "timed out");
  assert.equal(server.requests.length, 0);
});
