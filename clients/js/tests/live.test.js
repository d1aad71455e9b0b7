/** Live updates: stream, polling where there is none, nothing missed, nothing left running. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, json, notConnected, problem } from "./support/scripted-server.js";
import { forbidStorage, openPage, setUp } from "./support/harness.js";
import { until } from "./support/until.js";

const STATUS = "GET /user/instagram/status";
const EVENTS = "GET /user/events";

test("concurrent reads share one request; an unchanged state costs a 304", async (t) => {
  const { server, client } = await setUp(t);
  const [a, b] = await Promise.all([client.status(), client.status()]);
  assert.equal(a, b);
  assert.equal(server.requests.length, 1);
  const again = await client.status();
  assert.equal(again, a, "the very same object, so that nothing renders anew");
  assert.equal(server.requests[1].headers["if-none-match"], '"1"');
});

test("a notice on the stream changes the state at once", async (t) => {
  const { server, time, client } = await setUp(t);
  const seen = [];
  client.subscribe(({ status }) => status && seen.push(status.state));
  await time.advance(0);
  assert.equal(client.getSnapshot().live, "stream");
  server.announce(connected);
  await time.settle();
  assert.equal(client.getSnapshot().status.state, "connected");
  assert.equal(seen.at(-1), "connected");
});

test("notices in pieces, with CRLF, comments and strange fields are understood", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(0);
  const data = JSON.stringify(connected);
  for (const piece of [
    ": ping\r\n\r\nevent: insta",
    "gram.status\r\nretry: 5\r\nid: 2\r\ndata: ",
    data.slice(0, 9),
    data.slice(9),
    "\r\n",
    "\r\n",
  ]) {
    server.write(piece);
    await time.settle();
  }
  assert.equal(client.getSnapshot().status.state, "connected");
});

test("a notice older than what is known, or unreadable, makes it read instead", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.status = { ...connected, version: 9 };
  client.subscribe(() => {});
  await time.advance(0);
  const before = server.requests.length;
  server.write(
    `event: instagram.status\ndata: ${JSON.stringify({ ...notConnected, version: 3 })}\n\n`,
  );
  await time.settle();
  assert.equal(client.getSnapshot().status.version, 9);
  server.write("event: instagram.status\ndata: {\n\n");
  await time.settle();
  assert.deepEqual(server.routes().slice(before), [STATUS, STATUS]);
});

test("what changes while a stream is being opened again is not missed", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(20_000);
  server.endStreams();
  await time.settle();
  server.state.status = connected; // nobody listens at this moment
  await time.advance(2_000);
  assert.equal(client.getSnapshot().status.state, "connected");
  assert.equal(client.getSnapshot().live, "stream");
});

test("a read overtaken by a notice does not bring back the old state", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(0);
  let answerLate;
  server.script(STATUS, (request, response) => {
    answerLate = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(notConnected));
    };
  });
  const late = client.status();
  while (!answerLate) await time.settle();
  server.announce(connected);
  await time.settle();
  answerLate();
  assert.equal((await late).state, "connected");
  assert.equal(client.getSnapshot().status.state, "connected");
});

test("the stream is opened again with a new token when the server ends it", async (t) => {
  const { server, time, signIn, client } = await setUp(t);
  client.subscribe(() => {});
  for (let minute = 0; minute < 3; minute += 1) {
    await time.advance(20_000);
    signIn.minted += 1; // Clerk has refreshed it meanwhile
    server.endStreams();
    await time.advance(2_000);
  }
  const opened = server.requests.filter(({ route }) => route === EVENTS);
  assert.equal(opened.length, 4);
  assert.equal(new Set(opened.map(({ token }) => token)).size, 4);
});

test("a stream that falls silent is dead after 45 s", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(44_000);
  server.write(": heartbeat\n\n");
  await time.advance(44_000);
  assert.equal(server.streams.size, 1);
  const before = server.requests.filter(({ route }) => route === EVENTS).length;
  await time.advance(5_000);
  assert.equal(server.requests.filter(({ route }) => route === EVENTS).length, before + 1);
});

test("a page that is hidden now and then has a stream whenever it is seen", async (t) => {
  const page = openPage(t);
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  for (let times = 0; times < 4; times += 1) {
    page.show(true);
    await time.advance(20_000);
    assert.equal(client.getSnapshot().live, "stream", `seen ${times} times before`);
    page.show(false);
    await time.advance(20_000);
    assert.equal(server.streams.size, 0);
  }
});

test("back online, as after a sleep: a stream that is dead without a word is not waited for", async (t) => {
  const page = openPage(t);
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(20_000);
  server.state.status = connected; // and nobody could say so
  page.tell("online");
  await time.advance(1_000);
  assert.equal(client.getSnapshot().status.state, "connected");
  await time.advance(1_000);
  assert.equal(client.getSnapshot().live, "stream");
  assert.equal(server.streams.size, 1);
});

for (const [what, ms] of [
  ["put back an hour", -3_600_000],
  ["put forward an hour", 3_600_000],
]) {
  test(`this computer's clock is ${what} while the server is in trouble: it goes on asking, no more than before`, async (t) => {
    const { server, time, client } = await setUp(t);
    client.subscribe(() => {});
    server.state.fault = "503";
    await time.advance(20_000);
    const before = server.requests.length;
    time.jump(ms);
    await time.advance(60_000);
    const asked = server.requests.length - before;
    assert.ok(asked >= 1 && asked <= 8, `${asked} requests`);
    server.state.fault = null;
    await time.advance(65_000);
    assert.equal(client.getSnapshot().phase, "ready");
  });
}

test("without streams it polls with ETags, and tries a stream again now and then", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script(EVENTS, (request, response) => problem(response, 404, "not-found"));
  const modes = new Set();
  client.subscribe(({ live }) => modes.add(live));
  await time.advance(120_000);
  assert.equal(client.getSnapshot().live, "poll");
  const polls = server.requests.filter(({ route }) => route === STATUS);
  assert.ok(polls.length >= 4 && polls.length <= 7, `${polls.length} polls in two minutes`);
  assert.ok(polls.slice(1).every(({ headers }) => headers["if-none-match"] === '"1"'));
  assert.equal(server.requests.filter(({ route }) => route === EVENTS).length, 2);
  assert.ok(!modes.has("stream"));
  server.script(EVENTS);
  await time.advance(400_000);
  assert.ok(modes.has("stream"));
});

for (const [what, handler] of Object.entries({
  "ends at once": (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end();
  },
  "is HTML": (request, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<p>hello");
  },
})) {
  test(`a stream that ${what} is not hammered`, async (t) => {
    const { server, time, client } = await setUp(t);
    server.script(EVENTS, handler);
    client.subscribe(() => {});
    await time.advance(300_000);
    assert.ok(server.requests.filter(({ route }) => route === EVENTS).length <= 4);
    assert.ok(server.requests.length <= 20, `${server.requests.length} requests`);
    assert.equal(client.getSnapshot().phase, "ready");
  });
}

for (const hasChannels of [false, true]) {
  const what = hasChannels ? "locks are" : "locks and channels are";
  test(`where ${what} forbidden with storage, a tab has a stream of its own`, async (t) => {
    openPage(t);
    forbidStorage(t, { hasChannels });
    const { server, time, client } = await setUp(t);
    client.subscribe(() => {});
    await time.advance(0);
    assert.equal(client.getSnapshot().live, "stream");
    server.announce(connected);
    await time.settle();
    assert.equal(client.getSnapshot().status.state, "connected");
  });
}

test("it stops when nobody listens any more, and starts again", async (t) => {
  const { server, time, client } = await setUp(t);
  const stop = client.subscribe(() => {});
  await time.advance(0);
  stop();
  await time.settle();
  assert.equal(client.getSnapshot().live, false);
  assert.equal(server.streams.size, 0);
  const before = server.requests.length;
  await time.advance(600_000);
  assert.equal(server.requests.length, before);
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(client.getSnapshot().live, "stream");
});

test("listening, leaving and listening again in one moment starts once", async (t) => {
  const { server, time, client } = await setUp(t);
  client.subscribe(() => {})();
  client.subscribe(() => {});
  client.subscribe(() => {});
  await time.advance(0);
  assert.deepEqual(server.routes(), [STATUS, EVENTS]);
});

test("a line without end is not collected for ever", async (t) => {
  const { server, time, client } = await setUp(t);
  let isClosed = false;
  server.script(EVENTS, (request, response) => {
    response.on("close", () => (isClosed = true));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("x".repeat(200_000));
  });
  client.subscribe(() => {});
  await time.advance(0);
  await until(() => isClosed, "closed by the client");
});

test("leaving while the stream is being opened leaves none open", async (t) => {
  const { server, time, client } = await setUp(t);
  let isClosed = false;
  server.script(EVENTS, (request, response) => response.on("close", () => (isClosed = true)));
  const stop = client.subscribe(() => {});
  await time.advance(0);
  assert.equal(server.routes().at(-1), EVENTS);
  stop();
  await until(() => isClosed, "closed by the client");
  await time.advance(300_000);
  assert.equal(server.routes().filter((route) => route === EVENTS).length, 1);
});

/** An app's own `fetch`, wrapped by somebody who forgot that there are signals. */
const mindsNoSignal = (fetch) => ({
  fetch: (url, init) => fetch(url, { ...init, signal: new AbortController().signal }),
});

