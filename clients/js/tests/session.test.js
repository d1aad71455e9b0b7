/** A 401 is answered once with a fresh token, then never again: no loop, no sign-out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastSessionError,
} from "../src/holdfast-client.js";
import { connected, faults, json, problem } from "./support/scripted-server.js";
import { alternating, errorOf, makeToken, setUp } from "./support/harness.js";
import { until } from "./support/until.js";

const FIVE_MINUTES = 300_000;
const STATUS = "GET /user/instagram/status";

test("a 401 storm costs two requests, whatever the page calls for five minutes", async (t) => {
  const { server, time, signIn, client } = await setUp(t);
  server.state.fault = "401";
  client.subscribe(() => {});
  const all = [client.sync(), client.profile(), client.status(), client.history()];
  for (const error of await Promise.all(all.map(errorOf)))
    assert.ok(error instanceof HoldfastSessionError);
  await time.advance(FIVE_MINUTES);
  for (let i = 0; i < 20; i += 1) await errorOf(client.status());
  await errorOf(client.connect());
  assert.equal(server.requests.length, 2);
  assert.equal(signIn.mints(), 1);
  assert.notEqual(server.requests[0].token, server.requests[1].token);
  assert.equal(client.getSnapshot().phase, "session-refused");
  assert.equal(client.getSnapshot().error.code, "token-expired");
  assert.equal(client.getSnapshot().live, false);
  await time.advance(0);
  assert.equal(time.pending(), 0, "no timer is left to wake up anything");
});

test("a final refusal ends the stream as well", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(server.streams.size, 1);
  server.state.fault = "401";
  await errorOf(client.check());
  await time.settle();
  assert.equal(server.streams.size, 0);
  assert.equal(client.getSnapshot().phase, "session-refused");
});

test("an expired token is replaced without anybody noticing", async (t) => {
  const { server, signIn, client } = await setUp(t);
  const stale = signIn.token();
  server.script(STATUS, (request, response) => {
    if (request.headers.authorization === `Bearer ${stale}`) return faults[401](request, response);
    server.script(STATUS);
    problem(response, 503, "never-mind", { source: "database" });
  });
  const error = await errorOf(client.status());
  assert.equal(error.kind, "service", "the second answer counts, not the first");
  assert.equal((await client.status()).state, "not_connected");
  assert.equal(signIn.mints(), 1);
});

test("a request that the loop breaker stops, since others had the same token, is sent with a fresh one", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  const stale = signIn.token();
  for (const [route, refuse] of [
    ["POST /user/instagram/check", faults[401]],
    ["POST /auth/sync", (_, response) => problem(response, 429, "stop-repeating")],
  ])
    server.script(route, (request, response) =>
      request.headers.authorization === `Bearer ${stale}`
        ? refuse(request, response)
        : json(response, 200, connected),
    );
  await Promise.all([client.check(), client.sync()]);
  assert.equal(signIn.mints(), 1);
  assert.equal(server.requests.length, 5);
});

test("the loop breaker alone is a refusal too: one fresh token, and the end of the matter", async (t) => {
  const { server, time, signIn, client } = await setUp(t);
  client.subscribe(() => {});
  server.state.answer = (request, response) => problem(response, 429, "stop-repeating");
  await time.advance(FIVE_MINUTES);
  assert.equal(server.requests.length, 2);
  assert.equal(signIn.mints(), 1);
  const { phase, error } = client.getSnapshot();
  assert.deepEqual(
    [phase, error.kind, error.code],
    ["session-refused", "session", "stop-repeating"],
  );
});

test("no retry for a refusal that a fresh token cannot mend", async (t) => {
  const { server, signIn, client } = await setUp(t);
  server.script(STATUS, (request, response) =>
    problem(response, 401, "token-invalid-authorized-parties"),
  );
  const error = await errorOf(client.status());
  assert.equal(error.code, "token-invalid-authorized-parties");
  assert.equal(error.problem.type, "/docs/errors/token-invalid-authorized-parties");
  assert.equal(signIn.mints(), 0);
  assert.equal(server.requests.length, 1);
});

test("a mint that gives the same token again is not sent", async (t) => {
  const { server, signIn, client } = await setUp(t);
  server.state.fault = "401";
  signIn.onMint = () => signIn.token();
  assert.ok((await errorOf(client.status())) instanceof HoldfastSessionError);
  await errorOf(client.status());
  assert.equal(server.requests.length, 1);
});

test("an old server's bare 401 is given one fresh token as well", async (t) => {
  const { server, client } = await setUp(t);
  server.script(STATUS, (request, response) => {
    response.writeHead(401, { "content-type": "application/json" });
    response.end('{"error":"Invalid or expired token"}');
  });
  const error = await errorOf(client.status());
  assert.equal(error.message, "Invalid or expired token");
  assert.equal(server.requests.length, 2);
});

test("getToken that hangs is given up after 8 s, without a request", async (t) => {
  const { server, time, client } = await setUp(t, { getToken: () => new Promise(() => {}) });
  const failure = errorOf(client.status());
  await time.advance(8_000);
  const error = await failure;
  assert.ok(error instanceof HoldfastNetworkError);
  assert.equal(error.code, "token-timeout");
  assert.equal(server.requests.length, 0);
});

test("getToken that throws is a network error, not a sign-out", async (t) => {
  const cause = new Error("clerk_offline");
  const { client } = await setUp(t, {
    getToken: () => {
      throw cause;
    },
  });
  const error = await errorOf(client.status());
  assert.equal(error.code, "token-failed");
  assert.equal(error.cause, cause);
  assert.equal(client.getSnapshot().phase, "failed");
});

test("while no fresh token can be had, the refused one is not sent again; later it goes on", async (t) => {
  const { server, time, signIn, client } = await setUp(t);
  server.state.fault = "401";
  signIn.onMint = () => new Promise(() => {});
  client.subscribe(() => {});
  await time.advance(FIVE_MINUTES);
  assert.equal(server.requests.length, 1);
  assert.equal(client.getSnapshot().error.code, "token-timeout");
  signIn.onMint = null;
  server.state.fault = null;
  await time.advance(61_000);
  assert.equal(client.getSnapshot().phase, "ready");
});

test("nobody signed in: no request, and a name for it", async (t) => {
  const { server, signIn, time, client } = await setUp(t);
  signIn.become(null, null);
  client.subscribe(() => {});
  await time.advance(FIVE_MINUTES);
  assert.equal((await errorOf(client.status())).code, "signed-out");
  assert.equal(client.getSnapshot().phase, "signed-out");
  assert.equal(client.getSnapshot().error, null, "the phase says it");
  assert.equal(server.requests.length, 0);
});

test("a session and no token, as older libraries say offline: nobody is signed out, and what was known stays", async (t) => {
  let id = "sess_1";
  const { server, signIn, time, client } = await setUp(t, { getSessionId: () => id });
  client.subscribe(() => {});
  await time.advance(1_000);
  const known = client.getSnapshot().status;
  server.endStreams();
  signIn.sub = null;
  await time.advance(FIVE_MINUTES);
  const { phase, status, error } = client.getSnapshot();
  assert.deepEqual([phase, status, error?.code], ["ready", known, "token-failed"]);
  signIn.sub = "user_1";
  await time.advance(61_000);
  assert.equal(client.getSnapshot().error, null);
  signIn.become(null, null);
  id = null;
  await errorOf(client.status());
  assert.equal(client.getSnapshot().phase, "signed-out");
});

test("another session without a token yet: what was known of the one before is gone", async (t) => {
  let id = "sess_1";
  const { signIn, client } = await setUp(t, { getSessionId: () => id });
  await client.status();
  signIn.become(null, null);
  id = "sess_2";
  assert.equal((await errorOf(client.status())).code, "token-failed");
  assert.equal(client.getSnapshot().status, null);
  assert.equal(client.getSnapshot().phase, "failed");
});

for (const how of ["is noticed in the token", "is told by sessionChanged()"]) {
  test(`a refusal ends when the session changes, which ${how}`, async (t) => {
    const { server, signIn, time, client } = await setUp(t);
    client.subscribe(() => {});
    server.state.fault = "401";
    await errorOf(client.status());
    assert.equal(client.getSnapshot().phase, "session-refused");
    server.state.fault = null;
    signIn.become("user_1", "sess_2");
    if (how.startsWith("is told")) client.sessionChanged();
    else await client.status();
    await time.advance(0);
    assert.equal(client.getSnapshot().phase, "ready");
    assert.equal(client.getSnapshot().live, "stream");
  });
}

test("with getSessionId a refused session does not even ask for a token", async (t) => {
  const { server, signIn, client } = await setUp(t, { getSessionId: () => "sess_1" });
  server.state.fault = "401";
  await errorOf(client.status());
  const asked = signIn.calls.length;
  await errorOf(client.status());
  assert.equal(signIn.calls.length, asked);
});

test("requests that hear the same 401 in mid-session share one fresh token", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  const stale = signIn.token();
  const before = server.requests.length;
  const refuseStale = (route, answer) =>
    server.script(route, (request, response) => {
      if (request.headers.authorization === `Bearer ${stale}`)
        return faults[401](request, response);
      answer(response);
    });
  const ok = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end("{}");
  };
  refuseStale("POST /auth/sync", ok);
  refuseStale("GET /user/profile", ok);
  refuseStale("GET /user/instagram/history", ok);
  await Promise.all([client.sync(), client.profile(), client.history()]);
  assert.equal(signIn.mints(), 1);
  assert.equal(server.requests.length - before, 6);
});

test("403 asks for no fresh token", async (t) => {
  const { server, signIn, client } = await setUp(t);
  server.state.fault = "403";
  const error = await errorOf(client.status());
  assert.ok(error instanceof HoldfastRequestError);
  assert.equal(error.code, "session-pending");
  assert.equal(signIn.mints(), 0);
  assert.equal(server.requests.length, 1);
});

test("what one person clicked is not done as another", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  signIn.become("user_2", "sess_9");
  const error = await errorOf(client.disconnect());
  assert.equal(error.code, "session-changed");
  assert.ok(!server.routes().includes("DELETE /user/instagram"));
});

test("nor when the other person's token comes out of the retry", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  server.script("DELETE /user/instagram", faults[401]);
  signIn.onMint = () => {
    signIn.become("user_2", "sess_9");
    return signIn.token();
  };
  assert.equal((await errorOf(client.disconnect())).code, "session-changed");
  assert.equal(server.routes().filter((route) => route.startsWith("DELETE")).length, 1);
});

/** A page whose next token comes when the test gives it. */
async function setUpWithLateToken(t) {
  let late = null;
  const page = await setUp(t, { getToken: (options) => late ?? page.signIn.getToken(options) });
  await page.client.status();
  let give;
  late = new Promise((resolve) => (give = resolve));
  return {
    ...page,
    give(token) {
      late = null;
      give(token);
    },
  };
}

