import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  checkButton,
  connectButton,
  consent,
  expectSignedInAs,
  expectState,
  faultButton,
} from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

const MAX_STOPS = 60;

const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement);

/** Tabs on until the element has the focus; each stop on the way must be visible as such. */
async function tabTo(page, locator) {
  await locator.waitFor();
  for (let stops = 0; stops < MAX_STOPS; stops += 1) {
    await page.keyboard.press("Tab");
    const { hidden, what } = await page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const isMarked = outlineStyle !== "none" && Number.parseFloat(outlineWidth) > 0;
      return {
        hidden: element !== document.body && !isMarked,
        what: element.outerHTML.slice(0, 80),
      };
    });
    assert.equal(hidden, false, `the focus cannot be seen on ${what}`);
    if (await isFocused(locator)) return;
  }
  assert.fail(`not reached by ${MAX_STOPS} times Tab: ${locator}`);
}

describe("by keyboard alone", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  test("sign in, connect, break, check and reconnect", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await tabTo(page, page.getByRole("button", { name: /Ada Lovelace/ }));
    await page.keyboard.press("Enter");
    await expectSignedInAs(page, "Ada Lovelace");
    // The card that was pressed has gone, and the focus is not lost with it.
    await page.waitForFunction(() => document.activeElement.id === "connection-title");

    await expectState(page, "not_connected");
    await tabTo(page, connectButton(page));
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/oauth\/authorize/);
    await tabTo(page, consent.approve(page));
    await page.keyboard.press("Enter");
    await expectState(page, "connected");

    const revoke = faultButton(page, "Remove the app");
    await tabTo(page, revoke);
    await page.keyboard.press("Space");
    await page.locator("#break-outcome", { hasText: "Done: Remove the app" }).waitFor();
    await page.waitForFunction(
      (button) => button.getAttribute("aria-pressed") === "true",
      await revoke.elementHandle(),
    );
    assert.ok(await isFocused(revoke), "the focus stays where the person is");

    await tabTo(page, checkButton(page));
    await page.keyboard.press("Enter");
    await expectState(page, "reconnect_required");
    assert.ok(await isFocused(checkButton(page)));

    await page.locator("#connection-title").focus();
    await tabTo(page, connectButton(page));
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/oauth\/authorize/);
    await tabTo(page, consent.approve(page));
    await page.keyboard.press("Enter");
    await expectState(page, "connected");
    assertHealthy();
  });

  test("the first stop leads past the header", async (t) => {
    const { page } = await visit(t, all);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.id === "main");
  });
});
