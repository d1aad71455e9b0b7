/** `fetch` with the rule for 401, for those who keep a wrapper of their own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { authorizedFetch } from "../src/holdfast-client.js";
import { faults, json, problem, startScriptedServer } from "./support/scripted-server.js";
import { createSignIn, errorOf, install, makeToken } from "./support/harness.js";
import { createSimulatedClock } from "./support/simulated-clock.js";
import { until } from "./support/until.js";

const THINGS = "GET /things";

async function setUp(t, options) {
  const server = await startScriptedServer();
  t.after(() => server.close());
  const signIn = createSignIn();
  const request = authorizedFetch({ baseUrl: server.url, getToken: signIn.getToken, ...options });
  server.script(THINGS, (request, response) => json(response, 200, { things: 3 }));
  return { server, signIn, request };
}

test("an ordinary answer is an ordinary Response, and headers of the caller's stay", async (t) => {
  const { server, signIn, request } = await setUp(t);
  const response = await request("/things", { headers: { "x-mine": "1" } });
  assert.deepEqual(await response.json(), { things: 3 });
  assert.equal(server.requests[0].token, signIn.token());
  assert.equal(server.requests[0].headers["x-mine"], "1");
});

test("an expired token is replaced without anybody noticing", async (t) => {
  const { server, signIn, request } = await setUp(t);
  const stale = signIn.token();
  server.script(THINGS, (request, response) =>
    request.headers.authorization === `Bearer ${stale}`
      ? faults[401](request, response)
      : json(response, 200, {}),
  );
  assert.equal((await request("/things")).status, 200);
  assert.equal(signIn.mints(), 1);
});

test("a page that wakes up and sends 25 requests with an expired token: all get their answer", async (t) => {
  const { server, signIn, request } = await setUp(t);
  await request("/things");
  const stale = signIn.token();
  let refused = 0;
  server.script(THINGS, (request, response) => {
    if (request.headers.authorization !== `Bearer ${stale}`) return json(response, 200, {});
    refused += 1; // the server's loop breaker counts ten in a minute
    if (refused <= 10) faults[401](request, response);
    else problem(response, 429, "stop-repeating", { headers: { "retry-after": "60" } });
  });
  const answers = await Promise.all(Array.from({ length: 25 }, () => request("/things")));
  assert.deepEqual(
    answers.filter(({ status }) => status !== 200),
    [],
  );
  assert.equal(signIn.mints(), 1);
});

test("too many requests for any other reason are the caller's to judge", async (t) => {
  const { server, signIn, request } = await setUp(t);
  server.script(THINGS, faults[429]);
  const answer = await request("/things");
  assert.equal((await answer.json()).code, "too-many-requests");
  assert.equal(server.requests.length, 1);
  assert.equal(signIn.mints(), 0);
});

test("a refused session costs two requests, and every caller gets the 401 with its body", async (t) => {
  const { server, signIn, request } = await setUp(t);
  server.state.fault = "401";
  server.script(THINGS);
  const answers = await Promise.all(Array.from({ length: 10 }, () => request("/things")));
  for (let i = 0; i < 10; i += 1) answers.push(await request("/things"));
  for (const answer of answers) {
    assert.equal(answer.status, 401);
    assert.equal((await answer.json()).code, "token-expired");
  }
  assert.equal(server.requests.length, 2);
  server.state.fault = null;
  server.script(THINGS, (request, response) => json(response, 200, {}));
  signIn.become("user_1", "sess_2");
  assert.equal((await request("/things")).status, 200, "until the session changes");
});

test("another answer is the caller's to judge", async (t) => {
  const { server, request } = await setUp(t);
  server.script(THINGS, (request, response) => problem(response, 503, "busy"));
  assert.equal((await request("/things")).status, 503);
  server.script(THINGS, faults.reset);
  assert.ok((await errorOf(request("/things"))) instanceof TypeError, "as fetch has it");
});

test("an answer for the previous person is dropped, and what is read is read anew", async (t) => {
  const { server, signIn, request } = await setUp(t);
  await request("/things");
  for (const method of ["GET", "POST"]) {
    const asked = new Promise((resolve) =>
      server.script(`${method} /things`, (request, response) => resolve(response)),
    );
    const answer = request("/things", { method });
    const late = await asked;
    server.script(`${method} /things`, (request, response) =>
      json(response, 200, { whose: method }),
    );
    signIn.become(`user_${method}`, `sess_${method}`);
    await request("/things");
    json(late, 200, { whose: "theirs" });
    if (method === "GET") assert.deepEqual(await (await answer).json(), { whose: "GET" });
    else assert.equal((await errorOf(answer)).code, "session-changed");
  }
});

test("the token goes to this server alone", async (t) => {
  const { server, request } = await setUp(t);
  for (const path of ["https://evil.example/", "things", "//evil.example/"]) {
    assert.ok((await errorOf(request(path))) instanceof TypeError, path);
  }
  assert.equal(server.requests.length, 0);
  server.script(THINGS, (request, response) => {
    response.writeHead(302, { location: "https://evil.example/" });
    response.end();
  });
  assert.ok((await errorOf(request("/things"))) instanceof TypeError);
});

test("nor does a path lead out of baseUrl, as browsers read it", async (t) => {
  const sent = [];
  install(t, "location", { href: "https://app.example/settings/" });
  for (const [baseUrl, home] of [
    ["/", "https://app.example"],
    ["/holdfast", "https://app.example/holdfast"],
    ["https://API.example/holdfast/", "https://api.example/holdfast"],
  ]) {
    const request = authorizedFetch({
      baseUrl,
      getToken: createSignIn().getToken,
      fetch: async (address) => sent.push(address) && new Response(),
    });
    for (const path of [
      "/\\evil.example/",
      "/\t/evil.example/",
      "/\n\\evil.example/",
      "\\/evil.example/",
    ])
      assert.ok((await errorOf(request(path))) instanceof TypeError);
    if (baseUrl !== "/")
      for (const path of ["/../other", "/x/../../other", "/%2e%2E/other", "/..\\other"])
        assert.ok((await errorOf(request(path))) instanceof TypeError);
    await request("/things?to=/../x#y");
    assert.deepEqual(sent.splice(0), [`${home}/things?to=/../x#y`]);
  }
});

/** A page whose first request gets no answer, or none with a fresh token, under simulated time. */
async function setUpWithSlowRequest(t, isExpired) {
  const time = createSimulatedClock(() => new Promise(setImmediate));
  const page = await setUp(t, { clock: time.clock });
  const { server, signIn, request } = page;
  const stale = isExpired && `Bearer ${signIn.token()}`;
  server.script("POST /slow", (request, response) => {
    if (request.headers.authorization === stale) faults[401](request, response);
  });
  request("/slow", { method: "POST" }).catch(() => {});
  await until(() => server.requests.length === (isExpired ? 2 : 1), "the slow request");
  return { ...page, time };
}