test("nor when the session changes while a token is awaited", async (t) => {
  const { server, signIn, client, give } = await setUpWithLateToken(t);
  const failure = errorOf(client.disconnect());
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  give(signIn.token());
  assert.equal((await failure).code, "session-changed");
  assert.ok(!server.routes().includes("DELETE /user/instagram"));
});

test("the next person is not told how what the one before had pressed ended", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  let answer;
  server.script("DELETE /user/instagram", (request, response) => {
    answer = () => json(response, 200, { disconnected: true, revoke_hint: "" });
  });
  const failure = errorOf(client.disconnect());
  await until(() => answer, "the request");
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  await client.status();
  answer();
  assert.equal((await failure).code, "session-changed"); // the app's own call is told
  assert.equal(client.getSnapshot().error, null);
});

test("a token of the previous person that comes late is not sent for the next", async (t) => {
  const { server, signIn, client, give } = await setUpWithLateToken(t);
  const before = server.requests.length;
  const [stale, status] = [signIn.token(), client.status()];
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  give(stale);
  assert.equal((await status).state, "not_connected");
  assert.deepEqual(
    server.requests.slice(before).map(({ token }) => token),
    [signIn.token()],
  );
});

test("an answer for the previous person is dropped", async (t) => {
  const { server, signIn, client } = await setUp(t);
  await client.status();
  let release;
  server.script(STATUS, (request, response) => {
    release = () => problem(response, 503, "late", { source: "database" });
  });
  const late = client.status();
  await until(() => release, "the request");
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  assert.equal(client.getSnapshot().status, null);
  server.script(STATUS);
  release();
  assert.equal((await late).state, "not_connected", "read anew for the person who is here now");
  assert.equal(server.requests.at(-1).token, signIn.token());
});

