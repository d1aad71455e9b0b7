import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { checkButton, connect, expectState, faultButton, signInAs } from "./support/demo.js";
import { SCHEMES, SCREENS, startViews, views } from "./support/views.js";
import { startAll, visit } from "./support/visit.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * What axe finds, by WCAG 2.2 A and AA and by its best practices, and whether the page scrolls
 * sideways.
 */
async function troublesOf(page) {
  // Evaluated by the debugger, since the page's content security policy admits no script from
  // elsewhere.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(
    ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(" ")}`,
  );
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return overflow > 0 ? [...found, `${overflow} px wider than the screen`] : found;
}

describe("everybody can use every page", () => {
  let all;
  before(async () => (all = await startViews()));
  after(() => all?.stop());

  for (const [screen, viewport] of SCREENS) {
    for (const colorScheme of SCHEMES) {
      test(`axe finds nothing: ${screen}, ${colorScheme}`, async (t) => {
        const options = { viewport, colorScheme, reducedMotion: "reduce" };
        const { page } = await visit(t, all, options);
        const troubles = {};
        for await (const view of views(page, all)) troubles[view] = await troublesOf(page);
        assert.ok(Object.keys(troubles).length >= 18, Object.keys(troubles).join());
        assert.deepEqual(
          Object.entries(troubles).filter(([, found]) => found.length),
          [],
        );
      });
    }
  }
});

describe("what a person finds on the pages", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  test("the API's page leads to every operation and every code, and its lines work", async (t) => {
    const { page } = await visit(t, all);
    await page.goto(`${all.holdfast.url}/docs`);
    const targets = await page
      .locator("a")
      .evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    const here = targets.filter((target) => target.startsWith("#"));
    assert.ok(here.length > 30, `${here.length} links within the page`);
    for (const target of new Set(here)) {
      assert.equal(await page.locator(`[id="${target.slice(1)}"]`).count(), 1, target);
    }
    // Resolved by the browser: a proxy may put a path before all addresses.
    const paths = await page
      .locator("a")
      .evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
    const codes = new Set(paths.filter((path) => path.startsWith("/docs/errors/")));
    assert.ok(codes.size > 20, `${codes.size} codes`);
    for (const path of codes) {
      assert.equal((await fetch(all.holdfast.url + path)).status, 200, path);
    }
    const line = await page.locator("details#status pre, details pre").first().textContent();
    assert.match(line, /^curl .*'http/);
  });

  test("a change of state is announced, once", async (t) => {
    const { page } = await visit(t, all);
    await signInAs(page, "Grace Hopper");
    await expectState(page, "not_connected");
    await connect(page, "grace.hops");
    await page.evaluate(() => {
      const region = document.querySelector("#connection [role=status]");
      globalThis.announced = [];
      new MutationObserver(() => announced.push(region.innerText)).observe(region, {
        childList: true,
        subtree: true,
        characterData: true,
      });
    });
    await faultButton(page, "Remove the app").click();
    await checkButton(page).click();
    await expectState(page, "reconnect_required");
    await page.waitForFunction(() => globalThis.announced.length > 0);
    await page.waitForTimeout(1_500); // in which a second one would come
    const announced = await page.evaluate(() => globalThis.announced);
    assert.equal(announced.length, 1, announced.join(" | "));
    assert.match(announced[0], /Reconnect needed/);
  });
});
