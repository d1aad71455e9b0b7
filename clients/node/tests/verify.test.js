/** `verify` against servers that answer what they should not, and what it remembers. */
"use strict";
const assert = require("node:assert/strict");
const { createServer } = require("node:http");
const { once } = require("node:events");
const { afterEach, test } = require("node:test");
const express = require("express");
const { fastify } = require("fastify");
const { createHoldfast } = require("../src/index.js");
const { requireCaller } = require("../src/express.js");
const { createSend } = require("../src/send.js");
const { withCaller } = require("../src/next.js");

/** What the process warns of while `work` is done. */
async function warningsOf(work) {
  const warnings = [];
  const hear = (warning) => warnings.push(warning);
  await new Promise(setImmediate); // those of what was done before have been told by then
  process.on("warning", hear);
  await work();
  await new Promise(setImmediate);
  process.off("warning", hear);
  return warnings;
}

const servers = [];
afterEach(() =>
  servers.splice(0).forEach((server) => (server.closeAllConnections(), server.close())),
);

/** A server that answers with `answer(request, count)`: `[status, headers, body]`. */
async function serve(answer) {
  let count = 0;
  const server = createServer((request, response) => {
    const [status, headers, body] = answer(request, (count += 1));
    response.writeHead(status, headers).end(body ?? "");
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, count: () => count };
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** The form of a token; whether it is genuine is the server's to say. */
const token = (exp, more = {}) => `${part({ alg: "RS256" })}.${part({ exp, ...more })}.AAAA`;
const now = () => Date.now() / 1000;
const asking = (authorization, more = {}) => ({
  method: "GET",
  headers: { authorization },
  ...more,
});
const ACCEPTED = [200, { "x-auth-user": "user_1", "x-auth-session": "sess_1" }];
const PROBLEM = { "content-type": "application/problem+json" };

test("an accepted token is asked about once, and again once it has expired", async () => {
  const server = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url: server.url });
  const lasting = `Bearer ${token(now() + 60)}`;
  for (let each = 0; each < 3; each += 1) {
    const verdict = await holdfast.verify(asking(lasting));
    assert.deepEqual([verdict.ok, verdict.caller.userId], [true, "user_1"]);
  }
  assert.equal(server.count(), 1);
  // Accepted for the allowed skew only: there is nothing left to remember.
  const late = `Bearer ${token(now() - 3)}`;
  await holdfast.verify(asking(late));
  await holdfast.verify(asking(late));
  assert.equal(server.count(), 3);
});

test("many requests at once with one new token are one question, of one requirement", async () => {
  const server = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url: server.url });
  const credential = `Bearer ${token(now() + 60)}`;
  const all = Array.from({ length: 500 }, () => holdfast.verify(asking(credential)));
  for (const { caller } of await Promise.all(all)) assert.equal(caller.userId, "user_1");
  assert.equal(server.count(), 1);
  const other = `Bearer ${token(now() + 60, { jti: "other" })}`;
  await Promise.all([
    holdfast.verify(asking(other)),
    holdfast.verify(asking(other), { role: "admin" }),
    holdfast.verify(asking(`Bearer ${token(now() + 61)}`)),
  ]);
  assert.equal(server.count(), 4);
});

