/**
 * Connecting: one attempt per intention, the completion gone from the address before anything else
 * happens.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldfastRequestError, HoldfastServiceError } from "../src/holdfast-client.js";
import { createFakeClient } from "../src/fake.js";
import { de } from "../src/locales/de.js";
import { en } from "../src/locales/en.js";
import { connectInPopup } from "../src/popup.js";
import { describe } from "../src/states.js";
import { connected, faults, json, problem } from "./support/scripted-server.js";
import {
  alternating,
  errorOf,
  forbidStorage,
  install,
  openPage as openPageEvents,
  setUp,
} from "./support/harness.js";

const COMPLETE = "POST /user/instagram/connect/a1/complete";
const CALLBACK =
  "https://app.example.com/settings?tab=2&instagram=complete&attempt=a1&completion=s3cret#_";

/**
 * A browser's `location` and `history`, as far as the client touches them, and what a page hears.
 */
function openPage(t, href) {
  const replaced = [];
  const heard = [];
  globalThis.location = { href, toString: () => globalThis.location.href };
  globalThis.PopStateEvent = class extends Event {
    constructor(type, { state }) {
      super(type);
      this.state = state;
    }
  };
  globalThis.dispatchEvent = (event) => heard.push(event);
  globalThis.history = {
    state: { key: "kept" },
    replaceState(state, title, url) {
      replaced.push({ state, url });
      globalThis.location.href = url;
    },
  };
  t.after(() => {
    for (const name of ["location", "history", "PopStateEvent", "dispatchEvent"])
      delete globalThis[name];
  });
  return { replaced, heard };
}

test("connect leaves for authorize_url, and a double click begins one attempt", async (t) => {
  const { server, client, departures } = await setUp(t);
  const [a, b] = await Promise.all([client.connect(), client.connect()]);
  assert.equal(a, b);
  assert.equal(client.getSnapshot().isConnecting, true);
  await client.connect(); // the page is still there, but about to leave
  assert.deepEqual(departures, [a.authorize_url]);
  assert.equal(server.state.attempts, 1);
});

test("a page that never left may connect again after 10 s", async (t) => {
  const { server, time, client } = await setUp(t);
  await client.connect();
  await time.advance(10_000);
  assert.equal(client.getSnapshot().isConnecting, false);
  await client.connect();
  assert.equal(server.state.attempts, 2);
});

test("connect says where to come back to, what to force and what to expect", async (t) => {
  const { server, client } = await setUp(t);
  openPage(t, "https://app.example.com/settings?tab=2&instagram=denied&attempt=a0&reason=denied");
  await client.connect({ forceReauth: true, expect: "same_account" });
  assert.deepEqual(server.requests[0].body, {
    return_to: "https://app.example.com/settings?tab=2",
    force_reauth: true,
    expect: "same_account",
  });
});

test("a page that keeps its route in the fragment keeps it through the dance", async (t) => {
  const { server, client } = await setUp(t);
  const own = "https://app.example.com/?tab=2";
  openPage(t, `${own}#/settings?tab=b%20c`);
  await client.connect();
  assert.equal(server.requests[0].body.return_to, `${own}#/settings?tab=b%20c`);
  openPage(t, `${own}&instagram=complete&attempt=a1&completion=s3cret#/settings?tab=b%20c`);
  assert.equal((await client.completeFromUrl()).outcome, "complete");
  assert.equal(globalThis.location.href, `${own}#/settings?tab=b%20c`);
});

for (const [what, tail] of [
  ["longer than the server takes", `?filter=${"x".repeat(2_048)}#top`],
  ["with a backslash in its query", "?path=C:\\photos"],
  ["with a backslash in its fragment", "#a\\b"],
]) {
  test(`from an address ${what} the way back is to its path`, async (t) => {
    const { server, client } = await setUp(t);
    openPage(t, `https://app.example.com/list${tail}`);
    await client.connect();
    assert.equal(server.requests[0].body.return_to, "https://app.example.com/list");
  });
}

test("an address as long as the server takes is come back to whole", async (t) => {
  const { server, client } = await setUp(t);
  const own = `https://app.example.com/list?filter=`.padEnd(2_048, "x");
  openPage(t, own);
  await client.connect();
  assert.equal(server.requests[0].body.return_to, own);
});

test("who hears that connecting failed can connect again at once, in another way", async (t) => {
  const { server, client, departures } = await setUp(t);
  server.state.fault = "reset";
  const attempt = await client.connect().catch(() => {
    server.state.fault = null;
    return client.connect({ forceReauth: true });
  });
  assert.deepEqual(departures, [attempt.authorize_url]);
  assert.equal(server.requests.at(-1).body.force_reauth, true);
});

test("a page that could not be left can be left at once", async (t) => {
  let fails = true;
  const left = [];
  const navigate = async (url) => {
    if (fails) throw new Error("no browser");
    left.push(url);
  };
  const { client } = await setUp(t, { navigate });
  await errorOf(client.connect());
  assert.equal(client.getSnapshot().isConnecting, false);
  fails = false;
  await client.connect();
  assert.equal(left.length, 1);
});

for (const listens of [true, false]) {
  test(`back by "back", the page ${listens ? "listening" : "not listening"}: the button works at once`, async (t) => {
    const page = openPageEvents(t);
    const { client, departures } = await setUp(t);
    if (listens) t.after(client.subscribe(() => {}));
    await client.connect();
    page.tell("pagehide");
    page.tell("pageshow");
    assert.equal(client.getSnapshot().isConnecting, false);
    await client.connect();
    assert.equal(departures.length, 2);
  });
}

