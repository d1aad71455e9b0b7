/** What people do to a page: each ends in a state that has a name. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sentences } from "../support/reference.js";
import { makeToken } from "../support/harness.js";
import { connected, json, problem, startScriptedServer } from "../support/scripted-server.js";
import { count, launch, openApp, shows, until } from "./support/browser.js";

const STATUS = "GET /user/instagram/status";
const CONNECT = "POST /user/instagram/connect";
const COMPLETE = "POST /user/instagram/connect/a1/complete";
const CALLBACK = { instagram: "complete", attempt: "a1", completion: "s3cret" };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const isConnected = ({ server }) => (server.state.status = connected);
const phaseOf = (app) => app.page.evaluate(() => window.instagram.phase);

/**
 * A stand-in for Instagram's page, on the site under test so that "back" has somewhere to go back
 * from.
 */
const departTo = (app) =>
  (app.server.state.authorizeUrl = `${app.site.url}/tests/browser/pages/instagram.html`);

for (const [react, page] of [
  [19, "app.html"],
  [18, "app-react-18.html"],
]) {
  test(`React ${react}: StrictMode, and a getToken with a new identity on each render, cost no extra request`, async (t) => {
    const app = await openApp(t, { browser, page });
    await shows(app, /Not connected/);
    await until(() => app.requests().length === 2, "state and stream");
    assert.equal(parseInt(await app.page.evaluate(() => window.reactVersion)), react);
    assert.deepEqual(
      app.requests().map(({ route }) => route),
      [STATUS, "GET /user/events"],
    );
    const renders = await app.page.evaluate(() => window.renders);
    await app.page.evaluate(() => (window.first = window.instagram));
    for (let i = 0; i < 20; i += 1) await app.page.evaluate(() => window.rerender());
    assert.ok(
      await app.page.evaluate(() => window.first === window.instagram),
      "fit to be a dependency of an effect",
    );
    // The provider renders anew, same session.
    await app.page.evaluate(() => window.signIn.become("sess_1"));
    await app.pass(5_000);
    assert.ok((await app.page.evaluate(() => window.renders)) > renders);
    assert.equal(app.requests().length, 2);
  });

  test(`React ${react}: from one session to the next, no render has the second one beside what the first one had`, async (t) => {
    const app = await openApp(t, { browser, page, prepare: isConnected });
    await shows(app, /@ada\.makes/);
    await until(() => app.server.streams.size === 1, "the stream");
    const before = app.requests().length;
    const account = { ...connected.account, username: "grace.hops" };
    app.server.state.status = { ...connected, account, version: 9 };
    await app.page.evaluate(() => window.signIn.become("sess_9"));
    await shows(app, /@grace\.hops/);
    const saved = await app.page.evaluate(() => window.saved);
    const names = (id) => new Set(saved.filter(([of]) => of === id).map(([, name]) => name));
    assert.deepEqual(names("sess_1"), new Set([null, "ada.makes"]));
    assert.deepEqual(names("sess_9"), new Set([null, "grace.hops"]));
    await app.pass(1_000);
    assert.equal(app.requests().length, before + 2, "state and stream");
  });

  test(`React ${react}: Suspense: the component arrives late and finds the state`, async (t) => {
    const app = await openApp(t, { browser, page, query: { suspense: "1" } });
    await until(() => app.page.evaluate(() => !!window.resolveSuspense));
    assert.match(await app.text(), /One moment/);
    await app.page.evaluate(() => window.resolveSuspense());
    await app.pass(1_000); // React shows late content no sooner than 300 ms after its fallback
    await shows(app, /Not connected/);
    assert.ok(app.requests().length <= 2, `${app.requests().length} requests`);
  });

  test(`React ${react}: server rendering: hydrates without a mismatch`, async (t) => {
    const app = await openApp(t, { browser, page, query: { hydrate: "1" } });
    await shows(app, /Not connected/);
    await until(() => app.requests().length === 2, "two requests, as without server rendering");
  });

  test(`React ${react}: the sign-in library loads late: nothing is sent, nobody is called signed out`, async (t) => {
    const app = await openApp(t, { browser, page, query: { "slow-sign-in": "1" } });
    await until(() => app.page.evaluate(() => !!window.instagram));
    await app.pass(5_000);
    assert.equal(app.requests().length, 0);
    assert.equal(await phaseOf(app), "loading");
    await app.page.evaluate(() => window.signIn.finishLoading());
    await shows(app, /Not connected/);
  });

  test(`React ${react}: the sign-in library loads anew in mid-session, as between two sessions: nobody is signed out, nothing is asked`, async (t) => {
    const app = await openApp(t, {
      browser,
      page,
      prepare: isConnected,
    });
    await shows(app, /@ada\.makes/);
    await until(() => app.requests().length === 2, "state and stream");
    await app.page.evaluate(() => window.signIn.loadAnew());
    await until(async () => (await phaseOf(app)) === "loading");
    assert.match(await app.text(), /@ada\.makes/);
    await app.pass(5_000);
    assert.equal(app.requests().length, 2);
    await app.page.evaluate(() => window.signIn.finishLoading());
    await until(
      () => app.server.streams.size === 1 && app.requests().length > 2,
      "it listens again",
    );
    await shows(app, /@ada\.makes/);
    await app.isSignedIn();
  });
}

