/** Many tabs of one browser: one stream for all, and each is told of a change. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, notConnected, startScriptedServer } from "../support/scripted-server.js";
import { serve } from "../../scripts/serve.mjs";
import { launch, openWithoutSiteData, timeUntilAllShow, until } from "./support/browser.js";

const NINE = 9;
/** Half of the time after which each would ask by itself. */
const SOON_MS = 15_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** So many tabs of one browser on one server, all visible, on HTTP/1.1. */
async function openTabs(t, { query = {}, context, count = NINE } = {}) {
  const server = await startScriptedServer();
  const site = await serve();
  context ??= await browser.newContext();
  t.after(async () => {
    await context.close();
    site.close();
    await server.close();
  });
  const url = new URL("/tests/browser/pages/app.html", site.url);
  for (const [name, value] of Object.entries({ api: server.url, ...query }))
    url.searchParams.set(name, value);
  const open = async () => {
    const page = await context.newPage();
    await page.goto(url.href);
    return page;
  };
  const pages = [];
  for (let i = 0; i < count; i += 1) pages.push(await open());
  return { server, pages, open };
}

const shows = (page, pattern) =>
  until(async () => pattern.test(await page.locator("main").innerText()), String(pattern));

test("nine tabs: one stream, and all are told of a change, and none waits until it would ask", async (t) => {
  const { server, pages } = await openTabs(t);
  for (const page of pages) await shows(page, /Not connected/);
  await until(() => server.streams.size === 1, "the stream");
  const before = server.requests.length;
  const taken = timeUntilAllShow(pages, /@ada\.makes/);
  server.announce(connected);
  const took = await taken();
  assert.ok(took < SOON_MS, `${took} ms`);
  assert.equal(server.streams.size, 1);
  assert.ok(server.requests.length - before <= NINE, "told, not asked");
  for (const page of pages) {
    const live = await page.evaluate(() => window.instagram.live);
    assert.ok(["stream", "poll"].includes(live), live);
  }
});

test("the tab that holds the stream is closed: another takes it over", async (t) => {
  const { server, pages } = await openTabs(t);
  for (const page of pages) await shows(page, /Not connected/);
  await until(() => server.streams.size === 1, "the stream");
  const isLeader = (page) => page.evaluate(() => window.instagram.live === "stream");
  const leader = await until(async () => {
    const leads = await Promise.all(pages.map(isLeader));
    return pages[leads.indexOf(true)];
  }, "a tab that has heard the stream");
  await leader.close();
  const opened = () => server.routes().filter((route) => route === "GET /user/events").length;
  await until(() => opened() === 2 && server.streams.size === 1, "the next stream");
  server.announce({ ...notConnected, reason: "denied", error: "Declined.", version: 5 });
  for (const page of pages) if (page !== leader) await shows(page, /declined at Instagram/);
});

test("what one session is told is not handed to a tab of another", async (t) => {
  const { server, pages, open } = await openTabs(t);
  for (const page of pages) await shows(page, /Not connected/);
  const stranger = await open();
  await shows(stranger, /Not connected/);
  await stranger.evaluate(() => window.signIn.become("sess_9"));
  await until(() => server.streams.size === 2, "a stream of their own");
  const everybody = [...pages, stranger];
  const told = (page) => page.locator("main").innerText();
  for (const page of everybody) {
    await page.evaluate(() => {
      window.everShown = "";
      new MutationObserver(() => (window.everShown += document.body.innerText)).observe(document, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
  }
  const tell = (stream, status) =>
    stream.write(`event: instagram.status\ndata: ${JSON.stringify(status)}\n\n`);
  const [first, second] = [...server.streams];
  tell(first, connected);
  await until(async () => /@ada/.test((await told(pages[0])) + (await told(stranger))), "@ada");
  const isStrangers = /@ada/.test(await told(stranger));
  // A page that wrongly heard the first would have heard it before the second, which comes later.
  tell(second, { ...notConnected, reason: "denied", error: "Declined.", version: 5 });
  const [theirs, others] = isStrangers ? [[stranger], pages] : [pages, [stranger]];
  for (const page of others) await shows(page, /declined at Instagram/);
  for (const page of theirs) await shows(page, /@ada/);
  const shown = (page) => page.evaluate(() => window.everShown);
  for (const page of theirs) assert.doesNotMatch(await shown(page), /declined at Instagram/);
  for (const page of others) assert.doesNotMatch(await shown(page), /@ada/);
});

test("a browser that lets sites keep nothing: each tab has a stream of its own", async (t) => {
  const context = await openWithoutSiteData(t);
  const query = { "api-in-query": "1" };
  const { server, pages } = await openTabs(t, { query, context, count: 2 });
  for (const page of pages) await shows(page, /Not connected/);
  await until(() => server.streams.size === 2, "a stream for each");
  server.announce(connected);
  for (const page of pages) await shows(page, /@ada\.makes/);
});