test("a question without an answer fails nobody who came later, and none is asked for each", async () => {
  let heard = 0;
  const server = createServer((request, response) => {
    heard += 1;
    if (heard > 1) response.writeHead(...ACCEPTED).end(); // the first is never answered
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const holdfast = createHoldfast({
    url: `http://127.0.0.1:${server.address().port}`,
    timeout: 5_000,
  });
  const credential = `Bearer ${token(now() + 60)}`;
  const first = holdfast.verify(asking(credential));
  // Who comes now has another four seconds when the first has waited in vain.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  const later = Array.from({ length: 50 }, () => holdfast.verify(asking(credential)));
  assert.equal((await first).problem.code, "holdfast-unreachable");
  for (const { ok } of await Promise.all(later)) assert.ok(ok);
  assert.equal(heard, 2);
});

test("what waits for another's question waits no longer than its own time, and failures are not kept", async () => {
  let heard = 0;
  const server = createServer(() => (heard += 1)).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const holdfast = createHoldfast({ url, timeout: 5_000 });
  const began = performance.now();
  const all = await Promise.all(
    Array.from({ length: 20 }, () => holdfast.verify(asking("Bearer x"))),
  );
  assert.ok(performance.now() - began < 9_500, "two questions, one after the other, take 10 s");
  for (const { status } of all) assert.equal(status, 503);
  // Who joined may have begun another question in the last moment of their time: it has arrived by
  // now.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = heard;
  assert.equal((await holdfast.verify(asking("Bearer x"))).status, 503);
  assert.ok(heard > before);
});

test("an answer that names somebody else than the token is no verdict", async () => {
  const { url } = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url });
  const statusOf = async (authorization) => (await holdfast.verify(asking(authorization))).status;
  assert.equal(await statusOf(`Bearer ${token(now() + 60, { sub: "user_1" })}`), undefined);
  assert.equal(await statusOf(`Bearer ${token(now() + 60, { sub: "user_2" })}`), 503);
  assert.equal(await statusOf(undefined), 503);
});

test("how long a token is good is counted by the server's clock", async () => {
  const anHour = 3_600_000;
  const server = await serve(() => [
    200,
    { "x-auth-user": "user_1", date: new Date(Date.now() + anHour).toUTCString() },
  ]);
  const holdfast = createHoldfast({ url: server.url });
  // By this machine's clock it would live for another hour.
  const spent = `Bearer ${token(now() + anHour / 1000 - 2)}`;
  await holdfast.verify(asking(spent));
  await holdfast.verify(asking(spent));
  assert.equal(server.count(), 2);
});

test("what is remembered of one token or one requirement is not believed of another", async () => {
  const server = await serve((request) =>
    request.url.includes("role")
      ? [403, PROBLEM, `{"code":"role-missing","source":"request"}`]
      : ACCEPTED,
  );
  const holdfast = createHoldfast({ url: server.url });
  const one = `Bearer ${token(now() + 60)}`;
  assert.equal((await holdfast.verify(asking(one))).ok, true);
  assert.equal(
    (await holdfast.verify(asking(one), { role: "admin" })).problem.code,
    "role-missing",
  );
  await holdfast.verify(asking(`Bearer ${token(now() + 60, { jti: 2 })}`));
  assert.equal(server.count(), 3);
});

test("Clerk's cookie is not read, and its name alone is told, so that a refusal says what came", async () => {
  const cookies = [];
  const server = await serve(({ headers }) => {
    cookies.push(headers.cookie);
    return [401, PROBLEM, `{"code":"session-token-missing","source":"session"}`];
  });
  const { verify } = createHoldfast({ url: server.url });
  const cookie = "theme=dark; __session=secret; __session_Ab12=secret";
  for (const [headers, told] of [
    [{ cookie }, "__session="],
    [new Headers({ cookie }), "__session="],
    [{ cookie: "theme=dark; my__session=secret" }, undefined],
    [{ cookie, authorization: "Basic c3RhZ2luZw==" }, undefined],
  ]) {
    assert.equal((await verify({ method: "GET", headers })).status, 401);
    assert.equal(cookies.pop(), told);
  }
  // One question for all who come without a token would tell those without a cookie of one.
  await Promise.all([verify({ headers: {} }), verify({ headers: { cookie } })]);
  assert.deepEqual(cookies.sort(), ["__session=", undefined]);
  const optional = await verify({ headers: { cookie } }, { credentials: "optional" });
  assert.deepEqual(optional, { ok: true, caller: null });
});

test("memory is bounded, and forgets the oldest first", async () => {
  const server = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url: server.url, capacity: 2 });
  const [first, second, third] = [1, 2, 3].map((jti) => `Bearer ${token(now() + 60, { jti })}`);
  for (const each of [first, second, third, third, second]) await holdfast.verify(asking(each));
  assert.equal(server.count(), 3);
  await holdfast.verify(asking(first));
  assert.equal(server.count(), 4);
});