test("the hook: reading again is told from loading, operations do what they are called and never reject", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: isConnected,
  });
  const { server, page } = app;
  const now = () =>
    page.evaluate(() =>
      (({ phase, isLoading, isRefetching, error }) => [
        phase,
        isLoading,
        isRefetching,
        error?.code,
      ])(window.instagram),
    );
  const run = (name, options) =>
    page.evaluate(([name, options]) => window.instagram[name](options), [name, options]);
  await until(() => page.evaluate(() => !!window.instagram));
  await shows(app, /@ada\.makes/);
  await until(() => server.streams.size === 1, "the stream");
  assert.deepEqual(await now(), ["ready", false, false, undefined]);

  let answer;
  server.script(STATUS, (request, response) => (answer = () => json(response, 200, connected)));
  await page.evaluate(() => void window.instagram.refetch());
  await until(() => answer);
  assert.deepEqual(await now(), ["ready", false, true, undefined]);
  answer();
  await until(async () => !(await now())[2], "the end of it");
  server.script(STATUS);

  server.script(CONNECT, (request, response) => problem(response, 429, "too-many-attempts"));
  assert.equal(await run("reconnect"), undefined);
  assert.equal(server.requests.at(-1).body.expect, undefined, "which means the same account");
  assert.deepEqual(await now(), ["ready", false, false, "too-many-attempts"]);
  await app.pass(1_000); // a click in the very moment of the failure would still join the first
  assert.equal(await run("connect", { expect: "any_account" }), undefined);
  assert.equal(server.requests.at(-1).body.expect, "any_account");
  assert.equal((await run("check")).state, "connected");
  assert.deepEqual(await now(), ["ready", false, false, undefined]);
  assert.equal((await run("disconnect")).disconnected, true);
  await shows(app, /Not connected/);
});

test("signing out and in as somebody else: nothing of the first is shown or used", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: isConnected,
  });
  await shows(app, /@ada\.makes/);
  await app.page.evaluate(() => window.signIn.become(null));
  await until(async () => (await phaseOf(app)) === "signed-out");
  assert.doesNotMatch(await app.text(), /ada\.makes/);
  await app.pass(60_000);
  const before = app.requests().length;
  await app.page.evaluate(() => window.signIn.become("sess_9"));
  await shows(app, /Connected/);
  const claims = app
    .requests()
    .slice(before)
    .map(({ token }) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")));
  assert.ok(claims.every(({ sid }) => sid === "sess_9"));
});

test("a sign-in library without session ids: the next person sees nothing of the one before", async (t) => {
  const app = await openApp(t, {
    browser,
    query: { "without-session-id": "1" },
    prepare: isConnected,
  });
  await shows(app, /@ada\.makes/);
  await app.page.evaluate(() => window.signIn.become(null));
  await shows(app, /Signed out/);
  let answer; // whose token it is cannot be known before it is there
  app.server.script("POST /token", (request, response, { sid }) => {
    answer = () => json(response, 200, { jwt: makeToken({ sub: "user_of_sess_9", sid }) });
  });
  await app.page.evaluate(() => window.signIn.become("sess_9"));
  await until(() => answer, "the token is asked for");
  assert.equal(await phaseOf(app), "loading");
  assert.doesNotMatch(await app.text(), /ada\.makes|Connected/);
  answer();
  await shows(app, /Connected/);
});

test("a sign-in library that has a session and no token for a while: nobody is told to sign in", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: isConnected,
  });
  await shows(app, /@ada\.makes/);
  await until(() => app.server.streams.size === 1, "the stream"); // it needs a token, too
  await app.page.evaluate(() => {
    window.getToken = window.signIn.getToken;
    window.signIn.getToken = async () => null;
  });
  await app.endStream();
  await app.pass(30_000);
  await shows(app, /Connected, when last heard[\s\S]*@ada\.makes[\s\S]*cannot be confirmed/);
  await app.isSignedIn();
  await app.page.evaluate(() => (window.signIn.getToken = window.getToken));
  await app.pass(65_000);
  await until(async () => !/when last heard|confirmed right now/.test(await app.text()));
  await shows(app, /@ada\.makes/);
});