test("a stream whose `fetch` minds no signal is ended, and ends no other", async (t) => {
  const { server, time, reload, fetch } = await setUp(t);
  const client = reload(mindsNoSignal(fetch));
  const leave = client.subscribe(() => {});
  await time.advance(0);
  leave();
  await time.settle();
  client.subscribe(() => {});
  await time.advance(0);
  server.write(": heartbeat\n\n"); // to the old one too, if there still is one
  await time.settle();
  server.announce(connected);
  await time.settle();
  assert.equal(client.getSnapshot().status.state, "connected");
  await until(() => server.streams.size === 1, "the old one's end");
});

test("leaving while a stream is being opened whose `fetch` minds no signal leaves none open", async (t) => {
  const { server, time, reload, fetch } = await setUp(t);
  const client = reload(mindsNoSignal(fetch));
  let answer;
  server.script(EVENTS, (request, response) => {
    response.on("close", () => (answer.isClosed = true));
    answer = { response };
  });
  const leave = client.subscribe(() => {});
  await until(() => answer, "the question");
  leave();
  await time.settle();
  answer.response.writeHead(200, {
    "content-type": "text/event-stream",
    "access-control-allow-origin": "*",
  });
  answer.response.write(": heartbeat\n\n");
  await until(() => answer.isClosed, "its end");
});

