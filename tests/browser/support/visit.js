/** A browser on the demo page, watched: what it logs, what it asks, and what it is answered. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { startHoldfast } from "./holdfast.js";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export async function startChromium() {
  // The sandbox needs privileges that containers and root do not have; the only pages opened are
  // our own.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** One Holdfast and one Chromium for the tests of a file. Call in `before`; `stop` in `after`. */
export async function startAll() {
  const holdfast = await startHoldfast();
  try {
    const browser = await startChromium();
    const stop = async () => {
      await browser.close();
      await holdfast.stop();
    };
    return { holdfast, browser, stop };
  } catch (error) {
    await holdfast.stop();
    throw error;
  }
}

const isLoopback = ({ protocol, hostname }) =>
  ["data:", "blob:"].includes(protocol) || /^(127(\.\d+){3}|localhost|\[::1\])$/.test(hostname);

/**
 * A new person's browser, on the demo page. `assertHealthy` fails on anything that must never
 * happen, in any test.
 *
 * @param {import("node:test").TestContext} t
 */
export async function visit(t, { holdfast, browser }, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  t.after(() => context.close());
  holdfast.watch(context);
  const strangers = [];
  const refusals = [];
  const complaints = [];
  context.on("request", (request) => {
    if (!isLoopback(new URL(request.url()))) strangers.push(request.url());
  });
  context.on("response", (response) => {
    const { origin, pathname } = new URL(response.url());
    const status = response.status();
    if (origin === holdfast.url && (status === 401 || status >= 500))
      refusals.push(`${status} ${pathname}`);
  });
  context.on("console", (message) => {
    const isOurs = message.location().url.startsWith(holdfast.url);
    if (isOurs && ["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(holdfast.url);
  return {
    page,
    /**
     * `except` matches complaints that the test brings about: Chromium logs every answer from 400
     * up.
     */
    assertHealthy({ except } = {}) {
      assert.deepEqual(strangers, [], "requests to elsewhere than this machine");
      assert.deepEqual(refusals, [], "answers of Holdfast that are 401 or 5xx");
      assert.deepEqual(
        complaints.filter((text) => !except?.test(text)),
        [],
        "errors and warnings in the console",
      );
    },
  };
}
