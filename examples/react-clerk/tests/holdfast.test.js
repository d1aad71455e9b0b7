/**
 * The example against the real `holdfast dev`: sign in, connect at the stand-in, revoked there,
 * reconnect.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../../../clients/js/tests/browser/support/browser.js";
import { freePort, startHoldfast } from "../../../tests/browser/support/holdfast.js";
import { startVite } from "./support/vite.js";

let holdfast;
let vite;
let browser;
/** Where the app is served: a free port, which the server is told to let in. */
let origin;

before(async () => {
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  holdfast = await startHoldfast({ origins: [origin] });
  vite = await startVite(
    { VITE_HOLDFAST_URL: holdfast.url, VITE_CLERK_STANDIN_URL: holdfast.config.clerk_url },
    port,
  );
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await vite?.close();
  await holdfast?.stop();
});

test("the demo page runs the very client that this app imports", async () => {
  for (const [entry, path] of [
    ["holdfast-client", "holdfast-client.js"],
    ["holdfast-client/states", "states.js"],
    ["holdfast-client/locales/en", "locales/en.js"],
  ]) {
    const served = await fetch(`${holdfast.url}/client/${path}`);
    assert.equal(served.status, 200);
    assert.equal(
      await served.text(),
      await readFile(fileURLToPath(import.meta.resolve(entry)), "utf8"),
    );
  }
});

test("connect, revoked at Instagram, still signed in, reconnect", async () => {
  const page = await browser.newPage();
  holdfast.watch(page.context());
  const statuses = [];
  const troubles = [];
  page.on(
    "response",
    (response) => response.url().startsWith(holdfast.url) && statuses.push(response.status()),
  );
  page.on("pageerror", (error) => troubles.push(error.message));
  const shows = (text) => page.getByText(text).first().waitFor();
  const approve = async () => {
    await page.waitForURL(/\/oauth\/authorize/);
    await page.getByText("ada.makes").first().click();
    await page.getByRole("button", { name: /approve|allow|continue/i }).click();
    await page.waitForURL((url) => url.origin === origin);
  };

  await page.goto(origin);
  await page.getByRole("button", { name: "Continue as Ada" }).click();
  await page.getByRole("button", { name: "Connect Instagram" }).click();
  await approve();
  await shows("@ada.makes");
  assert.doesNotMatch(page.url(), /completion=/);

  await holdfast.deauthorize("ada.makes");
  await page
    .getByRole("button", { name: /reconnect/i })
    .first()
    .waitFor();
  await shows("Ada Lovelace");

  await page
    .getByRole("button", { name: /reconnect/i })
    .first()
    .click();
  await approve();
  await shows("New journal pages are offered to your Instagram account.");
  assert.ok(!statuses.includes(401), `answers: ${statuses}`);
  assert.deepEqual(troubles, []);
});