for (const minutes of [-300, -5, 5, 300]) {
  test(`this computer's clock is ${Math.abs(minutes)} minutes ${minutes < 0 ? "slow" : "fast"}`, async (t) => {
    const app = await openApp(t, {
      browser,
      skewMs: minutes * 60_000,
      prepare: ({ server }) => (server.state.judges = true),
    });
    await shows(app, /Not connected/);
    for (let minute = 0; minute < 5; minute += 1) {
      await app.pass(60_000);
      app.server.endStreams(); // there may be none, where the page waits after a refused token
    }
    await app.pass(65_000);
    assert.equal(await phaseOf(app), "ready");
    await shows(app, /Not connected/);
    await app.isSignedIn();
    const tokens = app.requests().map(({ token }) => token);
    // A slow clock makes the sign-in library hand out stale tokens: each may be refused once, by
    // one request.
    assert.ok(tokens.length >= 10, "streams and states were read again and again");
    assert.ok(app.requests().length < 40, `${app.requests().length} requests in six minutes`);
  });
}

test("a hidden tab slows down, and is up to date as soon as it is seen", async (t) => {
  const app = await openApp(t, { browser });
  await shows(app, /Not connected/);
  const setVisibility = (value) =>
    app.page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => value });
      Object.defineProperty(document, "hidden", {
        configurable: true,
        get: () => value === "hidden",
      });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, value);
  await until(() => app.server.streams.size === 1, "the stream");
  await setVisibility("hidden");
  await app.endStream();
  const before = app.requests().length;
  await app.pass(600_000);
  const quiet = app.requests().length - before;
  assert.ok(quiet <= 4, `${quiet} requests in ten hidden minutes`);
  app.server.state.status = connected;
  await setVisibility("visible");
  await shows(app, /Connected/);
});

test("two tabs: connecting in one shows in the other", async (t) => {
  const server = await startScriptedServer();
  t.after(() => server.close());
  const first = await openApp(t, { browser, server });
  const second = await openApp(t, { browser, server });
  await until(() => server.streams.size === 2, "two streams");
  await shows(first, /Not connected/);
  server.announce(connected);
  await shows(first, /@ada\.makes/);
  await shows(second, /@ada\.makes/);
});

test("a double click on connect begins one attempt and leaves once", async (t) => {
  const app = await openApp(t, { browser });
  departTo(app);
  await app.page.getByRole("button", { name: "Connect Instagram" }).dblclick();
  await app.page.waitForURL(/instagram\.html/);
  assert.equal(app.server.state.attempts, 1);
});

test("two components on one page: one request for both, and a press in one shows in the other", async (t) => {
  const app = await openApp(t, { browser, query: { twice: "1" } });
  await until(() => app.requests().length === 2, "state and stream");
  const buttons = app.page.getByRole("button", { name: "Connect Instagram" });
  await until(async () => (await buttons.count()) === 2, "two buttons");
  let answer;
  app.server.script(CONNECT, (request, response) => {
    answer = () => problem(response, 429, "too-many-attempts");
  });
  await buttons.first().click();
  await until(() => answer, "the attempt");
  const busy = app.page.getByRole("button", { name: "One moment…" });
  await until(async () => (await busy.count()) === 2, "both say so");
  await busy.last().evaluate((button) => button.click());
  answer();
  await until(async () => (await app.page.getByRole("alert").count()) === 2, "both say why not");
  assert.equal(count(app, CONNECT), 1);
});

test("a page that is left in mid-flight: nothing is sent after it, and nothing complains", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: isConnected,
  });
  await shows(app, /@ada\.makes/);
  await until(() => app.server.streams.size === 1, "the stream");
  let answer;
  app.server.script("DELETE /user/instagram", (request, response) => {
    answer = () => json(response, 503, { code: "database-unavailable", error: "Away." });
  });
  await app.page.locator("summary").click();
  await app.page.getByRole("button", { name: "Yes, disconnect Instagram" }).click();
  await until(() => answer, "the request");
  await app.page.evaluate(() => window.leave());
  await until(() => app.server.streams.size === 0, "the end of the stream");
  answer();
  await app.pass(5_000);
  const before = app.requests().length;
  await app.pass(120_000);
  assert.equal(app.requests().length, before);
});

test("the back button in the middle of connecting: it says so and offers to start again", async (t) => {
  const app = await openApp(t, { browser });
  departTo(app);
  await shows(app, /Not connected/);
  await app.page.getByRole("button", { name: "Connect Instagram" }).click();
  await app.page.waitForURL(/instagram\.html/);
  app.server.state.status = {
    ...app.server.state.status,
    state: "connecting",
    action: "none",
    version: 2,
  };
  await app.page.goBack({ waitUntil: "commit" }); // thawed pages fire no "load"
  await shows(app, /Connecting/);
  const again = app.page.getByRole("button", { name: "Start again" });
  assert.ok(await again.isEnabled());
  await again.click();
  await app.page.waitForURL(/instagram\.html/);
  assert.equal(app.server.state.attempts, 2);
});