test("navigate: false stays here", async (t) => {
  const { client, departures } = await setUp(t);
  const attempt = await client.connect({ navigate: false });
  assert.equal(attempt.attempt_id, "a1");
  assert.deepEqual(departures, []);
});

test("an authorize_url that is no web address is not followed", async (t) => {
  const { server, client, departures } = await setUp(t);
  server.state.authorizeUrl = "javascript:alert(1)";
  assert.equal((await errorOf(client.connect())).code, "unreadable-answer");
  assert.deepEqual(departures, []);
});

test("the completion is out of the address before the first await; the rest of it stays", async (t) => {
  const { server, client } = await setUp(t);
  const { replaced } = openPage(t, CALLBACK);
  const outcome = client.completeFromUrl();
  assert.equal(globalThis.location.href, "https://app.example.com/settings?tab=2");
  assert.deepEqual(replaced[0].state, { key: "kept" });
  assert.equal(server.requests.length, 0);
  const { outcome: how, status } = await outcome;
  assert.equal(how, "complete");
  assert.equal(status.state, "connected");
  assert.equal(client.getSnapshot().status.state, "connected");
  const { url, body } = server.requests.find(({ route }) => route === COMPLETE);
  assert.deepEqual(body, { completion: "s3cret" });
  assert.ok(!url.includes("s3cret"));
});

test("a double mount completes once and hears the same outcome", async (t) => {
  const { server, client } = await setUp(t);
  openPage(t, CALLBACK);
  const [a, b] = await Promise.all([client.completeFromUrl(), client.completeFromUrl()]);
  assert.equal(a, b);
  assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
  assert.equal(await client.completeFromUrl(), null);
});

for (const query of [
  "instagram=ada.makes&reason=profile",
  "instagram=complete",
  "instagram=complete&attempt=3&reason=upgrade",
  "instagram=complete&attempt=&completion=80",
  "instagram=failed&reason=upgrade",
  "instagram=denied&attempt=3&completion=80",
  "reason=up%20grade&attempt=3&completion=80&flag",
]) {
  test(`?${query} is an app's own: it is left alone, and come back to`, async (t) => {
    const { server, client } = await setUp(t);
    const own = `https://app.example.com/?${query}`;
    const { replaced } = openPage(t, own);
    assert.equal(await client.completeFromUrl(), null);
    assert.deepEqual(replaced, []);
    assert.equal(server.requests.length, 0);
    await client.connect();
    assert.equal(server.requests[0].body.return_to, own);
  });
}

test("of parameters that an app has too, only those of the callback are taken, which come last", async (t) => {
  const { server, client } = await setUp(t);
  const own = "https://app.example.com/?instagram=ada.makes&attempt=3&reason=upgrade&completion=80";
  openPage(t, `${own}&instagram=complete&attempt=a1&completion=s3cret`);
  assert.equal((await client.completeFromUrl()).outcome, "complete");
  assert.equal(globalThis.location.href, own);
  assert.deepEqual(server.requests.find(({ route }) => route === COMPLETE).body, {
    completion: "s3cret",
  });
  openPage(t, `${own}&instagram=denied&attempt=a2&reason=user_denied`);
  const { outcome, attempt, reason } = await client.completeFromUrl();
  assert.deepEqual([outcome, attempt, reason], ["denied", "a2", "user_denied"]);
  assert.equal(globalThis.location.href, own);
});

test("a return whose parameters something on the way has put into another order", async (t) => {
  const { client } = await setUp(t);
  openPage(t, "https://app.example.com/?attempt=a1&completion=s3cret&instagram=complete&x=1");
  assert.equal((await client.completeFromUrl()).outcome, "complete");
  assert.equal(globalThis.location.href, "https://app.example.com/?x=1");
});

for (const [outcome, reason, code] of [
  ["denied", "user_denied", "denied"],
  ["failed", "attempt_failed", "attempt_failed"],
  ["expired", "attempt_expired", "attempt_expired"],
]) {
  test(`${outcome}: says so, cleans the address, reads the state, posts nothing`, async (t) => {
    const { server, client, time } = await setUp(t);
    openPage(t, `https://app.example.com/?instagram=${outcome}&attempt=a1&reason=${reason}`);
    const { error, ...told } = await client.completeFromUrl();
    assert.deepEqual(told, { outcome, attempt: "a1", reason, status: null });
    assert.equal(error.code, code);
    assert.equal(globalThis.location.href, "https://app.example.com/");
    await time.settle();
    await time.settle();
    assert.deepEqual(server.routes(), ["GET /user/instagram/status"]);
    assert.equal(client.getSnapshot().error, null, "the status says it");
  });

  test(`a reconnect that was ${outcome}: where an account is linked, the snapshot says so`, async (t) => {
    const { server, client, time } = await setUp(t);
    server.state.status = connected;
    client.subscribe(() => {});
    client.completeFromUrl(
      `https://app.example.com/?instagram=${outcome}&attempt=a1&reason=${reason}`,
    );
    await time.advance(5_000);
    const { status, error, isStale } = client.getSnapshot();
    assert.deepEqual([status.state, error.code, isStale], ["connected", code, false]);
    for (const locale of [en, de])
      assert.equal(describe(client.getSnapshot(), locale).alert, locale.sentences[code]);
    await client.connect();
    assert.equal(client.getSnapshot().error, null);
  });
}