test("a refusal is passed on in Holdfast's words, and not remembered", async () => {
  const headers = {
    ...PROBLEM,
    "www-authenticate": 'Bearer error="invalid_token"',
    "x-request-id": "r1",
    "set-cookie": "no",
  };
  const server = await serve(() => [
    401,
    headers,
    `{"code":"token-expired","source":"session","detail":"It expired."}`,
  ]);
  const holdfast = createHoldfast({ url: server.url });
  const verdict = await holdfast.verify(asking("Bearer x"));
  assert.deepEqual(
    [verdict.ok, verdict.status, verdict.problem.code],
    [false, 401, "token-expired"],
  );
  assert.equal(verdict.headers["www-authenticate"], 'Bearer error="invalid_token"');
  assert.equal(verdict.headers["cache-control"], "no-store");
  assert.equal(verdict.headers["set-cookie"], undefined);
  await holdfast.verify(asking("Bearer x"));
  assert.equal(server.count(), 2);
});

const limit = (code) => [
  429,
  { ...PROBLEM, "retry-after": "60" },
  JSON.stringify({ code, source: "request" }),
];

test("that a refused token comes too often is the caller's to know", async () => {
  const server = await serve(() => limit("stop-repeating"));
  const verdict = await createHoldfast({ url: server.url }).verify(asking("Bearer x"));
  assert.deepEqual([verdict.status, verdict.problem.code], [429, "stop-repeating"]);
  assert.equal(verdict.headers["retry-after"], "60");
});

for (const [what, answer] of [
  ["a page", [200, { "content-type": "text/html" }, "<!doctype html>"]],
  ["a 401 that is not Holdfast's", [401, { "www-authenticate": "Basic" }, "no"]],
  ["a 401 about something else", [401, PROBLEM, `{"source":"service_key"}`]],
  ["a 401 that is not JSON", [401, PROBLEM, "<"]],
  ["a redirect", [302, { location: "http://127.0.0.1:1/" }]],
  ["a failure", [500, PROBLEM, `{"source":"server"}`]],
  ["nothing there", [404, {}, ""]],
  ["another program's problem", [403, PROBLEM, `{"title":"Forbidden","status":403}`]],
  ["a problem that is a list", [503, PROBLEM, `["x"]`]],
  ["an answer without an end", [200, ACCEPTED[1], "a".repeat(5 * 1024 * 1024)]],
]) {
  test(`${what} is no verdict: 503 with Retry-After`, async () => {
    const server = await serve(() => answer);
    const verdict = await createHoldfast({ url: server.url }).verify(asking("Bearer x"));
    assert.deepEqual(
      [verdict.ok, verdict.status, verdict.problem.code],
      [false, 503, "holdfast-unreachable"],
    );
    assert.match(verdict.headers["retry-after"], /^\d+$/);
    assert.equal(/does not answer/.test(verdict.problem.detail), what.includes("without an end"));
  });
}

for (const [what, answer] of [
  ["Holdfast", limit("too-many-requests")],
  ["a gateway in front of it", [429, { "retry-after": "60" }, "slow down"]],
])
  test(`where ${what} limits this backend, callers are told that, and until when`, async () => {
    const server = await serve(() => answer);
    let verdict;
    const [{ message }] = await warningsOf(async () => {
      verdict = await createHoldfast({ url: server.url }).verify(asking("Bearer x"));
    });
    assert.deepEqual([verdict.status, verdict.problem.code], [503, "backend-limited"]);
    assert.equal(
      verdict.problem.detail,
      "The session token could not be judged: Holdfast limits the requests of this backend.",
    );
    assert.equal(verdict.headers["retry-after"], "60");
    assert.match(message, /HOLDFAST_REQUESTS_PER_ADDRESS/);
  });

