/** Real Chromium on pages that this folder serves, with time under control. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { serve } from "../../../scripts/serve.mjs";
import { startScriptedServer } from "../../support/scripted-server.js";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(EXECUTABLE)) {
  throw new Error(`No browser at ${EXECUTABLE}. Install one (Debian: apt-get install chromium) or set CHROMIUM to its path.`);
}

export const launch = () =>
  chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    // Left to itself, playwright forbids thawing pages on "back", which is one of the things to be tested.
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
  });

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

/**
 * A signed-in person at the test page, on a scripted server whose clock moves with the page's.
 * @param {import("node:test").TestContext} t
 * @param {{browser: import("playwright-core").Browser, skewMs?: number, context?: object}} options
 */
export async function openApp(t, { browser, fault, skewMs = 0, query = {}, prepare, server: shared }) {
  const server = shared ?? (await startScriptedServer());
  const site = await serve();
  const context = await browser.newContext();
  const page = await context.newPage();
  const troubles = watch(page);
  server.state.now ??= Date.parse("2026-11-23T00:00:00Z");
  if (fault) server.state.fault = fault;
  await page.clock.install({ time: server.state.now + skewMs });
  await page.clock.pauseAt(server.state.now + skewMs + STEP_MS);
  server.state.now += STEP_MS;
  t.after(async () => {
    await context.close();
    site.close();
    if (!shared) await server.close();
    assert.deepEqual(troubles, []);
  });
  const url = new URL("/tests/browser/pages/app.html", site.url);
  for (const [name, value] of Object.entries({ api: server.url, ...query })) url.searchParams.set(name, value);
  const app = {
    server,
    site,
    context,
    page,
    url: url.href,
    /** Lets simulated time pass, second by second, with real time in between for the network. */
    async pass(ms) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        server.state.now += STEP_MS;
        await page.clock.runFor(Math.min(STEP_MS, left));
      }
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

/** Waits in real time until `condition` holds: for what the network brings. */
export async function until(condition, what = "condition") {
  for (let i = 0; i < 500; i += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not come true within 5 s`);
}