test("a decline is shown although the sign-in library loads after the page", async (t) => {
  let load;
  const loaded = new Promise((resolve) => (load = resolve));
  const session = {};
  const { server, time, signIn, client } = await setUp(t, {
    getSessionId: () => session.id,
    getToken: () => loaded.then(() => signIn.token()),
  });
  server.state.status = connected;
  client.subscribe(() => {});
  client.completeFromUrl("https://app.example.com/?instagram=denied&attempt=a1&reason=denied");
  await time.advance(300);
  session.id = "sess_1";
  load();
  await time.advance(3_000);
  assert.equal(client.getSnapshot().error?.code, "denied");
});

const DECLINED = "https://app.example.com/?instagram=denied&attempt=a1&reason=denied";

for (const tells of [true, false])
  test(`a decline waits for a sign-in library that says, as yet, that nobody is there; ${tells ? "" : "not "}told of it`, async (t) => {
    const { server, time, signIn, client } = await setUp(t, { getSessionId: () => signIn.sid });
    server.state.status = connected;
    signIn.become(null, null);
    client.subscribe(() => {});
    client.completeFromUrl(DECLINED);
    await time.advance(700);
    assert.equal(client.getSnapshot().phase, "signed-out");
    signIn.become("user_1", "sess_1");
    if (tells) client.sessionChanged();
    await time.advance(10_000);
    assert.equal(client.getSnapshot().error?.code, "denied");
    signIn.become("user_2", "sess_2");
    client.sessionChanged();
    await time.advance(10_000);
    assert.deepEqual([client.getSnapshot().phase, client.getSnapshot().error], ["ready", null]);
  });

for (const [who, isTold] of [
  ["user_2", false],
  ["user_1", true],
])
  test(`a decline of user_1, whose session ended while they were away, is ${isTold ? "" : "not "}told to ${who}`, async (t) => {
    openStorage(t);
    const { server, time, signIn, client, reload } = await setUp(t);
    server.state.status = connected;
    const { attempt_id } = await client.connect();
    signIn.become(null, null);
    const page = reload({ getSessionId: () => signIn.sid });
    page.subscribe(() => {});
    page.completeFromUrl(DECLINED.replace("a1", attempt_id));
    await time.advance(700);
    assert.equal(page.getSnapshot().phase, "signed-out");
    signIn.become(who, "sess_2");
    page.sessionChanged();
    await time.advance(10_000);
    const { phase, error } = page.getSnapshot();
    assert.deepEqual([phase, error?.code], ["ready", isTold ? "denied" : undefined]);
  });

test("a decline waits for a server that is away", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.status = connected;
  server.state.fault = "503";
  client.subscribe(() => {});
  client.completeFromUrl(DECLINED);
  await time.advance(2_000);
  assert.equal(client.getSnapshot().error.code, "jwks-unavailable");
  server.state.fault = null;
  await time.advance(30_000);
  assert.equal(client.getSnapshot().error?.code, "denied");
});

test("that a reconnect was declined is not told to the next person", async (t) => {
  const { server, signIn, client, time } = await setUp(t);
  server.state.status = connected;
  let answer;
  server.script("GET /user/instagram/status", (request, response) => {
    server.script("GET /user/instagram/status");
    answer = () => json(response, 200, connected);
  });
  client.completeFromUrl("https://app.example.com/?instagram=denied&attempt=a1&reason=denied");
  while (!answer) await time.settle();
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  answer();
  await time.advance(1_000);
  await client.status();
  assert.equal(client.getSnapshot().error, null);
});

test("a completion survives a short outage", async (t) => {
  const { server, time, client } = await setUp(t);
  let failures = 0;
  server.script(COMPLETE, (request, response) => {
    failures += 1;
    if (failures === 1) return faults.reset(request);
    if (failures === 2) return faults[503](request, response);
    json(response, 200, connected);
  });
  const outcome = client.completeFromUrl(CALLBACK);
  await time.advance(30_000);
  assert.equal((await outcome).status.state, "connected");
  assert.equal(failures, 3);
});

for (const [status, code] of [
  [408, "request-timeout"],
  [409, "concurrent-change"],
]) {
  test(`${code}: the server says that it may be sent again, and it is`, async (t) => {
    const { server, time, client } = await setUp(t);
    server.script(COMPLETE, (request, response) => {
      server.script(COMPLETE);
      problem(response, status, code);
    });
    const outcome = client.completeFromUrl(CALLBACK);
    await time.advance(2_000);
    assert.equal((await outcome).status.state, "connected");
  });
}

for (const code of ["rate_limited", "provider_unavailable", "provider_incident"])
  test(`${code}: the code is kept at the server, the completion here, and is sent again`, async (t) => {
    const storage = openStorage(t);
    const { server, time, client } = await setUp(t);
    server.script(COMPLETE, (request, response) => {
      server.script(COMPLETE);
      problem(response, 424, code, {
        source: "instagram",
        reason: code,
        headers: { "retry-after": "20" },
      });
    });
    const outcome = client.completeFromUrl(CALLBACK);
    await time.advance(19_000);
    assert.equal(storage.size, 1);
    const { isCompleting, error } = client.getSnapshot();
    assert.deepEqual([isCompleting, error.code], [true, code], "it says why it takes so long");
    assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
    await time.advance(2_000);
    assert.equal((await outcome).status.state, "connected");
    assert.equal(client.getSnapshot().error, null);
    assert.equal(storage.size, 0);
  });

