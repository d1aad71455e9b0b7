/**
 * A grant's life, watched in minutes: refreshed as long as Holdfast is awake, dead after sixty days
 * without it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, expectSignedInAs, expectState, signInAs } from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

let all;
before(async () => (all = await startAll()));
after(() => all?.stop());

/** As a person does who drags the slider and lets it go. */
const dragTo = (page, days) =>
  page.locator("#days").evaluate((slider, days) => {
    slider.value = String(days);
    slider.dispatchEvent(new Event("change"));
  }, days);

const daysLater = async (page) =>
  Number.parseInt(await page.locator("#days-later").innerText(), 10);

async function travelTo(page, days) {
  await dragTo(page, days);
  await page.locator("#days-later", { hasText: `${days} days later` }).waitFor({ timeout: 60_000 });
}

test("it lives through a season, and dies where nobody refreshes it", async (t) => {
  const { page } = await visit(t, all);
  await signInAs(page, "Ada Lovelace");
  await expectState(page, "not_connected");
  await connect(page, "ada.makes");
  await travelTo(page, 45);
  await expectState(page, "connected");
  await page
    .getByText(/by a refresh/)
    .first()
    .waitFor();

  await page.locator("#asleep").check();
  await travelTo(page, 150);
  await expectState(page, "reconnect_required");
  await page.locator("#state-sentence", { hasText: "expired" }).waitFor();
  await expectSignedInAs(page, "Ada Lovelace");

  await connect(page, "ada.makes");
  assert.match(await page.locator("#account-handle").innerText(), /@ada\.makes/);
});

test("a slider dragged on while time moves is followed, forward and back", async (t) => {
  const own = await startAll();
  t.after(() => own.stop());
  const { page } = await visit(t, own);
  await signInAs(page, "Ada Lovelace");
  await expectState(page, "not_connected");
  await dragTo(page, 3);
  await travelTo(page, 12);

  await dragTo(page, 100);
  await page.waitForFunction(
    () => Number.parseInt(document.querySelector("#days-later").textContent, 10) >= 14,
  );
  await dragTo(page, 0);
  const there = await daysLater(page);
  await page.waitForTimeout(1_000); // in which six more days would pass
  const stopped = await daysLater(page);
  assert.ok(stopped <= there + 1, `went on from day ${there} to ${stopped}`);
});
