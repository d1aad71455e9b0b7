/**
 * Servers that are busy, broken or not ours: few requests, typed errors, the last known state kept.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HoldfastError,
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastServiceError,
} from "../src/holdfast-client.js";
import { connected, faults, json, problem } from "./support/scripted-server.js";
import { errorOf, setUp } from "./support/harness.js";

const STATUS = "GET /user/instagram/status";
const FIVE_MINUTES = 300_000;

/** Requests in five minutes from an open page: never more than back-off and `Retry-After` allow. */
const storms = [
  { fault: "403", kind: "request", most: 6 },
  { fault: "429", kind: "request", most: 10 },
  { fault: "503", kind: "service", most: 12 },
  { fault: "hang", kind: "network", most: 10 },
  { fault: "reset", kind: "network", most: 12 },
  { fault: "html", kind: "service", most: 12 },
  { fault: "truncated", kind: "service", most: 12 },
];

for (const { fault, kind, most } of storms) {
  test(`${fault} for five minutes: at most ${most} requests, then it recovers by itself`, async (t) => {
    const { server, time, signIn, client } = await setUp(t);
    server.state.fault = fault;
    client.subscribe(() => {});
    await time.advance(FIVE_MINUTES);
    assert.ok(server.requests.length >= 3, `gave up after ${server.requests.length}`);
    assert.ok(server.requests.length <= most, `${server.requests.length} requests`);
    assert.equal(client.getSnapshot().phase, "failed");
    assert.equal(client.getSnapshot().error.kind, kind);
    assert.ok(client.getSnapshot().error instanceof HoldfastError);
    assert.equal(signIn.mints(), 0);
    server.state.fault = null;
    await time.advance(91_000);
    assert.equal(client.getSnapshot().phase, "ready");
    assert.equal(client.getSnapshot().error, null);
  });
}

test("what was known stays on the page while reading fails", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.status = connected;
  client.subscribe(() => {});
  await time.advance(0);
  server.state.fault = "503";
  server.endStreams();
  await time.advance(FIVE_MINUTES);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.equal(client.getSnapshot().status.state, "connected");
  assert.equal(client.getSnapshot().error.status, 503);
});

test("Retry-After in seconds: calls before it has passed are answered unsent, each route for itself", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script(STATUS, faults[429]);
  const error = await errorOf(client.status());
  assert.ok(error instanceof HoldfastRequestError);
  assert.equal(error.retryAfterMs, 30_000);
  assert.equal(await errorOf(client.status()), error);
  await client.profile();
  assert.deepEqual(server.routes(), [STATUS, "GET /user/profile"]);
  server.script(STATUS);
  await time.advance(30_000);
  assert.equal((await client.status()).state, "not_connected");
});

for (const skew of [-300_000, 0, 300_000]) {
  test(`Retry-After as a date counts from the server's clock (this one is ${skew / 1000} s off)`, async (t) => {
    const { server, time, client } = await setUp(t);
    const serverNow = time.clock.now() - skew;
    const date = (ms) => new Date(ms).toUTCString();
    server.script(STATUS, (request, response) =>
      problem(response, 503, "busy", {
        source: "database",
        headers: { date: date(serverNow), "retry-after": date(serverNow + 20_000) },
      }),
    );
    assert.equal((await errorOf(client.status())).retryAfterMs, 20_000);
  });
}

test("a Retry-After that is nonsense is no reason to fail differently", async (t) => {
  const { server, client } = await setUp(t);
  server.script(STATUS, (request, response) =>
    problem(response, 503, "busy", { source: "database", headers: { "retry-after": "soon" } }),
  );
  const error = await errorOf(client.status());
  assert.equal(error.status, 503);
  assert.equal(error.retryAfterMs, undefined);
});

test("424 says what Instagram said", async (t) => {
  const { server, client } = await setUp(t);
  server.script("POST /user/instagram/check", (request, response) =>
    problem(response, 424, "grant-unusable", { source: "instagram", reason: "revoked" }),
  );
  const error = await errorOf(client.check());
  assert.ok(error instanceof HoldfastServiceError);
  assert.equal(error.status, 424);
  assert.equal(error.problem.source, "instagram");
  assert.equal(error.problem.reason, "revoked");
});

test("an error page of a proxy is a service error, not a request error", async (t) => {
  const { server, client } = await setUp(t);
  server.script(STATUS, (request, response) => {
    response.writeHead(404, { "content-type": "text/html" });
    response.end("<h1>404</h1>");
  });
  const error = await errorOf(client.status());
  assert.ok(error instanceof HoldfastServiceError);
  assert.equal(error.code, "unspecified");
});

for (const [body, wanted] of [
  [{ error: { code: 404, message: "No route matched." } }, ["service", "unspecified"]],
  [{ code: 5, message: "Not Found", details: [] }, ["service", "unspecified"]],
  [{ code: "NO_ROUTE", error: { message: "No route matched." } }, ["request", "NO_ROUTE"]],
])
  test(`a gateway's own ${JSON.stringify(body)}: what is no text is not taken for one`, async (t) => {
    const { server, client } = await setUp(t);
    server.script(STATUS, (request, response) => json(response, 404, body));
    const { kind, code, message } = await errorOf(client.status());
    assert.deepEqual([kind, code, message], [...wanted, "status 404"]);
  });

test("JSON that is not a status is not taken for one", async (t) => {
  const { server, client } = await setUp(t);
  server.script(STATUS, (request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"ok":true}');
  });
  assert.equal((await errorOf(client.status())).code, "unreadable-answer");
});

test("a redirect is not followed with the token", async (t) => {
  const { server, client } = await setUp(t);
  server.script(STATUS, (request, response) => {
    response.writeHead(302, { location: `${server.url}/user/profile` });
    response.end();
  });
  assert.ok((await errorOf(client.status())) instanceof HoldfastNetworkError);
  assert.deepEqual(server.routes(), [STATUS]);
});

test("a fetch that never settles and ignores its signal is given up after 10 s", async (t) => {
  const { time, client } = await setUp(t, { fetch: () => new Promise(() => {}) });
  const failure = errorOf(client.status());
  await time.advance(10_000);
  assert.equal((await failure).code, "request-timeout");
});

test("promises that nobody awaits cause no unhandled rejection", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.fault = "503";
  for (const operation of [
    "sync",
    "profile",
    "status",
    "check",
    "disconnect",
    "connect",
    "history",
  ])
    client[operation]();
  client.completeFromUrl("https://app.example.com/?instagram=complete&attempt=a1&completion=c");
  await time.advance(60_000); // and with it turns of the event loop, in which they would be told
});

test("a failing action stays visible although the state can be read", async (t) => {
  const { server, time, client } = await setUp(t);
  await client.status();
  server.script("POST /user/instagram/connect", (request, response) =>
    problem(response, 429, "too-many-attempts"),
  );
  await errorOf(client.connect());
  await client.status();
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(client.getSnapshot().live, "stream", "and heard");
  assert.equal(client.getSnapshot().error.code, "too-many-attempts");
  assert.equal(client.getSnapshot().phase, "ready");
  await client.check();
  assert.equal(client.getSnapshot().error, null);
});
