/** Nine tabs of one browser on the real binary, over HTTP/1.1. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { timeUntilAllShow } from "../../clients/js/tests/browser/support/browser.js";
import { connect, expectState, signInAs } from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

const NINE = 9;
/** Half of the time after which each would ask by itself. */
const SOON_MS = 15_000;

let all;
before(async () => (all = await startAll()));
after(() => all?.stop());

test("all nine are told of a change at the server, and none waits until it would ask", async (t) => {
  const { page, assertHealthy } = await visit(t, all);
  await signInAs(page, "Ada Lovelace");
  await expectState(page, "not_connected");
  await connect(page, "ada.makes");
  const session = await page.evaluate(() => Object.entries({ ...sessionStorage }));
  const tabs = [page];
  while (tabs.length < NINE) {
    const tab = await page.context().newPage();
    tab.setDefaultTimeout(30_000);
    await tab.addInitScript((entries) => {
      for (const [name, value] of entries) sessionStorage.setItem(name, value);
    }, session);
    await tab.goto(all.holdfast.url);
    tabs.push(tab);
  }
  for (const tab of tabs) {
    await expectState(tab, "connected");
    await tab.locator("#live", { hasText: /^\s*Live/ }).waitFor();
  }
  const taken = timeUntilAllShow(tabs, /Reconnect needed/);
  await all.holdfast.deauthorize("ada.makes");
  for (const tab of tabs) await expectState(tab, "reconnect_required");
  const took = await taken();
  assert.ok(took < SOON_MS, `${took} ms`);
  assertHealthy();
});
