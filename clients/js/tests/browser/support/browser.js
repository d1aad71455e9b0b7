/** Real Chromium on pages that this folder serves, with time under control. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { serve } from "../../../scripts/serve.mjs";
import { startScriptedServer } from "../../support/scripted-server.js";
import { until } from "../../support/until.js";

export { until };

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(EXECUTABLE)) {
  throw new Error(
    `No browser at ${EXECUTABLE}. Install one (Debian: apt-get install chromium) or set CHROMIUM to its path.`,
  );
}

const OPTIONS = {
  executablePath: EXECUTABLE,
  headless: true,
  // Left to itself, playwright forbids thawing pages on "back", which is one of the things to be
  // tested.
  ignoreDefaultArgs: ["--disable-back-forward-cache"],
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

export const launch = () => chromium.launch(OPTIONS);

/** A browser whose settings let no site keep data: storage and locks throw, channels do not. */
export async function openWithoutSiteData(t) {
  const profile = await mkdtemp(join(tmpdir(), "holdfast-chromium-"));
  t.after(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  await mkdir(join(profile, "Default"));
  await writeFile(join(profile, "Default/Preferences"), JSON.stringify(blocked));
  const context = await chromium.launchPersistentContext(profile, OPTIONS);
  t.after(() => context.close());
  return context;
}

/** The browser's own report of a failed request, which no page can prevent. */
const BROWSER_REPORT = /^Failed to load resource|^Access to fetch at|net::ERR_/;

/** Collects what must not happen in a page. */
function watch(page) {
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !BROWSER_REPORT.test(message.text())) {
      troubles.push(`${message.type()}: ${message.text()}`);
    }
  });
  return troubles;
}

const STEP_MS = 1_000;
const NETWORK_DEADLINE_MS = 60_000;

/**
 * Waits until what the page has sent is answered and taken in, save what the server leaves
 * unanswered on purpose. Simulated time must not run ahead of the real network, or a busy machine
 * turns answers into time-outs.
 */
function trackNetwork(page, server) {
  const inFlight = new Set();
  const isEndless = (response) => /event-stream/.test(response.headers()["content-type"] ?? "");
  page.on("request", (request) => inFlight.add(request));
  page.on("response", (response) => isEndless(response) && inFlight.delete(response.request()));
  for (const end of ["requestfinished", "requestfailed"])
    page.on(end, (request) => inFlight.delete(request));
  return async function settle() {
    const deadline = Date.now() + NETWORK_DEADLINE_MS;
    // Twice in a row: an answer may be followed at once by the next request.
    for (
      let quietTurns = 0;
      quietTurns < 2;
      quietTurns = inFlight.size <= server.unanswered() ? quietTurns + 1 : 0
    ) {
      if (Date.now() > deadline)
        throw new Error(`no answer to ${[...inFlight].map((request) => request.url())}`);
      await page.evaluate(() => new Promise((resolve) => queueMicrotask(resolve)));
    }
  };
}

/**
 * A signed-in person at the test page, on a scripted server whose clock moves with the page's.
 * @param {import("node:test").TestContext} t
 * @param {{
 *   browser: import("playwright-core").Browser,
 *   page?: string,
 *   fault?: string,
 *   skewMs?: number,
 * }} options `page` is a file of `pages/`; `fault` what the server does from the start;
 *   `skewMs` how far the page's clock is off
 */
export async function openApp(
  t,
  {
    browser,
    page: name = "app.html",
    fault,
    skewMs = 0,
    query = {},
    prepare,
    server: shared,
    beside,
    options,
  },
) {
  const server = beside?.server ?? shared ?? (await startScriptedServer());
  const site = beside?.site ?? (await serve());
  const context = beside?.context ?? (await browser.newContext(options));
  const page = await context.newPage();
  const troubles = watch(page);
  const settle = trackNetwork(page, server);
  server.state.now ??= Date.parse("2026-11-23T00:00:00Z");
  if (fault) server.state.fault = fault;
  await page.addInitScript(() => (Math.random = () => 0.5)); // jitter that is the same in each run
  await page.clock.install({ time: server.state.now + skewMs });
  // The clock runs until it is paused, which a busy machine may take seconds for.
  server.state.now += 60_000;
  await page.clock.pauseAt(server.state.now + skewMs);
  t.after(async () => {
    if (!beside) {
      await context.close();
      site.close();
    }
    if (!beside && !shared) await server.close();
    assert.deepEqual(troubles, []);
  });
  const url = new URL(`/tests/browser/pages/${name}`, site.url);
  for (const [name, value] of Object.entries({ api: server.url, ...query }))
    url.searchParams.set(name, value);
  const app = {
    server,
    site,
    context,
    page,
    url: url.href,
    /** Lets simulated time pass, second by second, with the network at rest after each. */
    async pass(ms) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        server.state.now += STEP_MS;
        await page.clock.runFor(Math.min(STEP_MS, left));
        await settle();
      }
    },
    /**
     * Ends the page's stream, as the server does when the token expires. There must be one first.
     */
    async endStream() {
      await until(() => server.streams.size > 0, "a stream");
      server.endStreams();
      await until(() => server.streams.size === 0, "the end of the stream");
    },
    text: () => page.locator("main").innerText(),
    /** Requests other than those for tokens. */
    requests: () => server.requests.filter(({ route }) => !route.startsWith("POST /token")),
    async isSignedIn() {
      assert.match(await page.locator("header").innerText(), /Signed in as Ada/);
      assert.equal(await page.evaluate(() => window.signOuts), 0);
    },
  };
  await prepare?.(app);
  await page.goto(url.href);
  return app;
}

/**
 * When each page first shows what matches, by its own clock: what this process takes to look at
 * them, one after the other, is not counted. Call before the change; gives milliseconds since then.
 */
export function timeUntilAllShow(pages, pattern) {
  const began = Date.now();
  const shown = pages.map((page) =>
    page.evaluate(
      ({ source, flags }) =>
        new Promise((resolve) => {
          const look = () => {
            if (!new RegExp(source, flags).test(document.body.innerText)) return;
            observer.disconnect();
            resolve(Date.now());
          };
          const observer = new MutationObserver(look);
          observer.observe(document, { subtree: true, childList: true, characterData: true });
          look();
        }),
      { source: pattern.source, flags: pattern.flags },
    ),
  );
  return async () => Math.max(...(await Promise.all(shown))) - began;
}

/** Waits until the page's text says so. */
export const shows = (app, pattern) =>
  until(async () => pattern.test(await app.text()), String(pattern));

/** How many requests of that route there were. */
export const count = (app, wanted) => app.requests().filter(({ route }) => route === wanted).length;
