/**
 * Holdfast away, without keys, or replaced by somebody else: never a 401, never let through, 503
 * with `Retry-After`.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { startBackend } from "./support/backend.js";
import { ask, frameworks, proxies } from "./support/doors.js";
import { endAll, scratch, start, startDev, startServe, until } from "./support/processes.js";
import { switchboard } from "./support/switchboard.js";

const ORIGIN = "https://app.example.com";
let dev, holdfast, backend, board, all, doors;
const strangers = [];

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN);
  backend = await startBackend();
  board = await switchboard();
  board.to(holdfast.url);
  const [behind, apps] = await Promise.all([proxies(board.url, backend), frameworks(board.url)]);
  all = [...behind, ...apps];
  // Where Holdfast itself does not answer, Traefik does: it looks at the status alone, and says 500
  // where it has none.
  doors = all.filter((door) => door.name !== "Traefik");
});

after(async () => {
  for (const server of strangers) server.close();
  board?.stop();
  backend?.stop();
  await endAll();
});

const mint = async (name = "genuine") =>
  `Bearer ${(await dev.control("mint", { case: name, azp: ORIGIN })).jwt}`;

/** Every one of these doors cannot judge, and says so. */
async function cannotJudge(why, authorization, those = doors) {
  const before = backend.requests.length;
  for (const door of those) {
    const answer = await ask(door.who, authorization, { origin: ORIGIN });
    assert.equal(answer.status, 503, `${why} at ${door.name}: ${answer.body.slice(0, 200)}`);
    assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/, `${why} at ${door.name}`);
    assert.match(
      answer.headers.get("content-type"),
      /^application\/problem\+json/,
      `${why} at ${door.name}`,
    );
    assert.equal(JSON.parse(answer.body).status, 503, `${why} at ${door.name}`);
    if (!door.remembers)
      assert.ok(answer.headers.get("access-control-allow-origin"), `${why} at ${door.name}`);
  }
  assert.equal(backend.requests.length, before, `${why}: somebody got through`);
}

async function stranger(answer) {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  strangers.push(server);
  return `http://127.0.0.1:${server.address().port}`;
}

test("Holdfast is away: what was accepted is remembered, the rest cannot be judged", async () => {
  const known = await mint();
  for (const door of doors) assert.equal((await ask(door.who, known)).status, 200, door.name);
  board.to(null);
  await cannotJudge("away", await mint());
  await cannotJudge("away, with a bad token", await mint("expired-10s"));
  for (const door of doors.filter((each) => each.remembers)) {
    assert.equal((await ask(door.who, known)).status, 200, door.name);
  }
  board.to(holdfast.url);
  for (const door of doors)
    assert.equal((await ask(door.who, await mint())).status, 200, `${door.name} after it`);
});

test("somebody else answers in Holdfast's place", async () => {
  const json = { "content-type": "application/json" };
  for (const [why, status, headers, body] of [
    ["a page", 200, { "content-type": "text/html" }, "<!doctype html>"],
    [
      "a sign-in of somebody else",
      401,
      { "www-authenticate": "Basic", "content-type": "text/html" },
      "<h1>401</h1>",
    ],
    ["a refusal without a source", 401, { "content-type": "application/problem+json" }, "not JSON"],
    ["a redirect", 302, { location: "https://sign-in.example.com" }, ""],
    ["a failure", 500, json, "{}"],
    ["a gateway", 502, { "content-type": "text/html" }, "<h1>502</h1>"],
    ["nothing there", 404, json, "{}"],
  ]) {
    board.to(await stranger((request, response) => response.writeHead(status, headers).end(body)));
    const authorization = await mint();
    if (status === 200 || headers["content-type"] === "application/problem+json") {
      // nginx cannot look at more than the status of what lets a request pass; and to a proxy a
      // problem document is Holdfast's. At worst nobody is named to the backend.
      const believing = status === 200 ? ["nginx"] : ["nginx", "Caddy", "HAProxy", "Envoy"];
      for (const door of doors.filter((each) => !believing.includes(each.name))) {
        assert.equal((await ask(door.who, authorization)).status, 503, `${why} at ${door.name}`);
      }
      continue;
    }
    await cannotJudge(why, authorization);
  }
  board.to(holdfast.url);
});

test("Holdfast hangs", async () => {
  board.to(await stranger(() => {}));
  const authorization = await mint();
  const patient = (door) =>
    ask(door.who, authorization).catch((error) => assert.fail(`${door.name}: ${error.message}`));
  const answers = await Promise.all(doors.map(async (door) => [door.name, await patient(door)]));
  for (const [door, answer] of answers) {
    assert.equal(answer.status, 503, door);
    assert.ok(answer.headers.get("retry-after"), door);
  }
  board.to(holdfast.url);
});

/** The server's kept keys become older, as if it had been away; signed again, as only it could. */
function age(directory, encryptionKeys, ms) {
  const files = readdirSync(directory, { recursive: true });
  const file = join(
    directory,
    files.find((each) => basename(each) === "clerk-keys.json"),
  );
  const record = JSON.parse(readFileSync(file, "utf8"));
  const fetched_at = record.fetched_at - ms;
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const ring = Buffer.from(encryptionKeys.split(",")[0].split(":")[1], "base64");
  const message = JSON.stringify([record.source, fetched_at, record.document]);
  const mac = hmac(hmac(ring, "holdfast kept clerk keys"), message).toString("base64");
  writeFileSync(file, JSON.stringify({ ...record, fetched_at, mac }));
}

test("Clerk is away for an hour: a restart judges by the keys it has kept, a first start cannot judge", async () => {
  await dev.control("faults", { surface: "jwks", fault: "down" });
  try {
    // The same installation again, on the same address.
    await holdfast.stop();
    age(holdfast.directory, holdfast.environment.HOLDFAST_ENCRYPTION_KEYS, 3_600_000);
    const binary = holdfast.child.spawnfile;
    const again = start(binary, ["serve"], { env: holdfast.environment, cwd: holdfast.directory });
    await until("holdfast serve", again, async () => (await fetch(holdfast.url)).ok);
    board.to(holdfast.url);
    // The one that is left out is good for less than a second more.
    const good = (await dev.control("cases"))
      .filter((each) => each.expect.verdict === "accepted" && each.case !== "genuine-expired-4s")
      .map((each) => each.case);
    assert.ok(good.length >= 15, `${good.length} good tokens`);
    for (const name of good) {
      const token = await mint(name);
      for (const door of all)
        assert.equal((await ask(door.who, token)).status, 200, `${name} at ${door.name}`);
    }
    // For each its own: the same refused token at more than ten doors is a loop.
    for (const door of all) {
      const { status } = await ask(door.who, await mint("expired-an-hour"));
      assert.equal(status, 401, door.name);
    }

    const cold = await startServe(dev, ORIGIN, { HOLDFAST_JOURNAL_DIR: scratch() });
    board.to(cold.url);
    await cannotJudge("without keys", await mint(), all);
    const told = await ask(all[0].who, await mint());
    assert.equal(told.code, "keys-unavailable");
  } finally {
    await dev.control("faults", { surface: "jwks", fault: null });
  }
});
