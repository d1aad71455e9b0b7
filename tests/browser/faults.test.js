import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../../clients/js/tests/support/until.js";
import { faultGroups } from "../../web/demo/faults.js";
import {
  checkButton,
  connect,
  expectSignedInAs,
  expectState,
  faultButton,
  loggedRequests,
  signInAs,
} from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

const atInstagram = faultGroups
  .flatMap(({ faults }) => faults)
  .filter(({ needsAccount }) => needsAccount);

/** Ada, connected, on a page of her own, with nothing broken. */
async function visitConnected(t, all) {
  const visited = await visit(t, all);
  const { page } = visited;
  await signInAs(page, "Ada Lovelace");
  await page.locator("#connect:not([hidden]), #check:not([hidden])").first().waitFor();
  await page.getByRole("button", { name: "Mend everything" }).click();
  // Anything but a plain "connected" is of an earlier test's making: begin anew.
  if (await page.locator("#disconnect").isVisible()) await page.locator("#disconnect").click();
  await expectState(page, "not_connected");
  await connect(page, "ada.makes");
  await page.locator("#naive-answer", { hasText: "200 OK" }).waitFor();
  return visited;
}

const statusOf = async (page, request) =>
  (await loggedRequests(page)).filter((row) => row[1] === request).map((row) => row[2]);

describe("whatever breaks at Instagram", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  for (const { id, label } of atInstagram) {
    test(`${id}: 200, still signed in, where the naive app is not`, async (t) => {
      const { page, assertHealthy } = await visitConnected(t, all);
      await faultButton(page, label).click();
      await page.locator("#naive-answer", { hasText: "401" }).waitFor();
      assert.equal(await page.locator(`[data-fault=${id}]`).getAttribute("aria-pressed"), "true");
      await checkButton(page).click();
      await page.locator("#break-outcome", { hasText: /^(Checked|Holdfast asks)/ }).waitFor();
      assert.deepEqual(await statusOf(page, "POST /user/instagram/check"), ["200 OK"]);
      await expectSignedInAs(page, "Ada Lovelace");
      assertHealthy();

      await page.getByRole("button", { name: "Mend everything" }).click();
      await page.locator("#break-outcome", { hasText: "Mended" }).waitFor();
    });
  }
});

describe("whatever breaks at Clerk", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  for (const [id, label] of [
    ["jwks_down", "JWKS down"],
    ["skew_small", "Clock 4 s ahead"],
  ]) {
    test(`${id}: nothing happens to anybody`, async (t) => {
      const { page, assertHealthy } = await visitConnected(t, all);
      await faultButton(page, label).click();
      await page.locator("#naive-answer", { hasText: "401" }).waitFor();
      await page.locator("#break-outcome", { hasText: "Done" }).waitFor();
      await expectState(page, "connected");
      await expectSignedInAs(page, "Ada Lovelace");
      assertHealthy();
    });
  }

  test("skew_large: two refusals, then quiet, and a way on when it is over", async (t) => {
    const { page } = await visitConnected(t, all);
    await faultButton(page, "Clock 1 min ahead").click();
    await expectState(page, "session-refused");
    const refusals = async () =>
      (await loggedRequests(page)).filter((row) => row[2].startsWith("401"));
    await until(async () => (await refusals()).length >= 2, "two refusals in the log");
    await page.waitForTimeout(3_000);
    assert.equal((await refusals()).length, 2, (await refusals()).join(" | "));
    await expectSignedInAs(page, "Ada Lovelace");

    await page.getByRole("button", { name: "Mend everything" }).click();
    await expectState(page, "connected");
  });

  // Rotation comes last: keys are fetched anew only so often, and who signs in meanwhile has to
  // wait for that.
  for (const [id, label] of [
    ["expired_token", "Expired token"],
    ["rotate_keys", "Rotate the keys"],
  ]) {
    test(`${id}: at most one refusal, one fresh token, and on it goes`, async (t) => {
      const { page } = await visitConnected(t, all);
      await faultButton(page, label).click();
      await page.locator("#naive-answer", { hasText: "401" }).waitFor();
      await page.locator("#holdfast-answer", { hasText: /^(200|304)/ }).waitFor();
      await expectState(page, "connected");
      await expectSignedInAs(page, "Ada Lovelace");
      const refusals = (await loggedRequests(page)).filter((row) => row[2].startsWith("401"));
      assert.ok(refusals.length <= 1, refusals.join(" | "));
    });
  }
});