test("an Instagram that stays away for as long as attempts live is given up, and is no loop", async (t) => {
  const storage = openStorage(t);
  const { server, time, client } = await setUp(t);
  server.script(COMPLETE, (request, response) =>
    problem(response, 424, "provider_unavailable", { source: "instagram" }),
  );
  const outcome = errorOf(client.completeFromUrl(CALLBACK));
  await time.advance(700_000);
  assert.equal((await outcome).code, "provider_unavailable");
  assert.equal(storage.size, 0);
  const asked = server.routes().filter((route) => route === COMPLETE).length;
  assert.ok(asked >= 8 && asked <= 24, `${asked} requests in eleven minutes`);
});

test("a completion that another tab, or a server that was lost, has begun is waited for", async (t) => {
  const { server, time, client } = await setUp(t);
  const inProgress = (request, response) =>
    problem(response, 409, "attempt-in-progress", { headers: { "retry-after": "1" } });
  server.script(COMPLETE, inProgress);
  const outcome = client.completeFromUrl(CALLBACK);
  await time.advance(30_000);
  assert.equal(client.getSnapshot().error, null);
  server.script(COMPLETE);
  await time.advance(60_000);
  assert.equal((await outcome).status.state, "connected");
  assert.ok(server.routes().filter((route) => route === COMPLETE).length <= 7);
});

test("an attempt that stays in progress for as long as attempts live is given up, and says so", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script(COMPLETE, (request, response) =>
    problem(response, 409, "attempt-in-progress", { headers: { "retry-after": "1" } }),
  );
  const outcome = errorOf(client.completeFromUrl(CALLBACK));
  await time.advance(700_000);
  assert.equal((await outcome).code, "attempt-in-progress");
  assert.equal(client.getSnapshot().error.code, "attempt-in-progress");
  const asked = server.routes().filter((route) => route === COMPLETE).length;
  assert.ok(asked >= 10 && asked <= 24, `${asked} requests in ten minutes`);
});

for (const [status, code] of [
  [403, "attempt-not-yours"],
  [409, "account-belongs-to-another-user"],
  [409, "different-account"],
  [410, "attempt-expired"],
  [424, "attempt_failed"],
  [424, "account_not_admitted"],
  [500, "internal-error"],
]) {
  test(`${code} is final, typed and on display`, async (t) => {
    const { server, client } = await setUp(t);
    server.script(COMPLETE, (request, response) => problem(response, status, code));
    const error = await errorOf(client.completeFromUrl(CALLBACK));
    assert.ok(error instanceof (status < 424 ? HoldfastRequestError : HoldfastServiceError));
    assert.equal(error.code, code);
    await client.status();
    assert.equal(client.getSnapshot().error, error);
    assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
  });
}

test("after another account came back, a press asks at Instagram who it is, for the same account", async (t) => {
  const { server, client } = await setUp(t);
  server.state.status = connected;
  server.script(COMPLETE, (request, response) => problem(response, 409, "different-account"));
  await errorOf(client.completeFromUrl(CALLBACK));
  await client.connect();
  const { force_reauth, expect } = server.requests.at(-1).body;
  assert.deepEqual([force_reauth, expect], [true, undefined]);
});

test("a completion that finds nobody signed in waits for the sign-in", async (t) => {
  const { server, signIn, time, client } = await setUp(t);
  signIn.become(null, null);
  assert.equal((await errorOf(client.completeFromUrl(CALLBACK))).code, "signed-out");
  assert.equal(server.requests.length, 0);
  signIn.become("user_1", "sess_1");
  client.sessionChanged();
  await time.advance(0);
  assert.equal(client.getSnapshot().status.state, "connected");
});

test("a sign-in library that loads late: the completion is handed in once it has", async (t) => {
  const heard = [];
  const onReturn = ({ outcome }) => heard.push(outcome);
  const { server, signIn, time, client } = await setUp(t, { onReturn });
  signIn.become(null, null);
  client.subscribe(() => {});
  assert.equal((await errorOf(client.completeFromUrl(CALLBACK))).code, "signed-out");
  await time.advance(700);
  signIn.become("user_1", "sess_1");
  await time.advance(10_000);
  assert.deepEqual(heard, ["complete"]);
  assert.equal(client.getSnapshot().status.state, "connected");
  assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
});

test("a session that ended meanwhile: whatever is asked after the sign-in shows that it is over", async (t) => {
  const heard = [];
  const onReturn = ({ outcome }) => heard.push(outcome);
  const { signIn, time, client } = await setUp(t, { onReturn });
  await client.status();
  signIn.become(null, null);
  assert.equal(await client.completeFromUrl(CALLBACK), null);
  await time.advance(0);
  assert.equal(client.getSnapshot().phase, "signed-out");
  signIn.become("user_1", "sess_2");
  await client.profile();
  await time.advance(0);
  assert.deepEqual(heard, ["complete"]);
});

test("a completion that the server calls no completion is of no use to the next person either", async (t) => {
  const storage = openStorage(t);
  const heard = [];
  const onReturn = ({ outcome }) => heard.push(outcome);
  const { server, signIn, time, client } = await setUp(t, { onReturn });
  server.script(COMPLETE, (request, response) => problem(response, 403, "completion-invalid"));
  assert.equal((await errorOf(client.completeFromUrl(CALLBACK))).code, "completion-invalid");
  assert.equal(storage.size, 0);
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  await time.advance(10_000);
  assert.equal(client.getSnapshot().error, null);
  assert.deepEqual(heard, ["failed"]);
});

const notYours = (request, response) => problem(response, 403, "attempt-not-yours");

