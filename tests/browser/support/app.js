/**
 * An app with the component, served on loopback, on the real binary: what a person's browser meets.
 */
import { serve } from "../../../clients/js/scripts/serve.mjs";
import { launch } from "../../../clients/js/tests/browser/support/browser.js";
import { consent } from "./demo.js";
import { startHoldfast } from "./holdfast.js";

/**
 * One Holdfast, one app and one Chromium for the tests of a file. Call in `before`; `stop` in
 * `after`.
 */
export async function startApp({ origins = [] } = {}) {
  const site = await serve();
  const holdfast = await startHoldfast({ origins: [site.url, ...origins] });
  const browser = await launch();
  const home = new URL("/tests/browser/pages/real.html", site.url);
  home.searchParams.set("api", holdfast.url);
  home.searchParams.set("clerk", holdfast.config.clerk_url);
  return {
    holdfast,
    browser,
    site,
    home: home.href,
    async stop() {
      await browser.close();
      site.close();
      await holdfast.stop();
    },
  };
}

/**
 * The browser of somebody new, with its first tab on the app.
 * @param {import("node:test").TestContext} t
 * @param {{ init?: () => void } & import("playwright-core").BrowserContextOptions} [options] `init`
 *        runs before each page's own scripts
 */
export async function openBrowser(t, app, { init, ...options } = {}) {
  const context = await app.browser.newContext(options);
  t.after(() => context.close());
  app.holdfast.watch(context);
  if (init) await context.addInitScript(init);
  const open = async () => {
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(app.home);
    return page;
  };
  return { context, open, page: await open() };
}

/** Waits until the component says so. */
export const shows = (page, text) => page.locator("main").getByText(text).first().waitFor();

export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

/** The session is that of this person, in all tabs of the browser. */
export const become = (page, user) => page.evaluate((user) => window.signIn.become(user), user);

/** Chooses the account at Instagram and approves; the browser goes back to the app. */
export async function approve(page, handle) {
  await page.waitForURL(/\/oauth\/authorize/);
  await consent.account(page, handle).check();
  await consent.approve(page).click();
}

/** The button by which an attempt begins, wherever the person's connection stands. */
export const connectButton = (page) =>
  page.getByRole("button", { name: /^(Connect Instagram|Reconnect|Start again)$/ });

/** Linked, from wherever the person's connection stands. */
export async function connect(page, handle) {
  await connectButton(page).click();
  await approve(page, handle);
  await shows(page, `@${handle}`);
}

/** Nothing is linked, whatever an earlier test left behind, be it an open attempt. */
export async function disconnect(page) {
  await page.locator(".hf-actions > *").first().waitFor();
  if (await page.getByText("Disconnect", { exact: true }).isVisible()) {
    await page.getByText("Disconnect", { exact: true }).click();
    await press(page, "Yes, disconnect Instagram");
  }
  await shows(page, /^(Not connected|Connecting)$/);
}