test("an address that leads elsewhere is warned of, with what answers there", async () => {
  const server = await serve(() => [404, {}, ""]);
  const [{ code, message }] = await warningsOf(() =>
    createHoldfast({ url: server.url }).verify(asking("Bearer x")),
  );
  assert.equal(code, "HOLDFAST_UNREACHABLE");
  assert.equal(
    message,
    "Callers get 503: the answer from Holdfast's address is no verdict (status 404)",
  );
});

test("a server that hangs, or is not there, is no verdict either", async () => {
  const hanging = createServer(() => {}).listen(0, "127.0.0.1");
  servers.push(hanging);
  await once(hanging, "listening");
  for (const url of [`http://127.0.0.1:${hanging.address().port}`, "http://127.0.0.1:1"]) {
    const verdict = await createHoldfast({ url, timeout: 100 }).verify(asking("Bearer x"));
    assert.equal(verdict.status, 503, url);
  }
});

test("what needs no asking is not asked", async () => {
  const server = await serve(() => ACCEPTED);
  const { verify } = createHoldfast({ url: server.url });
  assert.deepEqual(await verify({ method: "OPTIONS", headers: {} }), { ok: true, caller: null });
  assert.deepEqual(await verify({ method: "GET", headers: {} }, { credentials: "optional" }), {
    ok: true,
    caller: null,
  });
  const two = {
    method: "GET",
    headers: {},
    headersDistinct: { authorization: ["Bearer a", "Bearer b"] },
  };
  assert.equal((await verify(two)).status, 400);
  assert.equal(server.count(), 0);
});

test("OPTIONS that becomes another method further in is judged", async () => {
  const server = await serve(() => [
    401,
    PROBLEM,
    `{"code":"session-token-missing","source":"session"}`,
  ]);
  const { verify } = createHoldfast({ url: server.url });
  for (const headers of [
    { "x-http-method-override": "DELETE" },
    new Headers({ "X-Method-Override": "DELETE" }),
  ])
    assert.equal((await verify({ method: "OPTIONS", headers })).status, 401);
});

test("a credential that a middleware has put in the place of another counts", async () => {
  const server = await serve(({ headers }) =>
    headers.authorization === "Bearer new" ? ACCEPTED : [500],
  );
  const { verify } = createHoldfast({ url: server.url });
  const replaced = asking("Bearer new", { headersDistinct: { authorization: ["Bearer old"] } });
  assert.equal((await verify(replaced)).ok, true);
});

test("a Holdfast that hangs has a bounded number of questions", async () => {
  const open = [];
  const hanging = createServer((_, response) => open.push(response)).listen(0, "127.0.0.1");
  servers.push(hanging);
  await once(hanging, "listening");
  const url = `http://127.0.0.1:${hanging.address().port}`;
  const { verify } = createHoldfast({ url, timeout: 120_000 });
  const many = Array.from({ length: 1_000 }, (_, each) =>
    verify(asking(`Bearer ${token(now() + 60, { each })}`)),
  );
  const first = await Promise.any(many.slice(900));
  assert.deepEqual([first.status, first.headers["retry-after"]], [503, "2"]);
  assert.equal(first.problem.code, "backend-limited");
  assert.match(first.problem.detail, /this backend has 256 questions under way/);
  while (open.length < 256) await once(hanging, "request");
  // Nobody answers, and nobody listens any more: what was not answered at once is now.
  hanging.close();
  hanging.closeAllConnections();
  const all = await Promise.all(many);
  assert.ok(all.every(({ status }) => status === 503));
  assert.equal(open.length, 256);
});

test("it is said once why nobody answers, and the credential is not", async () => {
  const warnings = await warningsOf(async () => {
    const { verify } = createHoldfast({ url: "http://127.0.0.1:1" });
    for (let each = 0; each < 3; each += 1) await verify(asking("Bearer secret"));
  });
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ["HOLDFAST_UNREACHABLE"],
  );
  assert.match(warnings[0].message, /ECONNREFUSED|bad port/);
  assert.doesNotMatch(String(warnings[0].stack), /secret/);
});