test("a listener that throws harms neither the client nor the other listeners", async (t) => {
  const { time, client } = await setUp(t);
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  let heard = 0;
  client.subscribe(() => {
    throw new Error("theirs");
  });
  client.subscribe(() => (heard += 1));
  await time.advance(0);
  assert.ok(heard > 1);
  assert.equal(reported[0], "theirs");
  assert.equal(client.getSnapshot().live, "stream");
});

test("another person at the same page: the old state disappears at once, the stream is theirs", async (t) => {
  const { server, time, signIn, client } = await setUp(t);
  server.state.status = connected;
  client.subscribe(() => {});
  await time.advance(0);
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  assert.equal(client.getSnapshot().status, null);
  await time.advance(2_000);
  assert.equal(server.streams.size, 1);
  assert.equal(server.requests.findLast(({ route }) => route === EVENTS).token, signIn.token());
});

test("two statuses of one version: what is heard last stands, and nothing flickers", async (t) => {
  const { server, time, client } = await setUp(t);
  const seen = [];
  client.subscribe(({ status }) => status && seen.at(-1) !== status && seen.push(status));
  await time.advance(0);
  // As when a connection is first asked for: the same row, before and while the attempt is open.
  const connecting = { ...notConnected, state: "connecting", action: "none" };
  server.announce(notConnected);
  server.announce(connecting);
  await time.settle();
  server.endStreams();
  await time.advance(10_000); // the new stream begins with the state as it is
  assert.equal(client.getSnapshot().live, "stream");
  assert.deepEqual(
    seen.map(({ state }) => state),
    ["not_connected", "connecting"],
  );
  assert.equal(
    client.getSnapshot().status,
    seen[1],
    "the very same object, so that nothing renders anew",
  );
});

test("a read of the same version that began before the notice does not bring back the old state", async (t) => {
  const { server, time, client } = await setUp(t);
  const seen = [];
  client.subscribe(({ status }) => status && seen.push(status.state));
  await time.advance(0);
  let answerLate;
  server.script(
    STATUS,
    (request, response) => (answerLate = () => json(response, 200, notConnected)),
  );
  const late = client.status();
  while (!answerLate) await time.settle();
  server.announce({ ...notConnected, state: "connecting", action: "none" });
  await time.settle();
  answerLate();
  assert.equal((await late).state, "connecting");
  assert.equal(seen.lastIndexOf("not_connected") < seen.indexOf("connecting"), true, String(seen));
});

test("an action's answer that a notice has overtaken changes nothing back", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.status = connected;
  client.subscribe(() => {});
  await time.advance(0);
  let answerLate;
  server.script(
    "POST /user/instagram/check",
    (request, response) => (answerLate = () => json(response, 200, connected)),
  );
  const check = client.check();
  while (!answerLate) await time.settle();
  const revoked = {
    ...connected,
    connected: false,
    state: "reconnect_required",
    reason: "revoked",
    action: "reconnect",
    version: 3,
  };
  server.announce(revoked);
  await time.settle();
  answerLate();
  assert.deepEqual(await check, revoked);
  assert.deepEqual(client.getSnapshot().status, revoked);
});

test("a stream lives only once it has delivered: behind a proxy that holds everything back the page is right within a minute", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script(EVENTS, (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
  });
  const modes = new Set();
  client.subscribe(({ live }) => modes.add(live));
  await time.advance(20_000);
  server.state.status = connected;
  for (let second = 0; second < 60; second += 1) {
    if (second % 10 === 0) server.endOpen();
    await time.advance(1_000);
  }
  assert.equal(client.getSnapshot().status.state, "connected");
  assert.ok(!modes.has("stream"), [...modes].join());
  assert.equal(client.getSnapshot().live, "poll");
});
