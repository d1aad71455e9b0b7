/**
 * Locations that an operator adds to nginx.conf: judged like the rest, or public, and never with a
 * forged identity.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBackend } from "./support/backend.js";
import { ask } from "./support/doors.js";
import { endAll, startDev, startServe } from "./support/processes.js";
import { startNginx } from "./support/proxies.js";

const ORIGIN = "https://app.example.com";
const FORGED = { "x-auth-user": "user_attacker", "x-auth-org-role": "owner" };
let backend, nginx, authorization;

before(async () => {
  const dev = await startDev(ORIGIN);
  const holdfast = await startServe(dev, ORIGIN);
  backend = await startBackend();
  const more = `
    location /uploads/ { client_max_body_size 20m; proxy_pass http://backend; }
    location /public/ { auth_request off; proxy_pass http://backend; }`;
  nginx = await startNginx(new URL(holdfast.url).port, backend.port, false, more);
  authorization = `Bearer ${(await dev.control("mint", { case: "genuine", azp: ORIGIN })).jwt}`;
});

after(async () => {
  backend?.stop();
  await endAll();
});

test("another location asks Holdfast, and names whom Holdfast names", async () => {
  assert.equal((await ask(`${nginx.url}/uploads/x`, undefined, FORGED)).status, 401);
  const { status, body } = await ask(`${nginx.url}/uploads/x`, authorization, FORGED);
  assert.equal(status, 200);
  const said = Object.fromEntries(JSON.parse(body).identity);
  assert.match(said["x-auth-user"], /^user_2ada/);
  assert.deepEqual(Object.keys(said).sort(), ["x-auth-session", "x-auth-user"]);
});

test("a public location names nobody", async () => {
  const { status, body } = await ask(`${nginx.url}/public/x`, undefined, FORGED);
  assert.deepEqual([status, JSON.parse(body)], [200, { user: null, identity: [] }]);
});