for (const [uses, code, answer] of [
  [1, 503, faults[503]],
  [2, 503, faults[503]],
  [1, 403, notYours],
  [2, 403, notYours],
]) {
  test(`a completion, ${code}, and another person's token with every ${uses} calls: no loop`, async (t) => {
    const people = alternating(uses);
    const { server, time, client } = await setUp(t, { getToken: people.getToken });
    server.script(COMPLETE, answer);
    client.completeFromUrl(CALLBACK);
    client.subscribe(() => {});
    await time.advance(60_000);
    assert.ok(people.asked <= 24, `${people.asked} tokens in the first minute`);
    assert.ok(server.requests.length <= 10, `${server.requests.length} requests`);
    const before = people.asked;
    await time.advance(60_000);
    assert.ok(people.asked - before <= 8, `${people.asked - before} tokens in the second minute`);
  });
}

test("disconnecting ends in the state the server says", async (t) => {
  const { server, client } = await setUp(t);
  server.state.status = connected;
  await client.status();
  const receipt = await client.disconnect();
  assert.equal(receipt.disconnected, true);
  assert.equal(client.getSnapshot().status.reason, "user_disconnected");
});

/** What a tab's session storage does; it survives a reload. */
function openStorage(t) {
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => (value === "null" ? kept.delete(key) : kept.set(key, value)),
    removeItem: (key) => kept.delete(key),
  };
  t.after(() => delete globalThis.sessionStorage);
  return kept;
}

test("a completion that the server cannot take yet survives a reload", async (t) => {
  const storage = openStorage(t);
  const { server, time, client, reload } = await setUp(t);
  openPage(t, CALLBACK);
  server.script(COMPLETE, faults[503]);
  client.completeFromUrl();
  assert.equal(
    client.getSnapshot().isCompleting,
    true,
    "at once, not when the first answer is there",
  );
  await time.advance(30_000);
  assert.equal(client.getSnapshot().isCompleting, true);
  assert.equal(client.getSnapshot().error.status, 503);
  assert.equal(storage.size, 1);

  const again = reload();
  server.script(COMPLETE);
  const { outcome, status } = await again.completeFromUrl();
  assert.deepEqual([outcome, status.state], ["complete", "connected"]);
  assert.equal(again.getSnapshot().isCompleting, false);
  assert.equal(storage.size, 0);
  assert.equal(await reload().completeFromUrl(), null);
});

test("it goes on by itself when the server is back, for as long as an attempt lives and no longer", async (t) => {
  const storage = openStorage(t);
  const { server, time, client } = await setUp(t);
  server.script(COMPLETE, faults[503]);
  const outcome = errorOf(client.completeFromUrl(CALLBACK));
  await time.advance(540_000);
  assert.equal(storage.size, 1);
  await time.advance(160_000);
  assert.equal((await outcome).status, 503);
  assert.equal(storage.size, 0);
  const asked = server.routes().filter((route) => route === COMPLETE).length;
  assert.ok(asked <= 24, `${asked} requests in eleven minutes`);
});

const bad = (request, response) => problem(response, 502, "x", { source: "request" });

for (const [what, answer, route] of [
  ["502", bad],
  ["a reset", faults.reset],
  ["200 in HTML", faults.html],
  ["502 to the completion alone", bad, COMPLETE],
])
  test(`back from Instagram, and ${what}: an open page sends no more than without, and finishes later`, async (t) => {
    const { server, time, client } = await setUp(t);
    if (route) server.script(route, answer);
    else server.state.answer = answer;
    const outcome = client.completeFromUrl(CALLBACK);
    client.subscribe(() => {});
    const minutes = [];
    for (let minute = 0; minute < 8; minute += 1) {
      const before = server.requests.length;
      await time.advance(60_000);
      minutes.push(server.requests.length - before);
    }
    const [first, ...later] = minutes;
    assert.ok(first <= 8 && later.every((count) => count <= 2), `${minutes} requests`);
    server.state.answer = null;
    server.script(COMPLETE);
    await time.advance(95_000);
    assert.equal((await outcome).status.state, "connected");
    assert.equal(client.getSnapshot().error, null);
  });

for (const everywhere of [true, false])
  test(`503 with an hour's Retry-After, once, to ${everywhere ? "everything" : "the completion"}: it says why, and finishes while the attempt lives`, async (t) => {
    const { server, time, client } = await setUp(t);
    const away = (request, response) =>
      problem(response, 503, "database-unavailable", { headers: { "retry-after": "3600" } });
    if (everywhere) server.state.answer = away;
    else server.script(COMPLETE, away);
    client.subscribe(() => {});
    const outcome = client.completeFromUrl(CALLBACK);
    await time.advance(5_000);
    const { title, alert, label, press } = describe(client.getSnapshot());
    assert.equal(title, en.states.completing.title);
    assert.deepEqual([alert, label, press], [en.sentences.service, "Try again", "retry"]);
    server.state.answer = null;
    server.script(COMPLETE);
    await time.advance(110_000);
    assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
    await time.advance(10_000);
    assert.equal((await outcome).status.state, "connected");
  });

test("a press on Try again hands in at once, though the server had asked for an hour", async (t) => {
  const { server, time, client } = await setUp(t);
  server.state.answer = (request, response) =>
    problem(response, 503, "database-unavailable", { headers: { "retry-after": "3600" } });
  const outcome = client.completeFromUrl(CALLBACK);
  client.subscribe(() => {});
  await time.advance(20_000);
  server.state.answer = null;
  client.retry();
  await time.advance(0);
  assert.equal((await outcome).status.state, "connected");
  const { error, isCompleting } = client.getSnapshot();
  assert.deepEqual([error, isCompleting], [null, false]);
});

