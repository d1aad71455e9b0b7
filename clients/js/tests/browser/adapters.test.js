/**
 * SWR and TanStack Query in one page, each with a cache and opinions on repeating of its own: what
 * they ask, and show.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, json } from "../support/scripted-server.js";
import { launch, openApp, shows, until } from "./support/browser.js";

const PAGE = "adapters.html";
const LIBRARIES = ["swr", "tanstack-query"];
const FIVE_MINUTES = 300_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/**
 * Waits until each library's part of the page says so. TanStack Query tells its components by a
 * timer, so time passes.
 */
async function bothShow(app, pattern) {
  for (const name of LIBRARIES) {
    const says = async () => pattern.test(await app.page.locator(`#${name}`).innerText());
    await until(async () => (await says()) || (await app.pass(100)), `${name}: ${pattern}`);
  }
}

const statusReads = (app) =>
  app.requests().filter(({ route }) => route === "GET /user/instagram/status").length;

const refetchBoth = (app) =>
  app.page.evaluate(async () => {
    await Promise.allSettled([window.refetchSwr(), window.refetchQuery()]);
  });

test("both show the state from one request, and hear of changes", async (t) => {
  const app = await openApp(t, { browser, page: PAGE });
  await bothShow(app, /Not connected/);
  await until(() => app.server.streams.size === 1, "one stream");
  assert.equal(statusReads(app), 1);
  app.server.announce(connected);
  await bothShow(app, /ada\.makes[\s\S]*Connected/);
  assert.equal(statusReads(app), 1);
});

test("a refused session costs two requests, whatever the libraries and the page do for five minutes", async (t) => {
  const app = await openApp(t, { browser, page: PAGE, fault: "401" });
  await bothShow(app, /your requests are refused/);
  for (let minute = 0; minute < 5; minute += 1) {
    await refetchBoth(app);
    await app.page.evaluate(() => {
      // Both read again when the window is looked at, and when the network is back.
      dispatchEvent(new Event("focus"));
      dispatchEvent(new Event("online"));
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    });
    await app.pass(FIVE_MINUTES / 5);
  }
  assert.equal(app.requests().length, 2, String(app.server.routes()));
  await app.isSignedIn();
  await bothShow(app, /your requests are refused/);
  app.server.state.fault = null;
  await app.page.evaluate(() => window.signIn.become("sess_2"));
  await bothShow(app, /Not connected/);
});

test("a server in trouble is named, is not asked more for being asked through libraries, and is forgiven", async (t) => {
  const app = await openApp(t, { browser, page: PAGE, fault: "503" });
  await bothShow(app, /The server is having trouble/);
  await app.pass(FIVE_MINUTES);
  assert.ok(app.requests().length <= 13, `${app.requests().length} requests`);
  await bothShow(app, /Nothing known[\s\S]*The server is having trouble/);
  app.server.state.fault = null;
  await app.pass(65_000);
  await bothShow(app, /Not connected/);
  for (const name of LIBRARIES)
    assert.equal(await app.page.locator(`#${name} .error`).innerText(), "");
});

/** Remembers every text that the page shows from now on. */
const watch = (app) =>
  app.page.evaluate(() => {
    window.shown = [];
    const look = () => window.shown.push(document.querySelector("main").innerText);
    new MutationObserver(look).observe(document.body, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });

async function neverShown(app, pattern) {
  const shown = await app.page.evaluate(() => window.shown);
  assert.ok(shown.length > 0);
  assert.deepEqual(
    shown.filter((text) => pattern.test(text)),
    [],
  );
}

const grace = { ...connected, account: { ...connected.account, username: "grace.hops" } };

for (const query of [{}, { "not-fed": "1" }]) {
  test(`another person at once, within the stale time${query["not-fed"] ? ", and no feed mounted" : ""}: never the first one's account`, async (t) => {
    const app = await openApp(t, {
      browser,
      page: PAGE,
      query,
      prepare: ({ server }) => (server.state.status = connected),
    });
    await bothShow(app, /ada\.makes/);
    app.server.state.status = grace;
    await watch(app);
    await app.page.evaluate(() => window.signIn.become("sess_9"));
    await bothShow(app, /grace\.hops/);
    await neverShown(app, /ada\.makes/);
  });
}

const sidOf = ({ headers }) =>
  JSON.parse(Buffer.from(headers.authorization.split(".")[1], "base64url")).sid;

for (const query of [{}, { "not-fed": "1" }])
  for (const when of ["at rest", "while a read is under way"])
    test(`Ada, Grace, and Ada again, switched ${when}${query["not-fed"] ? ", and no feed mounted" : ""}: to each her own`, async (t) => {
      let held = Promise.resolve();
      let letGo = () => {};
      const hold = () => (held = new Promise((resolve) => (letGo = resolve)));
      const app = await openApp(t, {
        browser,
        page: PAGE,
        query,
        prepare: ({ server }) =>
          server.script("GET /user/instagram/status", async (request, response) => {
            const status = sidOf(request) === "sess_1" ? connected : grace;
            await held;
            json(response, 200, status);
          }),
      });
      app.server.state.status = connected;
      await bothShow(app, /ada\.makes/);
      const become = async (sid, status) => {
        app.server.state.status = status;
        await app.page.evaluate((next) => window.signIn.become(next), sid);
      };
      if (when !== "at rest") {
        hold();
        await app.page.evaluate(() => {
          window.refetchSwr();
          window.refetchQuery();
        });
        await until(() => app.server.unanswered() > 0, "a read under way");
      }
      await become("sess_9", grace);
      letGo();
      await bothShow(app, /grace\.hops/);
      await watch(app);
      await become("sess_1", connected);
      await bothShow(app, /ada\.makes/);
      // SWR keeps the error of a read that was another person's, until the next read has ended.
      await until(
        async () => !/Somebody else/.test(await app.text()) || (await app.pass(100)),
        "no error",
      );
      await neverShown(app, /grace\.hops/);
    });

test("what was one person's is shown to nobody else", async (t) => {
  const app = await openApp(t, {
    browser,
    page: PAGE,
    prepare: ({ server }) => (server.state.status = connected),
  });
  await bothShow(app, /ada\.makes/);
  await app.page.evaluate(() => window.signIn.become(null));
  await bothShow(app, /Nothing known/);
  assert.doesNotMatch(await app.text(), /ada\.makes/);
  app.server.state.status = grace;
  await app.page.evaluate(() => window.signIn.become("sess_9"));
  await bothShow(app, /grace\.hops/);
  assert.doesNotMatch(await app.text(), /ada\.makes/);
});

for (const query of [{}, { "slow-sign-in": "1" }])
  test(`a page that suspends with its provider${query["slow-sign-in"] ? ", and before the sign-in library has loaded" : ""}: it reads at once`, async (t) => {
    const app = await openApp(t, {
      browser,
      page: "suspends.html",
      query,
      prepare: ({ server }) => (server.state.status = connected),
    });
    await shows(app, /One moment/);
    if (query["slow-sign-in"]) await app.page.evaluate(() => window.signIn.finishLoading());
    // TanStack Query tells its components by a timer, so time passes: less than a token's 8 s.
    for (let second = 0; second < 5; second += 1) await app.pass(1_000);
    await shows(app, /ada\.makes/);
    assert.equal(statusReads(app), 1);
  });
