/**
 * An app that reads whenever it is told something, or all the time, as an effect without
 * dependencies does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorOf, setUp } from "./support/harness.js";
import { connected, faults, json, problem } from "./support/scripted-server.js";

const bad = (request, response) => problem(response, 502, "x", { source: "request" });

/** Reads at every snapshot, and every 100 ms, for three minutes. Returns the requests of each. */
async function pester({ client, server, time }, listens = true) {
  const again = () => client.status().catch(() => {});
  if (listens) client.subscribe(again);
  again();
  const minutes = [];
  for (let minute = 0; minute < 3; minute += 1) {
    const before = server.requests.length;
    for (let ms = 0; ms < 60_000; ms += 100) {
      again();
      await time.advance(100);
    }
    minutes.push(server.requests.length - before);
  }
  return minutes;
}

for (const [name, answer] of Object.entries({
  502: bad,
  "a reset": faults.reset,
  "half a document": faults.truncated,
}))
  test(`a status asked for all the time is asked for as an open page does: ${name}`, async (t) => {
    const app = await setUp(t);
    app.server.state.answer = answer;
    const [first, ...later] = await pester(app);
    assert.ok(first <= 8 && later.every((count) => count <= 2), `${[first, ...later]} requests`);
    app.server.state.answer = null;
    await app.time.advance(65_000);
    assert.equal(app.client.getSnapshot().phase, "ready");
    assert.equal(app.client.getSnapshot().error, null);
  });

test("a timer on a page where nobody listens sends no more either", async (t) => {
  const app = await setUp(t);
  app.server.state.answer = bad;
  const [first, ...later] = await pester(app, false);
  assert.ok(first <= 8 && later.every((count) => count <= 2), `${[first, ...later]} requests`);
});

test("a status that is answered with the failure that is known tells nobody anything", async (t) => {
  const { client, server } = await setUp(t);
  server.state.answer = bad;
  for (let asked = 0; asked < 6; asked += 1) await errorOf(client.status());
  const told = client.getSnapshot();
  assert.equal(await errorOf(client.status()), told.error);
  assert.equal(client.getSnapshot(), told);
  assert.equal(server.requests.length, 6);
});

test("a press is one request at once, however often the app asked in vain", async (t) => {
  const app = await setUp(t);
  app.server.state.answer = bad;
  await pester(app);
  const before = app.server.requests.length;
  await errorOf(app.client.retry());
  assert.equal(app.server.requests.length, before + 1);
});

test("a refused session is asked for nothing, and its app told nothing, until a press", async (t) => {
  const app = await setUp(t);
  app.server.state.answer = faults[401];
  const minutes = await pester(app);
  assert.deepEqual([...minutes, app.signIn.mints()], [2, 0, 0, 1]);
  let told = 0;
  app.client.subscribe(() => (told += 1));
  await errorOf(app.client.status());
  assert.equal(told, 0);
  await errorOf(app.client.retry());
  assert.equal(app.server.requests.length, 3);
});

test("a server that is well has one question a second at most", async (t) => {
  const app = await setUp(t);
  const minutes = await pester(app);
  // Six at once and one a second; beside them the polls and the stream.
  assert.ok(minutes[0] <= 70 && minutes[1] <= 62, `${minutes} requests`);
  app.server.state.status = { ...app.server.state.status, version: 7 };
  await app.time.advance(2_000);
  assert.equal((await app.client.status()).version, 7);
});

test("whoever signs in next is not answered with what failed before", async (t) => {
  const app = await setUp(t);
  app.server.state.answer = faults[401];
  for (let asked = 0; asked < 9; asked += 1) await errorOf(app.client.status());
  app.server.state.answer = null;
  app.signIn.become("user_2", "sess_2");
  app.client.sessionChanged();
  assert.equal((await app.client.status()).state, "not_connected");
});