for (const [seconds, within] of [
  [4, 2],
  [8, 23],
  [15, 16],
])
  test(`a drop of ${seconds} s right after coming back costs no minute`, async (t) => {
    const { server, time, client } = await setUp(t);
    server.state.answer = faults.reset;
    const outcome = client.completeFromUrl(CALLBACK);
    client.subscribe(() => {});
    await time.advance(seconds * 1_000);
    server.state.answer = null;
    await time.advance(within * 1_000);
    assert.equal(client.getSnapshot().isCompleting, false);
    assert.equal((await outcome).status.state, "connected");
  });

test("a drop right after coming back ends when the browser says that it is online again", async (t) => {
  const page = openPageEvents(t);
  const { server, time, client } = await setUp(t);
  server.state.answer = faults.reset;
  client.completeFromUrl(CALLBACK);
  client.subscribe(() => {});
  await time.advance(4_000);
  server.state.answer = null;
  page.tell("online");
  await time.advance(0);
  assert.equal(client.getSnapshot().status?.state, "connected");
});

for (const [what, getToken] of [
  ["fails", () => Promise.reject(new Error("offline"))],
  ["takes too long", () => new Promise(() => {})],
])
  test(`back while asking for a token ${what}: nothing was sent, so that it costs nothing`, async (t) => {
    const { server, time, signIn, reload } = await setUp(t);
    let ask = getToken;
    const client = reload({ getToken: (options) => ask(options) });
    client.completeFromUrl(CALLBACK);
    client.subscribe(() => {});
    await time.advance(40_000);
    assert.equal(server.requests.length, 0);
    ask = signIn.getToken;
    await time.advance(40_000);
    assert.equal(client.getSnapshot().status?.state, "connected");
    assert.equal(client.getSnapshot().live, "stream");
    assert.equal(client.getSnapshot().isCompleting, false);
  });

for (const [what, isAway] of [
  ["the completion cannot be taken, and reading fails every other time", (count) => count % 2],
  ["the completion cannot be taken, and reading fails two times of three", (count) => count % 3],
  ["the completion cannot be taken, and reading is well", () => false],
])
  for (const reads of [false, true])
    test(`${what}${reads ? ", and the app reads whenever it is told something" : ""}: no loop`, async (t) => {
      const { server, time, client } = await setUp(t);
      server.script(COMPLETE, faults.reset);
      server.script("GET /user/events", faults.html);
      let count = 0;
      server.script("GET /user/instagram/status", (request, response) => {
        count += 1;
        if (isAway(count)) return faults.reset(request);
        json(response, 200, connected);
      });
      client.completeFromUrl(CALLBACK);
      client.subscribe(() => reads && client.status().catch(() => {}));
      const asked = () => server.routes().filter((route) => !reads || route === COMPLETE).length;
      await time.advance(59_999);
      assert.ok(asked() <= 8, `${asked()} in the first minute`);
      const before = asked();
      await time.advance(480_000);
      assert.ok(asked() - before <= 17, `${asked() - before} in eight more`);
    });

test("a clock that is put back by an hour does not prolong what is handed in", async (t) => {
  const storage = openStorage(t);
  const { server, time, reload } = await setUp(t);
  let ahead = 3_600_000;
  const client = reload({ clock: { ...time.clock, now: () => time.clock.now() + ahead } });
  server.script(COMPLETE, faults[503]);
  client.completeFromUrl(CALLBACK);
  await time.advance(60_000);
  ahead = 0;
  await time.advance(840_000);
  assert.equal(storage.size, 0);
  assert.equal(client.getSnapshot().isCompleting, false);
});

test("a sign-in by a page load in between: the completion waits for it", async (t) => {
  openStorage(t);
  const { server, signIn, client, reload } = await setUp(t);
  signIn.become(null, null);
  assert.equal((await errorOf(client.completeFromUrl(CALLBACK))).code, "signed-out");
  assert.equal(server.requests.length, 0);
  signIn.become("user_1", "sess_1");
  assert.equal((await reload().completeFromUrl()).outcome, "complete");
});

test("what is one person's to finish is not finished as another, nor told to them, and waits for the first", async (t) => {
  openStorage(t);
  const { server, signIn, time, client, reload } = await setUp(t);
  server.script(COMPLETE, faults[503]);
  client.completeFromUrl(CALLBACK);
  await time.advance(1_000);
  server.script(COMPLETE);
  signIn.become("user_2", "sess_9");
  const theirs = reload();
  const before = server.requests.length;
  assert.equal(await theirs.completeFromUrl(), null);
  await theirs.status();
  assert.ok(
    server
      .routes()
      .slice(before)
      .every((route) => route !== COMPLETE),
  );
  assert.equal(theirs.getSnapshot().error, null);
  signIn.become("user_1", "sess_2");
  assert.equal((await reload().completeFromUrl()).status.state, "connected");
});