test("a slow first call does not hold back the status", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script("POST /auth/sync", faults.hang);
  client.sync();
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.equal(client.getSnapshot().live, "stream");
});

test("one request for each press after a refusal, and all is well when the server is mended", async (t) => {
  for (const onMint of [null, (signIn) => signIn.token()]) {
    const { server, signIn, time, client } = await setUp(t);
    signIn.onMint = onMint && (() => onMint(signIn));
    server.state.fault = "401";
    client.subscribe(() => {});
    await time.advance(0);
    assert.equal(client.getSnapshot().phase, "session-refused");
    for (let press = 1; press <= 3; press += 1) {
      const before = server.requests.length;
      const both = await Promise.all([errorOf(client.retry()), errorOf(client.status())]);
      assert.deepEqual(
        both.map(({ kind }) => kind),
        ["session", "session"],
      );
      await time.advance(60_000);
      assert.equal(server.requests.length - before, 1);
    }
    server.state.fault = null;
    await client.retry();
    await time.advance(0);
    assert.equal(client.getSnapshot().phase, "ready");
    assert.equal(client.getSnapshot().live, "stream");
  }
});

test("after a press that the network thwarts, asking goes on by itself", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.fault = "401";
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(client.getSnapshot().phase, "session-refused");
  server.state.fault = "reset";
  assert.equal((await errorOf(client.retry())).kind, "network");
  server.state.fault = null;
  await time.advance(65_000);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.equal(client.getSnapshot().live, "stream");
});