test("an option that cannot be meant is a mistake at the start", () => {
  const make = (more) => () => createHoldfast({ url: "http://127.0.0.1:1", ...more });
  const given = [
    ...["3000", Infinity, NaN, 2500.5, -1, 0, 2 ** 31, null].map((timeout) => ({ timeout })),
    ...["10", Infinity, -1, 0.5, null].map((capacity) => ({ capacity })),
    ...["false", 0, null].map((judgeEveryMethod) => ({ judgeEveryMethod })),
    { judgeEverymethod: true },
    { timeoutMs: 3_000 },
  ];
  for (const more of given) {
    const [name] = Object.keys(more);
    assert.throws(make(more), ({ name: kind, message }) => {
      return kind === "TypeError" && message.includes(name);
    });
  }
  assert.throws(make({ timeout: "3000" }), {
    message: 'timeout must be a whole number from 1 to 2147483647, and is "3000"',
  });
  assert.throws(() => createHoldfast(), /createHoldfast needs url/);
  for (const [name, address] of [
    ["url", "holdfast"],
    ["url", "holdfast:8080"],
    ["url", "http://"],
    ["issuer", "api.example.com"],
  ])
    assert.throws(make({ [name]: address }), {
      message: `${name} must be an address that begins with http:// or https://`,
    });
  for (const webhookSecret of ["secret", "whsec_", ["whsec_AAAA", "secret"]])
    assert.throws(make({ webhookSecret }), {
      message: "the webhook secret must be whsec_ and base64",
    });
  assert.throws(() => requireCaller(make()(), { behindProxy: true }), /needs assertionSecret/);
  const assertionSecret = "x".repeat(32);
  assert.doesNotThrow(() => requireCaller(make({ assertionSecret })(), { behindProxy: true }));
  assert.doesNotThrow(make({ timeout: undefined, capacity: undefined, serviceKey: undefined }));
  assert.doesNotThrow(make({ timeout: 1, capacity: 0, judgeEveryMethod: false }));
});

test("an answer that cannot be read leaves no promise unhandled", async (t) => {
  // What an app has put in the place of `fetch` may give anything.
  t.mock.method(globalThis, "fetch", async () => ({ status: 200, body: null }));
  const unhandled = [];
  const hear = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  const { verify } = createHoldfast({ url: "http://127.0.0.1:1", timeout: 2_000 });
  const began = performance.now();
  const verdict = await verify(asking("Bearer x"));
  await new Promise(setImmediate);
  process.off("unhandledRejection", hear);
  assert.deepEqual([verdict.status, unhandled], [503, []]);
  assert.ok(performance.now() - began < 1_900, "it is known at once");
});

test("no error quotes a secret, and an address has none", () => {
  const make = (more) => () => createHoldfast({ url: "http://127.0.0.1:1", ...more });
  for (const serviceKey of ["hf_sk_x\nhf_sk_x", "hf_sk_x\0", "hf_sk_x…"])
    assert.throws(make({ serviceKey }), ({ message }) => !message.includes("hf_sk_x"));
  assert.throws(
    make({ url: "http://holdfast:hf_sk_x@127.0.0.1" }),
    ({ message }) => !message.includes("hf_sk_x"),
  );
  assert.doesNotThrow(make({ serviceKey: "\r\nhf_sk_x\r\n" }));
});

test("where something has answered meanwhile, nothing more is sent", async () => {
  const server = await serve(() => [
    401,
    PROBLEM,
    `{"code":"session-token-missing","source":"session"}`,
  ]);
  const failed = [];
  const middleware = requireCaller(createHoldfast({ url: server.url }));
  const app = createServer((request, response) => {
    middleware(request, response, (error) => failed.push(error));
    response.writeHead(503).end("too slow");
  }).listen(0, "127.0.0.1");
  servers.push(app);
  await once(app, "listening");
  const answered = await fetch(`http://127.0.0.1:${app.address().port}`);
  assert.equal(answered.status, 503);
  while (server.count() === 0) await new Promise(setImmediate);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(failed, []);
});