test("back while nobody is signed in, and another person signs in first: they are told the truth once, and it waits for whose it is", async (t) => {
  const storage = openStorage(t);
  const heard = [];
  const onReturn = ({ outcome, reason }) => heard.push([outcome, reason]);
  const { server, signIn, time, client, reload } = await setUp(t, { onReturn });
  server.script(COMPLETE, (request, response) => {
    const [, claims] = request.headers.authorization.split(".");
    const { sub } = JSON.parse(Buffer.from(claims, "base64url"));
    if (sub === "user_1") json(response, 200, connected);
    else notYours(request, response);
  });
  const asked = () => server.routes().filter((route) => route === COMPLETE).length;
  signIn.become(null, null);
  assert.equal((await errorOf(client.completeFromUrl(CALLBACK))).code, "signed-out");
  signIn.become("user_2", "sess_2");
  client.sessionChanged();
  await time.advance(0);
  assert.equal(client.getSnapshot().error.code, "attempt-not-yours");
  assert.equal(client.getSnapshot().isCompleting, false);
  assert.deepEqual(heard, [["failed", "attempt-not-yours"]]);
  const theirs = reload();
  assert.equal(await theirs.completeFromUrl(), null);
  await theirs.retry();
  assert.equal(theirs.getSnapshot().error, null);
  assert.equal(asked(), 1);
  signIn.become("user_3", "sess_3");
  theirs.sessionChanged();
  await time.advance(0);
  assert.equal(asked(), 2);
  signIn.become("user_1", "sess_1");
  theirs.sessionChanged();
  await time.advance(0);
  assert.equal(theirs.getSnapshot().status.state, "connected");
  assert.deepEqual(heard.slice(1), [
    ["failed", "attempt-not-yours"],
    ["complete", null],
  ]);
  assert.equal(storage.size, 0);
});

test("what is nobody's to finish here is forgotten when its time is over", async (t) => {
  const storage = openStorage(t);
  const { server, time, client } = await setUp(t);
  server.script(COMPLETE, notYours);
  await errorOf(client.completeFromUrl(CALLBACK));
  assert.equal(storage.size, 1);
  await time.advance(600_000);
  assert.equal(await client.completeFromUrl("https://app.example.com/"), null);
  assert.equal(storage.size, 0);
});

test("back before the sign-in is finished: it goes on when it is", async (t) => {
  const { server, time, client } = await setUp(t);
  server.script(COMPLETE, faults[403]);
  const outcome = client.completeFromUrl(CALLBACK);
  await time.advance(30_000);
  server.script(COMPLETE);
  await time.advance(60_000);
  assert.equal((await outcome).outcome, "complete");
});

test("what one person could not finish is not told to the next, and goes on with the first", async (t) => {
  const { server, signIn, time, client } = await setUp(t);
  server.script(COMPLETE, faults[503]);
  const outcome = client.completeFromUrl(CALLBACK);
  await time.advance(1_000);
  server.script(COMPLETE);
  signIn.become("user_2", "sess_9");
  client.sessionChanged();
  await time.advance(60_000);
  assert.equal(await outcome, null);
  assert.equal(client.getSnapshot().error, null);
  assert.equal(client.getSnapshot().isCompleting, false);
  signIn.become("user_1", "sess_2");
  client.sessionChanged();
  await time.advance(0);
  assert.equal(client.getSnapshot().status.state, "connected");
});

test("a client that another has replaced does not touch what that one finished", async (t) => {
  const storage = openStorage(t);
  const heard = [];
  const onReturn = ({ attempt, outcome }) => heard.push([attempt, outcome]);
  const { server, time, reload } = await setUp(t, { onReturn });
  const replaced = reload({ getToken: () => new Promise(() => {}) }); // it was left without a word
  const itsOwn = replaced.completeFromUrl(CALLBACK);
  await time.advance(4_000);
  const client = reload();
  await client.completeFromUrl();
  await time.advance(20_000);
  assert.equal(storage.size, 0);
  assert.equal(await itsOwn, null);
  server.script("POST /user/instagram/connect/a2/complete", faults[503]);
  client.completeFromUrl(CALLBACK.replace("a1", "a2"));
  await time.advance(580_000);
  assert.equal(storage.size, 1);
  server.script("POST /user/instagram/connect/a2/complete");
  await time.advance(60_000);
  assert.deepEqual(heard, [
    ["a1", "complete"],
    ["a2", "complete"],
  ]);
  assert.equal(server.routes().filter((route) => route === COMPLETE).length, 1);
});

test("two clients hand in one completion: both are right, and onReturn is called once", async (t) => {
  const storage = openStorage(t);
  const heard = [];
  const onReturn = ({ outcome }) => heard.push(outcome);
  const { server, time, client, reload } = await setUp(t, { onReturn });
  server.script(COMPLETE, faults[503]);
  client.completeFromUrl(CALLBACK);
  await time.advance(3_000);
  const second = reload();
  second.completeFromUrl();
  await time.advance(6_000);
  server.script(COMPLETE);
  await time.advance(60_000);
  assert.deepEqual(heard, ["complete"]);
  assert.equal(storage.size, 0);
  for (const { getSnapshot } of [client, second]) {
    const { status, error, isCompleting } = getSnapshot();
    assert.deepEqual([status.state, error, isCompleting], ["connected", null, false]);
  }
});

test("storage that is full: the page's memory has to do", async (t) => {
  const storage = openStorage(t);
  const { server, time, client } = await setUp(t);
  globalThis.sessionStorage.setItem = () => {
    throw new DOMException("", "QuotaExceededError");
  };
  server.script(COMPLETE, faults[503]);
  const outcome = client.completeFromUrl(CALLBACK);
  await time.advance(3_000);
  server.script(COMPLETE);
  await time.advance(10_000);
  assert.equal((await outcome).outcome, "complete");
  assert.equal(storage.size, 0);
});

test("storage that is forbidden costs only what it would have given", async (t) => {
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
  t.after(() => delete globalThis.sessionStorage);
  const { client } = await setUp(t);
  assert.equal((await client.completeFromUrl(CALLBACK)).outcome, "complete");
});

