/**
 * Makes docs/images/demo.png: a connection that Instagram has ended, and what two backends say of
 * it.
 */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkButton, connect, expectState, faultButton, signInAs } from "./support/demo.js";
import { startAll } from "./support/visit.js";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));

const { holdfast, browser, stop } = await startAll();
try {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    deviceScaleFactor: 2,
    colorScheme: "light",
  });
  holdfast.watch(context);
  const page = await context.newPage();
  await page.goto(holdfast.url);
  await signInAs(page, "Ada Lovelace");
  await expectState(page, "not_connected");
  await connect(page, "ada.makes");
  await faultButton(page, "Remove the app").click();
  await checkButton(page).click();
  await expectState(page, "reconnect_required");
  await page.locator("#naive-verdict", { hasText: /\d+ requests/ }).waitFor();
  // The picture shows what the page says, not where the pointer was.
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  mkdirSync(IMAGES, { recursive: true });
  await page.screenshot({ path: `${IMAGES}demo.png` });
  console.log("docs/images/demo.png");
} finally {
  await stop();
}