test("where every method is judged, OPTIONS is too", async () => {
  const refusal = [401, PROBLEM, `{"code":"session-token-missing","source":"session"}`];
  const server = await serve(({ headers }) => (headers.authorization ? ACCEPTED : refusal));
  for (const [judgeEveryMethod, nobody, known] of [
    [false, [200, "nobody"], [200, "nobody"]],
    [true, [401, "session-token-missing"], [200, "user_1"]],
  ]) {
    const app = express();
    const holdfast = createHoldfast({ url: server.url, judgeEveryMethod });
    app.all("/", requireCaller(holdfast, { role: "admin" }), ({ caller }, response) =>
      response.send(caller?.userId ?? "nobody"),
    );
    const listening = app.listen(0, "127.0.0.1");
    servers.push(listening);
    await once(listening, "listening");
    const options = async (headers) => {
      const url = `http://127.0.0.1:${listening.address().port}/`;
      const answer = await fetch(url, { method: "OPTIONS", headers });
      const text = await answer.text();
      return [answer.status, answer.ok ? text : JSON.parse(text).code];
    };
    assert.deepEqual(await options({}), nobody);
    assert.deepEqual(await options({ authorization: "Bearer x" }), known);
  }
});

test("another scheme is nobody where credentials are optional", async () => {
  const server = await serve(() => [200, {}]);
  const { verify } = createHoldfast({ url: server.url });
  const optional = { credentials: "optional" };
  const nobody = await verify(asking("Basic c3RhZ2luZw=="), optional);
  assert.deepEqual(nobody, { ok: true, caller: null });
  // A token that is answered without a name was not judged, and neither was anything that had to be
  // there.
  for (const [credential, requirements] of [
    ["bearer x", optional],
    ["Basic c3RhZ2luZw==", {}],
  ]) {
    assert.equal((await verify(asking(credential), requirements)).status, 503, credential);
  }
  assert.equal(server.count(), 3, "Holdfast itself was asked each time");
});

test("requirements are asked for, each of several values", async () => {
  let asked;
  const server = await serve((request) => ((asked = request.url), ACCEPTED));
  const { verify } = createHoldfast({ url: `${server.url}/auth/` });
  await verify(asking("Bearer x"), { org: "any", role: ["admin", "owner"], permission: "org:a:b" });
  assert.equal(asked, "/auth/forward-auth?org=any&role=admin&role=owner&permission=org%3Aa%3Ab");
});

test("a requirement that cannot be meant is a mistake, and lets nobody pass", async () => {
  const server = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url: server.url });
  for (const options of [
    { rol: "admin" },
    { Role: "admin" },
    { behindproxy: true },
    { role: undefined },
    { role: null },
    { role: "" },
    { role: " " },
    { role: [] },
    { role: ["admin", undefined] },
    { org: 7 },
    { permission: {} },
    { credentials: "Optional" },
    { credentials: null },
  ]) {
    assert.throws(() => requireCaller(holdfast, options), TypeError, JSON.stringify(options));
    assert.throws(() => withCaller(holdfast, () => {}, options), TypeError);
    await assert.rejects(
      holdfast.verify(asking(`Bearer ${token(now() + 60)}`), options),
      TypeError,
    );
  }
  assert.equal(server.count(), 0);
});

test("several credentials are nobody's choice, however the request shows them", async () => {
  const holdfast = createHoldfast({ url: "http://127.0.0.1:1" });
  for (const headers of [
    new Headers([
      ["authorization", "Bearer a"],
      ["authorization", "Bearer b"],
    ]),
    { authorization: ["Bearer a", "Bearer b"] },
  ]) {
    const verdict = await holdfast.verify({ method: "GET", headers });
    assert.deepEqual([verdict.status, verdict.problem.code], [400, "multiple-credentials"]);
  }
  const both = { method: "GET", headers: {}, headersDistinct: { authorization: ["a", "b"] } };
  assert.equal((await holdfast.verify(both)).status, 400);
});

