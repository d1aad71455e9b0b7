import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  assertNoTokenIsShown,
  checkButton,
  comparison,
  connect,
  connectButton,
  consent,
  expectSignedInAs,
  expectState,
  faultButton,
  leaveForInstagram,
  loggedRequests,
  signInAs,
} from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

describe("the demo page", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  test("sign in, connect, revoked at Instagram, no 401, still signed in, reconnect", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Ada Lovelace");
    await expectState(page, "not_connected");

    await connect(page, "ada.makes");
    await page.locator("#account-handle", { hasText: "@ada.makes" }).waitFor();
    await expectSignedInAs(page, "Ada Lovelace");
    await assertNoTokenIsShown(page);

    await faultButton(page, "Remove the app").click();
    await page.locator("#naive-answer", { hasText: "401" }).waitFor();
    const broken = await comparison(page);
    assert.match(broken.holdfast.answer, /^(200 OK|304 Not Modified)$/);
    assert.equal(broken.holdfast.verdict, "Still signed in");
    assert.match(broken.naive.verdict, /^Signed out/);

    await checkButton(page).click();
    const panel = await expectState(page, "reconnect_required");
    await panel.getByText("Reconnect needed").waitFor();
    await expectSignedInAs(page, "Ada Lovelace");
    assertHealthy();

    // The old page would have asked without end.
    await page.locator("#naive-verdict", { hasText: /[3-9] requests/ }).waitFor();
    const asked = (await loggedRequests(page)).length;
    await page.waitForTimeout(2_000);
    const rows = await loggedRequests(page);
    // A stream ends with its token, perhaps just now: then there is one read and one new stream.
    const since = rows.slice(0, rows.length - asked).map(([, request]) => request);
    assert.equal(new Set(since).size, since.length, `asked while nothing happens: ${since}`);

    await page.reload();
    await expectState(page, "reconnect_required");
    await expectSignedInAs(page, "Ada Lovelace");

    assert.equal(await connectButton(page).textContent(), "Reconnect");
    await connect(page, "ada.makes");
    await expectSignedInAs(page, "Ada Lovelace");
    await assertNoTokenIsShown(page);
    assertHealthy();
  });

  test("who declines at Instagram is told so, and may try again", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Grace Hopper");
    await expectState(page, "not_connected");
    await leaveForInstagram(page);
    await consent.deny(page).click();

    const panel = await expectState(page, "not_connected");
    await panel.getByText("The connection was declined at Instagram.").waitFor();
    assert.equal(new URL(page.url()).search, "", "the address is clean");
    await connect(page, "grace.hops");
    assertHealthy();
  });

  test("who declines to reconnect is told that nothing was changed", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Ada Lovelace");
    // Another test may have left her connected.
    await page.locator("#connect:visible, #disconnect:visible").first().waitFor();
    if (await page.locator("#disconnect").isHidden()) await connect(page, "ada.makes");
    await faultButton(page, "Remove the app").click();
    await checkButton(page).click();
    await expectState(page, "reconnect_required");
    await leaveForInstagram(page);
    await consent.deny(page).click();

    await expectState(page, "reconnect_required");
    await page.getByText("You declined at Instagram. Nothing was changed.").waitFor();
    await connect(page, "ada.makes");
    assertHealthy();
  });

  test("a browser that keeps nothing: the page works for as long as it is open", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await page.addInitScript(() => {
      for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(window, name, {
          get() {
            throw new DOMException("The operation is insecure.", "SecurityError");
          },
        });
    });
    await page.reload();
    await signInAs(page, "Grace Hopper");
    await expectSignedInAs(page, "Grace Hopper");
    await page.locator("#notice").waitFor({ state: "hidden" });
    assertHealthy();
  });

  test("who leaves a permission out is connected, and told which one is missing", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Edsger Dijkstra");
    await expectState(page, "not_connected");
    await leaveForInstagram(page);
    await consent.account(page, "edsger.writes").check();
    await consent.permissions(page).first().uncheck();
    await consent.approve(page).click();

    const panel = await expectState(page, "connected");
    await panel.getByText("Some permissions are missing").waitFor();
    await panel.getByText("Not allowed").waitFor();
    assert.equal(await connectButton(page).textContent(), "Reconnect");
    await connect(page, "edsger.writes");
    await panel.getByText("Some permissions are missing").waitFor({ state: "hidden" });
    assertHealthy();
  });

  test("an account that is somebody else's already is refused, with a sentence", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Grace Hopper");
    await expectState(page, "connected");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await expectState(page, "not_connected");
    await leaveForInstagram(page);
    await consent.account(page, "ada.makes").check();
    await consent.approve(page).click();
    const panel = await expectState(page, "not_connected");
    await panel.getByText("already linked to another user").waitFor();
    await expectSignedInAs(page, "Grace Hopper");
    await connect(page, "grace.hops");
    assertHealthy({ except: /status of 409/ });
  });

  test("signing out and in as another shows nothing of the first", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Ada Lovelace");
    await expectState(page, "connected");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Who are you today?" }).waitFor();
    await signInAs(page, "Grace Hopper");
    await page.locator("#account-handle", { hasText: "grace" }).waitFor();
    assert.doesNotMatch(await page.locator("#connection").textContent(), /ada/i);
    assertHealthy();
  });

  test("each person finds their own account chosen at Instagram, and a picture from this computer", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    for (const [name, handle] of [
      ["Edsger Dijkstra", "edsger.writes"],
      ["Grace Hopper", "grace.hops"],
    ]) {
      await signInAs(page, name);
      await page.locator("#connect:not([hidden]), #disconnect:not([hidden])").first().waitFor();
      if (await page.locator("#disconnect").isVisible()) await page.locator("#disconnect").click();
      await expectState(page, "not_connected");
      await leaveForInstagram(page);
      assert.ok(await consent.account(page, handle).isChecked(), handle);
      await consent.approve(page).click();
      await expectState(page, "connected");
      await page.locator("#account-picture:not([hidden])").waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
    }
    assertHealthy();
  });
});