test("a slow first request holds back a quick one for a second", async (t) => {
  const { server, request, time } = await setUpWithSlowRequest(t);
  request("/things").catch(() => {});
  await time.advance(1_000);
  await until(() => server.routes().at(-1) === THINGS, "the quick request");
});

test("one that is slow with its fresh token, for ten", async (t) => {
  const { server, signIn, request, time } = await setUpWithSlowRequest(t, true);
  request("/things").catch(() => {});
  await time.advance(10_000);
  await until(() => server.routes().at(-1) === THINGS, "the quick request");
  assert.equal(signIn.mints(), 1);
});

test("who waits for a slow request may give up", async (t) => {
  const { server, request } = await setUpWithSlowRequest(t);
  const giveUp = new AbortController();
  const given = [];
  const give = () => request("/things", { signal: giveUp.signal }).catch((e) => given.push(e.name));
  give();
  giveUp.abort();
  give();
  await until(() => given.length === 2, "given up");
  assert.deepEqual(given, ["AbortError", "AbortError"]);
  assert.equal(server.requests.length, 1);
});

test("a stream is sent once: its 401 is the answer, and the next has a fresh token", async (t) => {
  const { server, signIn, request } = await setUp(t);
  const stale = signIn.token();
  server.script("POST /things", (request, response) =>
    request.headers.authorization === `Bearer ${stale}`
      ? faults[401](request, response)
      : json(response, 200, {}),
  );
  const post = () =>
    request("/things", { method: "POST", body: new Blob(['{"n":1}']).stream(), duplex: "half" });
  const answer = await post();
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).code, "token-expired");
  assert.equal(server.requests.length, 1);
  assert.equal((await post()).status, 200);
  assert.deepEqual(server.requests[1].body, { n: 1 });
  assert.equal(signIn.mints(), 1);
});

test("nobody signed in: no request", async (t) => {
  const { server, signIn, request } = await setUp(t);
  signIn.become(null, null);
  assert.equal((await errorOf(request("/things"))).code, "signed-out");
  assert.equal(server.requests.length, 0);
});