test("a sign-in library that loads later is noticed, without a word from the app and without a request before", async (t) => {
  const { server, signIn, time, client } = await setUp(t);
  signIn.become(null, null);
  const seen = [];
  client.subscribe(({ phase }) => seen.at(-1) !== phase && seen.push(phase));
  await time.advance(3_000);
  assert.equal(client.getSnapshot().phase, "signed-out");
  assert.equal(server.requests.length, 0);
  signIn.become("user_1", "sess_1");
  await time.advance(10_000);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.deepEqual(seen.filter((phase) => phase === "signed-out").length, 1, "and it is said once");
});

test("sessionChanged() does nothing where the session is the same: libraries call it often", async (t) => {
  let id = "sess_1";
  const { server, time, client } = await setUp(t, { getSessionId: () => id });
  client.subscribe(() => {});
  await time.advance(0);
  const before = server.requests.length;
  for (let i = 0; i < 20; i += 1) client.sessionChanged();
  await time.advance(5_000);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.equal(server.requests.length, before);
  assert.equal(client.getSessionKey(), "sess_1");
  id = "sess_2";
  client.sessionChanged();
  assert.equal(client.getSnapshot().status, null);
});

test("three checks at once are one request; so are two disconnections", async (t) => {
  const { server, client } = await setUp(t);
  await client.status();
  await Promise.all([client.check(), client.check(), client.check()]);
  await Promise.all([client.disconnect(), client.disconnect()]);
  const writes = server.routes().filter((route) => !route.startsWith("GET"));
  assert.deepEqual(writes, ["POST /user/instagram/check", "DELETE /user/instagram"]);
  await client.check();
  assert.equal(
    server.routes().filter((route) => route.startsWith("POST")).length,
    2,
    "later ones are their own",
  );
});

for (const uses of [1, 2]) {
  test(`another person's token with every ${uses} calls is no loop, of requests or of tokens`, async (t) => {
    const people = alternating(uses);
    const { server, time, client } = await setUp(t, { getToken: people.getToken });
    client.subscribe(() => {});
    await time.advance(60_000);
    assert.ok(server.requests.length <= 8, `${server.requests.length} requests`);
    assert.ok(people.asked <= 24, `${people.asked} tokens in the first minute`);
    const before = people.asked;
    await time.advance(60_000);
    assert.ok(people.asked - before <= 8, `${people.asked - before} tokens in the second minute`);
  });
}

for (const [given, sessionId, code] of [
  [5, "sess_1", "token-failed"],
  [{}, null, "token-failed"],
  ["", "sess_1", "token-failed"],
  ["", null, "signed-out"],
]) {
  test(`${JSON.stringify(given)} for a token, ${sessionId}: ${code}, and not the server's fault`, async (t) => {
    const { server, client } = await setUp(t, {
      getToken: async () => given,
      getSessionId: () => sessionId,
    });
    assert.equal((await errorOf(client.status())).code, code);
    assert.equal(server.requests.length, 0);
  });
}

/**
 * Somebody else signs in every so many milliseconds, for half a minute and a whole one after it.
 */
async function switching(t, every, fault) {
  let id = "sess_0";
  const { server, signIn, time, client } = await setUp(t, { getSessionId: () => id });
  const slow = [];
  server.state.fault = fault;
  client.subscribe(() => {});
  const minutes = [];
  for (const length of [60_000, 60_000]) {
    const before = server.requests.length;
    for (let ms = 0; ms < length; ms += every) {
      await time.advance(every);
      const { phase } = client.getSnapshot();
      if (phase !== "ready") slow.push(phase);
      id = `sess_${server.requests.length}_${ms}`;
      signIn.become(`user_of_${id}`, id);
      client.sessionChanged();
    }
    minutes.push(server.requests.length - before);
  }
  return { minutes, slow };
}