for (const ask of ["status", "profile"])
  test(`asked more often than allowed, ${ask}() is another person's from the moment their id is there`, async (t) => {
    let id = "sess_1";
    const { server, signIn, client } = await setUp(t, { getSessionId: () => id });
    server.state.answer = (request, response) => {
      const claims = request.headers.authorization.split(".")[1];
      const { sub } = JSON.parse(Buffer.from(claims, "base64url"));
      json(response, 200, { ...connected, account: { username: sub } });
    };
    const whose = async () => (await client[ask]()).account.username;
    for (let asked = 0; asked < 8; asked += 1) assert.equal(await whose(), "user_1");
    signIn.become("user_2", "sess_2");
    id = "sess_2";
    assert.equal(await whose(), "user_2");
  });

test("another person is not told what one before them was to wait for", async (t) => {
  let id = "sess_1";
  const { server, signIn, client } = await setUp(t, { getSessionId: () => id });
  server.state.answer = faults[429];
  await errorOf(client.check());
  server.state.answer = null;
  signIn.become("user_2", "sess_2");
  id = "sess_2";
  assert.equal((await client.check()).state, "not_connected");
});

const QUESTIONS = {
  profile: (client) => client.profile(),
  sync: (client) => client.sync(),
  "history, and its next page": async (client) => {
    await client.history();
    await client.history({ cursor: "7" });
  },
};

for (const [name, ask] of Object.entries(QUESTIONS))
  for (const [what, answer, most] of [
    ["502", bad, [8, 2]],
    ["a reset", faults.reset, [8, 2]],
    ["200 in HTML", faults.html, [8, 2]],
    ["all well", null, [140, 124]],
  ])
    test(`${name}, asked for all the time: no loop, ${what}`, async (t) => {
      const { client, server, time } = await setUp(t);
      server.state.answer = answer;
      // Beside those by which the session is to be proven, within what an open page may ask.
      const asked = () => server.routes().filter((route) => !/status$/.test(route)).length;
      const minutes = [];
      for (let minute = 0; minute < 2; minute += 1) {
        const before = asked();
        for (let ms = 0; ms < 60_000; ms += 100) {
          ask(client).catch(() => {});
          await time.advance(100);
        }
        minutes.push(asked() - before);
      }
      const isWithin = (count, index) => count >= 1 && count <= most[index];
      assert.ok(minutes.every(isWithin), `${minutes} requests`);
    });

test("a question that was asked too often has its last answer, until a press or another session", async (t) => {
  const { client, server, signIn } = await setUp(t);
  const asked = () => server.routes().filter((route) => route === "GET /user/profile").length;
  server.state.answer = bad;
  for (let n = 0; n < 9; n += 1) assert.equal((await errorOf(client.profile())).status, 502);
  assert.equal(asked(), 6);
  server.state.answer = null;
  await errorOf(client.profile());
  await client.retry();
  assert.equal((await client.profile()).id, "user_1");
  assert.equal(asked(), 7);
  server.state.answer = bad;
  for (let n = 0; n < 9; n += 1) await client.profile().catch(() => {});
  server.state.answer = null;
  signIn.become("user_2", "sess_2");
  client.sessionChanged();
  assert.equal((await client.profile()).id, "user_1");
});

for (const [what, headers] of [
  ["an hour", { "retry-after": "3600" }],
  ["half a minute", { "retry-after": "30" }],
])
  test(`a press is one request, though the server has asked for ${what}; once it is well, all is`, async (t) => {
    const { client, server, time } = await setUp(t);
    server.state.answer = (request, response) => problem(response, 503, "x", { headers });
    client.subscribe(() => {});
    await time.advance(1_000);
    for (let press = 1; press <= 3; press += 1) {
      const before = server.requests.length;
      await errorOf(client.retry());
      assert.equal(server.requests.length, before + 1);
      await errorOf(client.status());
      assert.equal(server.requests.length, before + 1, "nothing but a press is sent");
    }
    server.state.answer = null;
    await client.retry();
    await time.advance(1_000);
    const { phase, error, live } = client.getSnapshot();
    assert.deepEqual([phase, error, live], ["ready", null, "stream"]);
    assert.deepEqual(server.routes().slice(-2), ["GET /user/instagram/status", "GET /user/events"]);
  });