test("onReturn hears of each return once, however it ended", async (t) => {
  const heard = [];
  const { server, client } = await setUp(t, {
    onReturn(outcome) {
      heard.push([outcome.outcome, outcome.reason]);
      throw new Error("theirs");
    },
  });
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  await client.completeFromUrl(CALLBACK);
  await client.completeFromUrl(
    "https://app.example.com/?instagram=denied&attempt=a1&reason=user_denied",
  );
  server.script(COMPLETE, (request, response) => problem(response, 409, "different-account"));
  await errorOf(client.completeFromUrl(CALLBACK));
  assert.deepEqual(heard, [
    ["complete", null],
    ["denied", "user_denied"],
    ["failed", "different-account"],
  ]);
  assert.deepEqual(reported, ["theirs", "theirs", "theirs"]);
});

test("an app that an address has opened, or not: React Native's getInitialURL() says null", async (t) => {
  const { server, client } = await setUp(t);
  const { completeFromUrl } = client;
  assert.equal(await completeFromUrl(null), null);
  assert.equal(server.requests.length, 0);
  const { outcome } = await completeFromUrl(
    "myapp://instagram?instagram=complete&attempt=a1&completion=s",
  );
  assert.equal(outcome, "complete");
});

test("routers hear that the address has changed, also one that listens a moment later", async (t) => {
  const { client, time } = await setUp(t);
  const { replaced, heard } = openPage(t, CALLBACK);
  client.completeFromUrl();
  const told = { type: "popstate", state: { key: "kept" } };
  const hears = (count) =>
    assert.deepEqual(
      heard.map(({ type, state }) => ({ type, state })),
      Array(count).fill(told),
    );
  hears(1);
  await time.advance(10_000);
  hears(2);
  assert.deepEqual(
    replaced.map(({ url }) => url),
    ["https://app.example.com/settings?tab=2"],
  );
});

for (const ms of [0, 900, 4_900])
  test(`a router that writes the address back after ${ms} ms: it is cleaned again, and told`, async (t) => {
    const { client, time } = await setUp(t);
    const { heard } = openPage(t, CALLBACK);
    client.completeFromUrl();
    await time.advance(ms);
    const before = heard.length;
    globalThis.location.href = CALLBACK;
    await time.advance(1_000);
    assert.equal(globalThis.location.href, "https://app.example.com/settings?tab=2");
    assert.ok(heard.length > before);
  });

test("a router that has left the page of the return at once is told nothing, for nothing was cleaned", async (t) => {
  const { heard } = openPage(t, CALLBACK);
  const { takeReturn } = await import("../src/core/address.js?opened-with-a-return");
  globalThis.location.href = "https://app.example.com/home";
  const { time } = await setUp(t);
  assert.equal(takeReturn(globalThis.location, time.clock).value, "s3cret");
  await time.advance(10_000);
  assert.deepEqual(heard, []);
});

test("a page that has gone on meanwhile, or has an outcome of another attempt, is left alone", async (t) => {
  const { client, time } = await setUp(t);
  openPage(t, CALLBACK);
  client.completeFromUrl();
  await time.advance(500);
  const next = CALLBACK.replace("s3cret", "another");
  globalThis.location.href = next;
  await time.advance(10_000);
  assert.equal(globalThis.location.href, next);
});

for (const [own, back] of [
  ["?flag&c=a%20b&d=%7E", "&"],
  ["?flag&c=a%20b#/route?x&instagram=ada", "&"],
  ["#top&", "?"],
  ["", "?"],
])
  test(`what an app has in its address stays as it is written: ${own || "nothing"}`, async (t) => {
    const { client } = await setUp(t);
    const address = `https://app.example.com/settings${own}`;
    const { pathname, search, hash } = new URL(address);
    openPage(
      t,
      `https://app.example.com${pathname}${search}${back}instagram=complete&attempt=a1&completion=s3cret${hash}`,
    );
    await client.completeFromUrl();
    assert.equal(globalThis.location.href, address);
  });

for (const [what, popup] of [
  ["nothing", null],
  ["a window that is closed", { closed: true }],
])
  test(`a popup blocker that gives ${what}: the page itself leaves`, async (t) => {
    install(t, "open", () => popup);
    const { client, departures } = await setUp(t);
    const { authorize_url } = await connectInPopup(client);
    assert.deepEqual(departures, [authorize_url]);
  });

test("a popup where storage is forbidden leaves for Instagram all the same", async (t) => {
  forbidStorage(t);
  const visited = [];
  const popup = {
    location: { replace: (url) => visited.push(url) },
    close: () => visited.push("closed"),
  };
  install(t, "open", () => popup);
  const { client, departures } = await setUp(t);
  const { authorize_url } = await connectInPopup(client);
  assert.deepEqual(visited, [authorize_url]);
  assert.deepEqual(departures, []);
});

test("a press for a popup joins the one that is under way, unless it is another person's", (t) => {
  install(t, "open", () => ({ close() {} }));
  let id = "sess_1";
  const client = { ...createFakeClient(), getSessionKey: () => id };
  client.answers.connect = () => new Promise(() => {});
  const theirs = connectInPopup(client);
  assert.equal(connectInPopup(client), theirs);
  id = "sess_2";
  const own = connectInPopup(client);
  assert.notEqual(own, theirs);
  assert.equal(connectInPopup(client), own);
  assert.equal(client.calls.length, 2);
});