test("an account switcher: whoever is next, and next again, is read at once", async (t) => {
  const { minutes, slow } = await switching(t, 3_000);
  assert.deepEqual(slow, []);
  assert.ok(
    minutes.every((count) => count <= 50),
    `${minutes} requests: state and stream of each`,
  );
});

for (const [every, fault] of [
  [100, null],
  [900, null],
  [3_000, "503"],
  [3_000, "hang"],
  [3_000, "html"],
]) {
  test(`sessions that change every ${every} ms, ${fault ?? "each well"}: no loop`, async (t) => {
    const { minutes } = await switching(t, every, fault);
    assert.ok(minutes[0] <= 8 && minutes[1] <= 2, `${minutes} requests`);
  });
}

test("a token that was asked for before the session changed is not used as the next one's", async (t) => {
  let id = "sess_1";
  let give = () => {};
  const asked = new Promise((resolve) => (give = resolve));
  const { server, signIn, client } = await setUp(t, {
    getSessionId: () => id,
    getToken: async () => (id === "sess_1" ? asked : signIn.token()),
  });
  const whose = () => server.requests.map(({ token }) => token);
  const before = signIn.token();
  const read = client.status();
  id = "sess_9";
  signIn.become("user_2", "sess_9");
  give(before);
  await read;
  assert.deepEqual(whose(), [signIn.token()]);
});

test("an answer that comes after the session changed is dropped, though nobody told of the change", async (t) => {
  let id = "sess_1";
  const { server, signIn, client } = await setUp(t, { getSessionId: () => id });
  await client.status();
  let answer = () => {};
  server.script("POST /user/instagram/check", (_, response) => {
    answer = () => json(response, 200, server.state.status);
  });
  const check = errorOf(client.check());
  await until(() => server.unanswered() === 1, "a check under way");
  id = "sess_9";
  signIn.become("user_2", "sess_9");
  answer();
  assert.equal((await check).code, "session-changed");
  assert.equal(client.getSnapshot().status, null);
});

for (const tells of [true, false])
  for (const [press, route] of [
    ["check", "POST /user/instagram/check"],
    ["disconnect", "DELETE /user/instagram"],
    ["connect", "POST /user/instagram/connect"],
  ])
    test(`a press on ${press} is not taken for what the one before is doing; ${tells ? "" : "not "}told of them`, async (t) => {
      let id = "sess_1";
      const { server, signIn, client, departures } = await setUp(t, { getSessionId: () => id });
      await client.status();
      server.script(route, faults.hang);
      const theirs = errorOf(client[press]());
      await until(() => server.unanswered() === 1, "a press under way");
      server.script(route);
      id = "sess_9";
      signIn.become("user_2", "sess_9");
      if (tells) client.sessionChanged();
      const own = client[press]();
      const sent = () => server.requests.filter((request) => request.route === route);
      await until(() => sent().length === 2, "their own request").finally(server.endHanging);
      await own;
      assert.equal(sent()[1].token, signIn.token());
      assert.equal(departures.length, press === "connect" ? 1 : 0);
      await theirs;
    });

test("a fresh token that is on its way to one person is not the next one's", async (t) => {
  const { server, time, signIn, client } = await setUp(t, { getSessionId: () => signIn.sid });
  await client.status();
  server.state.answer = faults[401];
  signIn.onMint = () => Promise.reject();
  await errorOf(client.check());
  let give;
  signIn.onMint = () => new Promise((resolve) => (give = resolve));
  const theirs = errorOf(client.check());
  await until(() => give, "a fresh token asked for");
  const late = makeToken({ n: 99 });
  signIn.become("user_2", "sess_2");
  signIn.onMint = null;
  const stale = signIn.token();
  server.state.answer = (request, response) => {
    if (request.headers.authorization === `Bearer ${stale}`) faults[401](request, response);
    else json(response, 200, connected);
  };
  const read = client.status();
  const isSent = ({ token }) => token === stale;
  await until(() => server.requests.some(isSent), "their first request");
  await time.settle();
  give(late);
  assert.equal((await read).state, "connected");
  assert.equal(server.requests.at(-1).token, signIn.token());
  assert.equal((await theirs).code, "session-changed");
});