test("where Holdfast answers may be a URL, or end in what files and variables end in", async () => {
  const server = await serve(() => ACCEPTED);
  for (const url of [new URL(server.url), `${server.url} `, `${server.url}/\r\n`]) {
    const holdfast = createHoldfast({ url });
    assert.equal((await holdfast.verify(asking(`Bearer ${token(now() + 60)}`))).ok, true);
  }
});

test("without room nothing is remembered", async () => {
  const server = await serve(() => ACCEPTED);
  const holdfast = createHoldfast({ url: server.url, capacity: 0 });
  for (let each = 0; each < 3; each += 1)
    await holdfast.verify(asking(`Bearer ${token(now() + 60)}`.replace("AAAA", "AAAB")));
  assert.equal(server.count(), 3);
});

test("a body without its method is the app's own mistake, and not Holdfast's silence", async () => {
  const server = await serve(() => [200, { "content-type": "application/json" }, "{}"]);
  const { service } = createHoldfast({ url: server.url, serviceKey: "hf_sk_x" });
  await assert.rejects(
    service.graph("user_1", "me/media", { body: { caption: "Hello" } }),
    new TypeError("a graph call with a body needs its method: POST or DELETE"),
  );
  assert.equal(server.count(), 0);
});

test("a path or an id never leads to another route", async () => {
  const asked = [];
  const server = await serve((request) => {
    asked.push(request.url);
    return [200, { "content-type": "application/json" }, "{}"];
  });
  const { service } = createHoldfast({ url: server.url, serviceKey: "hf_sk_x" });
  for (const path of [
    "../token",
    "me/../../../user_2/instagram",
    "..",
    ".",
    "",
    "me//media",
    "a/./b",
  ])
    await assert.rejects(service.graph("user_1", path), TypeError, path);
  for (const id of ["", ".", ".."]) await assert.rejects(service.disconnect(id), TypeError, id);
  assert.deepEqual(asked, []);
  for (const path of ["%2e%2e/token", "..\\token", ".\t./token", "me?x=y", "me#x", "me:x,y"])
    await service.graph("user_1", path);
  await service.status("user_2/instagram/graph/me?");
  await service.connections({ cursor: null, account: undefined, limit: 5 });
  const below = "/service/users/user_1/instagram/graph/";
  assert.deepEqual(asked, [
    `${below}%252e%252e/token`,
    `${below}..%5Ctoken`,
    `${below}.%09./token`,
    `${below}me%3Fx%3Dy`,
    `${below}me%23x`,
    `${below}me:x,y`,
    "/service/users/user_2%2Finstagram%2Fgraph%2Fme%3F/instagram/status",
    "/service/connections?limit=5",
  ]);
});

test("the service API gives answers, and errors that say what to do", async () => {
  const server = await serve((request) =>
    request.url.includes("/status")
      ? [
          200,
          { "content-type": "application/json" },
          JSON.stringify({ state: "connected", key: request.headers.authorization }),
        ]
      : [
          424,
          { ...PROBLEM, "retry-after": "7" },
          `{"code":"revoked","reason":"revoked","action":"reconnect","detail":"It was removed."}`,
        ],
  );
  const { service } = createHoldfast({ url: server.url, serviceKey: "hf_sk_x" });
  assert.deepEqual(await service.status("user_1"), { state: "connected", key: "Bearer hf_sk_x" });
  await assert.rejects(service.token("user_1"), {
    name: "HoldfastError",
    httpStatus: 424,
    code: "revoked",
    reason: "revoked",
    action: "reconnect",
    retryAfter: 7,
  });
  await assert.rejects(
    async () => createHoldfast({ url: server.url }).service.status("user_1"),
    TypeError,
  );
});