test("coming back: the completion leaves the address at once and the account is there", async (t) => {
  const app = await openApp(t, { browser, query: CALLBACK });
  await shows(app, /@ada\.makes/);
  assert.doesNotMatch(app.page.url(), /s3cret|instagram=|attempt=/);
  assert.equal(count(app, COMPLETE), 1, "StrictMode mounts twice, the attempt is completed once");
  assert.ok(app.server.requests.every(({ url }) => !url.includes("s3cret")));
});

test("coming back while the sign-in library still loads", async (t) => {
  const app = await openApp(t, { browser, query: { ...CALLBACK, "slow-sign-in": "1" } });
  await until(() => !/s3cret/.test(app.page.url()), "a clean address");
  assert.equal(app.requests().length, 0);
  await app.pass(3_000);
  await app.page.evaluate(() => window.signIn.finishLoading());
  await shows(app, /@ada\.makes/);
});

test("the callback opened twice, in two tabs: both end connected", async (t) => {
  const server = await startScriptedServer();
  t.after(() => server.close());
  const first = await openApp(t, { browser, server, query: CALLBACK });
  await shows(first, /@ada\.makes/);
  const second = await openApp(t, { browser, server, query: CALLBACK });
  await shows(second, /@ada\.makes/);
  const completes = () => server.routes().filter((route) => route === COMPLETE).length;
  await until(() => completes() === 2, "the second complete");
});

for (const [status, code, says] of [
  [409, "different-account", /Instagram returned a different account/],
  [409, "account-belongs-to-another-user", /already linked to another user/],
  [403, "attempt-not-yours", /Another user started this connect attempt/],
  [410, "attempt-expired", /ran out of time/],
]) {
  test(`coming back with ${code}: it says so, and goes on saying so`, async (t) => {
    const app = await openApp(t, {
      browser,
      query: CALLBACK,
      prepare: ({ server }) =>
        server.script(COMPLETE, (request, response) => problem(response, status, code)),
    });
    await shows(app, says);
    await shows(app, /Not connected/);
    await app.pass(20_000);
    assert.match(await app.text(), says);
    await app.isSignedIn();
  });
}

test("a gateway's error that is an object: the page stands, and says what is known", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: ({ server }) =>
      (server.state.answer = (request, response) =>
        json(response, 404, { code: "NO_ROUTE", error: { message: "No route matched." } })),
  });
  await shows(app, /Not known right now[\s\S]*status 404/);
  app.server.state.answer = null;
  await app.page.getByRole("button", { name: "Try again" }).click();
  await shows(app, /Not connected/);
});

test("declined at Instagram", async (t) => {
  const app = await openApp(t, {
    browser,
    query: { instagram: "denied", attempt: "a1", reason: "user_denied" },
    prepare: ({ server }) =>
      (server.state.status = {
        ...server.state.status,
        reason: "denied",
        error: sentences.denied,
        version: 2,
      }),
  });
  await shows(app, /The connection was declined at Instagram/);
  assert.doesNotMatch(app.page.url(), /instagram=denied/);
});

test("a popup that is blocked: the page still has the address and can leave itself", async (t) => {
  const app = await openApp(t, { browser });
  departTo(app);
  await shows(app, /Not connected/);
  const departure = await app.page.evaluate(async () => {
    window.open = () => null; // what a blocked popup looks like
    const attempt = await window.instagram.connect({ navigate: false });
    return window.open(attempt.authorize_url) ? "popup" : attempt.authorize_url;
  });
  assert.match(departure, /instagram\.html/);
  assert.equal(await phaseOf(app), "ready");
  await until(
    async () =>
      !(await app.page.evaluate(() => window.instagram.isConnecting)) || (await app.pass(1_000)),
  );
  await app.page.getByRole("button", { name: "Connect Instagram" }).click();
  await app.page.waitForURL(/instagram\.html/);
});

test("disconnecting asks first, and works by keyboard alone", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: isConnected,
  });
  await shows(app, /@ada\.makes/);
  const confirm = app.page.getByRole("button", { name: "Yes, disconnect Instagram" });
  await app.page.keyboard.press("Tab");
  await app.page.keyboard.press("Enter");
  await confirm.waitFor();
  await app.page.keyboard.press("Enter"); // not after all: what asked is what still has the focus
  await confirm.waitFor({ state: "hidden" });
  await app.page.keyboard.press("Enter");
  await app.page.keyboard.press("Tab");
  assert.equal(count(app, "DELETE /user/instagram"), 0);
  await app.page.keyboard.press("Enter");
  await shows(app, /Not connected/);
  assert.equal(count(app, "DELETE /user/instagram"), 1);
});
