/** Many tabs of one browser: one stream for all, and each is right within five seconds. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, notConnected, startScriptedServer } from "../support/scripted-server.js";
import { serve } from "../../scripts/serve.mjs";
import { launch, until } from "./support/browser.js";

const NINE = 9;
const SOON_MS = 5_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Nine tabs of one browser on one server, all visible, on HTTP/1.1. */
async function openTabs(t, query = {}) {
  const server = await startScriptedServer();
  const site = await serve();
  const context = await browser.newContext();
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
  for (let i = 0; i < NINE; i += 1) pages.push(await open());
  return { server, pages, open };
}

const shows = (page, pattern) =>
  until(async () => pattern.test(await page.locator("main").innerText()), String(pattern));

test("nine tabs: one stream, and all are right within five seconds of a change", async (t) => {
  const { server, pages } = await openTabs(t);
  for (const page of pages) await shows(page, /Not connected/);
  await until(() => server.streams.size === 1, "the stream");
  const before = server.requests.length;
  const began = Date.now();
  server.announce(connected);
  for (const page of pages) await shows(page, /@ada\.makes/);
  assert.ok(Date.now() - began < SOON_MS, `${Date.now() - began} ms`);
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
  let leader;
  for (const page of pages) {
    if ((await page.evaluate(() => window.instagram.live)) === "stream") leader = page;
  }
  await leader.close();
  const opened = () => server.routes().filter((route) => route === "GET /user/events").length;
  await until(() => opened() === 2 && server.streams.size === 1, "the next stream");
  server.announce({ ...notConnected, reason: "denied", error: "Declined.", version: 5 });
  for (const page of pages) if (page !== leader) await shows(page, /Declined/);
});

test("what one session is told is not handed to a tab of another", async (t) => {
  const { server, pages, open } = await openTabs(t);
  for (const page of pages) await shows(page, /Not connected/);
  const stranger = await open();
  await shows(stranger, /Not connected/);
  await stranger.evaluate(() => window.signIn.become("sess_9"));
  await until(() => server.streams.size === 2, "a stream of their own");
  const [first, second] = [...server.streams];
  first.write(`event: instagram.status\ndata: ${JSON.stringify(connected)}\n\n`);
  const told = (page) => page.locator("main").innerText();
  await until(
    async () => /@ada\.makes/.test(await told(pages[0])) || /@ada/.test(await told(stranger)),
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  const isStrangers = /@ada/.test(await told(stranger));
  for (const page of pages) assert.equal(/@ada/.test(await told(page)), !isStrangers);
  assert.ok(second);
});