test("a refused service key reaches the browser as a failure, not as a refused session", async () => {
  const server = await serve(() => [
    401,
    { ...PROBLEM, "www-authenticate": "Bearer" },
    `{"code":"service-key-unknown","source":"service_key","detail":"It is not known."}`,
  ]);
  const { service } = createHoldfast({ url: server.url, serviceKey: "hf_sk_x" });
  const app = express();
  app.get("/", async () => service.token("user_1"));
  app.set("env", "test"); // nothing is logged
  const other = fastify();
  other.get("/", async () => service.token("user_1"));
  const listening = app.listen(0, "127.0.0.1");
  servers.push(listening);
  await once(listening, "listening");
  assert.equal((await fetch(`http://127.0.0.1:${listening.address().port}/`)).status, 500);
  assert.equal((await other.inject("/")).statusCode, 500);
});

test("an event that is not believed is the sender's mistake, in Express and Fastify", async () => {
  const { verifyWebhook } = createHoldfast({
    url: "http://127.0.0.1:1",
    webhookSecret: "whsec_AAAA",
  });
  const app = express();
  app.set("env", "test");
  app.post("/", express.raw({ type: "*/*" }), ({ body, headers }) => verifyWebhook(body, headers));
  const other = fastify();
  other.post("/", async ({ body, headers }) => verifyWebhook(body, headers));
  const listening = app.listen(0, "127.0.0.1");
  servers.push(listening);
  await once(listening, "listening");
  for (const body of ["{}", undefined]) {
    const sent = { method: "POST", headers: { "content-type": "application/json" }, body };
    const answer = await fetch(`http://127.0.0.1:${listening.address().port}/`, sent);
    assert.equal(answer.status, 400);
    assert.equal((await other.inject({ ...sent, url: "/" })).statusCode, 400);
  }
});

test("a second try has what is left of the time", async () => {
  let heard = 0;
  const server = createServer((request) => {
    heard += 1;
    // The second is never answered.
    if (heard === 1) setTimeout(() => request.socket.destroy(), 2_500);
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const began = performance.now();
  const send = createSend(`http://127.0.0.1:${server.address().port}`);
  await assert.rejects(send("", { timeout: 5_000 }), { name: "TimeoutError" });
  assert.equal(heard, 2);
  assert.ok(performance.now() - began < 7_400, "with a time of its own it would take 7.5 s");
});

test("a connection that was closed meanwhile costs nothing that may be done twice", async () => {
  let cut = true;
  const server = await serve((request) => {
    if (cut) request.socket.destroy();
    cut = !cut;
    return [200, { "content-type": "application/json" }, "{}"];
  });
  const { service } = createHoldfast({ url: server.url, serviceKey: "hf_sk_x" });
  for (const call of [service.status, service.token, service.check, service.disconnect]) {
    cut = true;
    assert.deepEqual(await call("user_1"), {});
  }
  assert.equal(server.count(), 8);
  cut = true;
  await assert.rejects(service.graph("user_1", "me/media", { method: "POST" }), {
    code: "holdfast-unreachable",
    action: "look_first",
  });
  assert.equal(server.count(), 9);
});

test("without an answer of Holdfast's, what may have published is not to be sent again", async () => {
  const gone = createHoldfast({ url: "http://127.0.0.1:1", serviceKey: "hf_sk_x" }).service;
  const page = await serve(() => [502, { "content-type": "text/html" }, "<h1>502</h1>"]);
  const proxy = createHoldfast({ url: page.url, serviceKey: "hf_sk_x" }).service;
  const said = async (call) => {
    const { code, action } = await call.catch((error) => error);
    return [code, action];
  };
  for (const method of ["POST", "DELETE"]) {
    const graph = (service) => said(service.graph("user_1", "me/media", { method }));
    assert.deepEqual(await graph(gone), ["holdfast-unreachable", "look_first"]);
    assert.deepEqual(await graph(proxy), ["unreadable-answer", "look_first"]);
  }
  for (const call of ["status", "token", "check", "disconnect"]) {
    assert.deepEqual(await said(gone[call]("user_1")), ["holdfast-unreachable", "retry"]);
    assert.deepEqual(await said(proxy[call]("user_1")), ["unreadable-answer", null]);
  }
  assert.deepEqual(await said(gone.graph("user_1", "me")), ["holdfast-unreachable", "retry"]);
});
