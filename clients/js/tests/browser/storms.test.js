/**
 * The server misbehaves for five minutes: the page neither loops nor signs out, and says what is
 * true.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected } from "../support/scripted-server.js";
import { launch, openApp, shows, until } from "./support/browser.js";

const FIVE_MINUTES = 300_000;
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const storms = [
  { fault: "401", most: 2, says: /still signed in, but your requests are refused/ },
  { fault: "basic", most: 2, says: /still signed in, but your requests are refused/ },
  { fault: "403", most: 6, says: /The sign-in is not finished/ },
  {
    fault: "429",
    most: 10,
    says: /This client address has reached its limit of concurrent requests/,
  },
  { fault: "503", most: 13, says: /The server is having trouble\./ },
  { fault: "hang", most: 10, says: /The server cannot be reached/ },
  { fault: "reset", most: 13, says: /The server cannot be reached/ },
  { fault: "html", most: 13, says: /The server is having trouble/ },
];

for (const { fault, most, says } of storms) {
  test(`${fault} for five minutes: at most ${most} requests`, async (t) => {
    const app = await openApp(t, { browser, fault });
    await until(() => app.requests().length > 0, "the first request");
    await app.pass(FIVE_MINUTES);
    // Chromium itself repeats a GET once on a fresh connection when a kept-alive one is reset.
    const counted =
      fault === "reset" ? Math.ceil(app.requests().length / 2) : app.requests().length;
    assert.ok(counted <= most, `${app.requests().length} requests: ${app.server.routes()}`);
    const isRefused = most === 2;
    if (!isRefused) assert.ok(counted >= 3, "it does keep trying");
    assert.match(await app.text(), says);
    await app.isSignedIn();
    assert.equal(app.page.url(), app.url, "it went nowhere");
    await app.page.evaluate(() => void window.instagram.refetch());

    if (isRefused) {
      assert.ok(app.requests().length <= 2, "not even when asked");
      await app.page.evaluate(() => window.signIn.become("sess_2"));
    }
    app.server.state.fault = null;
    await app.pass(95_000);
    await until(async () => /Not connected/.test(await app.text()), "recovery");
  });
}

test("a server that goes away later: what was known stays, and is called the last known", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: ({ server }) => (server.state.status = connected),
  });
  await shows(app, /Connected[\s\S]*@ada\.makes/);
  await until(() => app.server.streams.size === 1, "the stream");
  app.server.state.fault = "503";
  await app.endStream();
  await app.pass(30_000);
  await shows(
    app,
    /Connected, when last heard[\s\S]*@ada\.makes[\s\S]*The server is having trouble/,
  );
  await app.isSignedIn();
  app.server.state.fault = null;
  await app.pass(65_000);
  await until(async () => !/when last heard|having trouble/.test(await app.text()), "recovery");
});