/** A path of the app's own that answers 401 by itself, until it is told otherwise. */
function setUpOwn(page, route = "POST /unlock", headers = {}) {
  const own = { wrong: 0 };
  page.server.script(route, (request, response) => {
    own.wrong += 1;
    json(response, 401, { error: `wrong PIN ${own.wrong}` }, headers);
  });
  return own;
}
const post = { method: "POST" };

for (const [what, prepare] of [
  ["first of all", () => {}],
  ["after others", ({ request }) => request("/things")],
  [
    "where the library knows no fresh token",
    ({ signIn }) => (signIn.onMint = () => signIn.token()),
  ],
])
  test(`a 401 of an endpoint's own is its answer alone: others are asked; ${what}`, async (t) => {
    const page = await setUp(t);
    const { request, signIn } = page;
    await prepare(page);
    const own = setUpOwn(page);
    const answer = await request("/unlock", post);
    assert.deepEqual(
      [answer.status, await answer.json()],
      [401, { error: `wrong PIN ${own.wrong}` }],
    );
    assert.ok(own.wrong <= 2, `${own.wrong} requests`);
    assert.equal((await request("/things")).status, 200);
    assert.equal((await request("/things")).status, 200);
    assert.ok(signIn.mints() <= 2, `${signIn.mints()} fresh tokens`);
  });

test("an endpoint's own 401 is no loop: one fresh token in all, and it is sent six times at once, then once a second", async (t) => {
  const time = createSimulatedClock(() => new Promise(setImmediate));
  const page = await setUp(t, { clock: time.clock });
  const { request, signIn } = page;
  const own = setUpOwn(page, "GET /locked");
  for (let asked = 0; asked < 40; asked += 1) {
    const answer = await request("/locked");
    assert.deepEqual(await answer.json(), { error: `wrong PIN ${own.wrong}` });
  }
  assert.equal(own.wrong, 8); // two of the first, for its fresh token
  assert.equal(signIn.mints(), 1);
  await time.advance(3_000);
  for (let asked = 0; asked < 40; asked += 1) await request("/locked");
  assert.equal(own.wrong, 11);
  assert.equal((await request("/things")).status, 200);
  page.server.script("GET /locked", (_, response) => json(response, 200, {}));
  await time.advance(1_000);
  for (let asked = 0; asked < 9; asked += 1)
    assert.equal((await request("/locked")).status, 200, "nothing is held back once it is well");
});

test("each endpoint's own 401 is given, though many are asked at once; one fresh token for all", async (t) => {
  const page = await setUp(t);
  const { server, signIn, request } = page;
  const paths = Array.from({ length: 9 }, (_, n) => `/locked/${n}`);
  for (const path of paths)
    server.script(`GET ${path}`, (_, response) => json(response, 401, { path }));
  const answers = await Promise.all(paths.map((path) => request(path)));
  for (const [n, path] of paths.entries()) assert.deepEqual(await answers[n].json(), { path });
  assert.equal(signIn.mints(), 1);
  assert.ok(server.requests.length <= 18, `${server.requests.length} requests`);
});

test("an endpoint without problem documents is given a fresh token where the one before was refused", async (t) => {
  const { server, signIn, request } = await setUp(t);
  let good = signIn.token();
  server.script("GET /old", ({ headers }, response) =>
    json(response, headers.authorization === `Bearer ${good}` ? 200 : 401, {}),
  );
  signIn.onMint = () => ((signIn.minted += 1), (good = signIn.token()));
  for (let life = 1; life <= 3; life += 1) {
    assert.equal((await request("/old")).status, 200);
    good = null;
  }
  assert.equal(signIn.mints(), 2);
});

/** A page whose tokens live for a minute, and how a server says that it is so much later. */
async function setUpWithLives(t) {
  const time = createSimulatedClock(() => new Promise(setImmediate));
  const page = await setUp(t, { clock: time.clock });
  const { signIn } = page;
  const exp = time.clock.now() / 1_000 + 60;
  signIn.token = () => makeToken({ n: signIn.minted, exp: exp + signIn.minted });
  const later = (ms = 0) => ({ date: new Date(time.clock.now() + ms).toUTCString() });
  return { ...page, later };
}

test("a wrong PIN with a token that still lives is sent once, and costs no fresh token", async (t) => {
  const page = await setUpWithLives(t);
  const own = setUpOwn(page, "POST /unlock", page.later());
  for (let asked = 1; asked <= 3; asked += 1) {
    const answer = await page.request("/unlock", post);
    assert.deepEqual(await answer.json(), { error: `wrong PIN ${asked}` });
  }
  assert.equal(own.wrong, 3);
  assert.equal(page.signIn.mints(), 0);
});