for (const tells of [true, false])
  test(`the next person does not wait for a fresh token of the one before; ${tells ? "" : "not "}told of them`, async (t) => {
    const { server, time, signIn, client } = await setUp(t, { getSessionId: () => signIn.sid });
    await client.status();
    server.state.answer = faults[401];
    let give;
    signIn.onMint = () => new Promise((resolve) => (give = resolve));
    const theirs = errorOf(client.check());
    await until(() => give, "a fresh token asked for");
    server.state.answer = null;
    signIn.become("user_2", "sess_2");
    if (tells) client.sessionChanged();
    let status;
    client.status().then((next) => (status = next));
    await until(() => time.settle().then(() => status), "their status").finally(() =>
      give(makeToken()),
    );
    assert.equal((await theirs).code, "session-changed");
  });

/** Each person's status names them. */
const nameEach = (server) =>
  server.script(STATUS, (request, response) => {
    const { sub } = JSON.parse(
      Buffer.from(request.headers.authorization.split(".")[1], "base64url"),
    );
    const account = { ...connected.account, username: sub };
    json(response, 200, { ...connected, account });
  });
const shown = ({ client }) => client.getSnapshot().status?.account.username ?? null;

test("another session shows nothing of the one before, from the moment its id is there", async (t) => {
  let id = "sess_1";
  const app = await setUp(t, { getSessionId: () => id });
  nameEach(app.server);
  await app.client.status();
  assert.equal(shown(app), "user_1");
  id = "sess_2";
  assert.equal(app.client.getSnapshot(), app.client.getServerSnapshot());
});

for (const ids of [false, true])
  test(`two changes of session while one token is awaited, ${ids ? "with" : "without"} ids: nothing of those between is shown`, async (t) => {
    let who = 1;
    let delay = 0;
    const getToken = async () => {
      const sub = `user_${who}`;
      await new Promise((resolve) => app.time.clock.setTimeout(resolve, delay));
      return makeToken({ sub, sid: sub });
    };
    const options = { getToken, ...(ids && { getSessionId: () => `user_${who}` }) };
    const app = await setUp(t, options);
    nameEach(app.server);
    const seen = new Set();
    app.client.subscribe(() => seen.add(shown(app)));
    await app.time.advance(2_000);
    delay = 3_000;
    for (who of [2, 3]) {
      app.client.sessionChanged();
      await app.time.advance(1_000);
    }
    await app.time.advance(60_000);
    assert.deepEqual([...seen], [null, "user_1", "user_3"]);
  });

test("without ids, each of many views that open one after the other is filled at once", async (t) => {
  const { server, client, time } = await setUp(t);
  server.state.status = connected;
  for (let view = 1; view <= 10; view += 1) {
    const leave = client.subscribe(() => {});
    await time.advance(1_000);
    assert.equal(client.getSnapshot().status?.state, "connected", `view ${view}`);
    await time.advance(1_000);
    leave();
    await time.advance(0);
  }
});

test("without ids, views that open and close without end ask a failing server no more than one does", async (t) => {
  const { server, client, time } = await setUp(t);
  await client.status();
  server.state.fault = "503";
  for (let view = 1; view <= 100; view += 1) {
    const leave = client.subscribe(() => {});
    await time.advance(600);
    leave();
    await time.advance(0);
  }
  assert.ok(server.requests.length <= 9, `${server.requests.length} requests in a minute`);
});

test("without ids, what nobody looks at any more is not shown to whoever looks next", async (t) => {
  const app = await setUp(t);
  const { client, signIn, time } = app;
  nameEach(app.server);
  const leave = client.subscribe(() => {});
  await time.advance(1_000);
  leave();
  const leaveAgain = client.subscribe(() => {}); // as a double mount does
  await time.advance(0);
  assert.equal(shown(app), "user_1");
  leaveAgain();
  await time.advance(0);
  signIn.become("user_2", "sess_2");
  assert.equal(shown(app), null);
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(shown(app), "user_2");
});

test("a session that can have no other token costs a few requests a minute, and no more", async (t) => {
  const { server, time, signIn, client } = await setUp(t, {
    getSessionId: undefined,
    getToken: async (options) => (options?.skipCache ? null : signIn.token()),
  });
  server.state.fault = "401";
  client.subscribe(() => {});
  await time.advance(60_000);
  assert.ok(server.requests.length <= 8, `${server.requests.length} requests`);
});