test("nor does it need a sign-in library that can give a fresh token, and neither do others", async (t) => {
  const page = await setUpWithLives(t);
  page.signIn.onMint = () => Promise.reject(new Error("offline"));
  setUpOwn(page, "POST /unlock", page.later());
  assert.equal((await page.request("/unlock", post)).status, 401);
  assert.equal((await page.request("/things")).status, 200);
});

test("a token that has expired by the server's clock is replaced, whatever this computer's says", async (t) => {
  const { server, request, signIn, later } = await setUpWithLives(t);
  const stale = `Bearer ${signIn.token()}`;
  server.script("GET /old", ({ headers }, response) =>
    json(response, headers.authorization === stale ? 401 : 200, {}, later(300_000)),
  );
  assert.equal((await request("/old")).status, 200);
  assert.equal(signIn.mints(), 1);
});

test("a path is held back whatever its query, its fragment and the case of its method are", async (t) => {
  const time = createSimulatedClock(() => new Promise(setImmediate));
  const page = await setUp(t, { clock: time.clock });
  const own = setUpOwn(page, "GET /locked");
  for (let asked = 0; asked < 40; asked += 1) {
    const method = asked % 2 ? "get" : "GET";
    assert.equal((await page.request(`/locked?_=${asked}#${asked}`, { method })).status, 401);
  }
  assert.equal(own.wrong, 8); // two of the first, for its fresh token
});

for (const source of ["session", "none"])
  test(`a 401 that one person was given is not the next one's; source: ${source}`, async (t) => {
    let id = "sess_1";
    const { server, signIn, request } = await setUp(t, { getSessionId: () => id });
    server.script(THINGS, (request, response) =>
      source === "session" ? faults[401](request, response) : json(response, 401, {}),
    );
    for (let asked = 0; asked < 9; asked += 1) assert.equal((await request("/things")).status, 401);
    server.script(THINGS, (_, response) => json(response, 200, {}));
    signIn.become("user_2", "sess_2");
    id = "sess_2";
    assert.equal((await request("/things")).status, 200);
  });

test("a 401 that comes late, after the session has changed, is not given to the next person", async (t) => {
  let id = "sess_1";
  const { server, signIn, request } = await setUp(t, { getSessionId: () => id });
  await request("/things");
  const asked = new Promise((resolve) =>
    server.script("POST /slow", (_, response) => resolve(response)),
  );
  const theirs = errorOf(request("/slow", post));
  const late = await asked;
  signIn.become("user_2", "sess_2");
  id = "sess_2";
  server.script(THINGS, faults[401]);
  assert.equal((await request("/things")).status, 401);
  problem(late, 401, "token-expired", { source: "session", mine: "user_1" });
  assert.equal((await theirs).code, "session-changed");
  assert.equal((await (await request("/things")).json()).mine, undefined);
});

test("what one person did while the first answer was awaited is not sent as the next person", async (t) => {
  let id = "sess_1";
  const { server, signIn, request } = await setUp(t, { getSessionId: () => id });
  const asked = new Promise((resolve) =>
    server.script("GET /slow", (_, response) => resolve(response)),
  );
  server.script("POST /things", (_, response) => json(response, 201, {}));
  const first = request("/slow");
  const late = await asked;
  const done = request("/things", { method: "POST" }).catch(({ code }) => code);
  signIn.become("user_2", "sess_2");
  id = "sess_2";
  server.script("GET /slow", (_, response) => json(response, 200, {}));
  json(late, 200, {});
  assert.equal(await done, "session-changed");
  assert.deepEqual(new Set(server.routes()), new Set(["GET /slow"]));
  await first;
});

test("what one person did while the first token was awaited is not sent as the next person", async (t) => {
  let id = "sess_1";
  const tokens = [new Promise(() => {}), makeToken({ sub: "user_2", sid: "sess_2" })];
  const time = createSimulatedClock(() => new Promise(setImmediate));
  const { server, request } = await setUp(t, {
    clock: time.clock,
    getSessionId: () => id,
    getToken: async () => tokens.shift(),
  });
  server.script("POST /things", (_, response) => json(response, 201, {}));
  request("/things").catch(() => {});
  const done = request("/things", { method: "POST" }).catch(({ code }) => code);
  id = "sess_2";
  await time.advance(1_000);
  assert.equal(await done, "session-changed");
  assert.deepEqual(server.routes(), []);
});
