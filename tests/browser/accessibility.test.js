import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { checkButton, connect, expectState, faultButton, signInAs } from "./support/demo.js";
import { startAll, visit } from "./support/visit.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** axe finds nothing at all: neither by WCAG 2.2 A and AA nor by its best practices. */
async function assertAccessible(page, where) {
  // Evaluated by the debugger, since the page's content security policy admits no script from elsewhere.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(
    ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(" ")}`,
  );
  assert.deepEqual(found, [], where);
}

const screens = [
  ["wide", { width: 1280, height: 860 }],
  ["a phone", { width: 360, height: 740 }],
];

describe("everybody can use the page", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  for (const [screen, viewport] of screens) {
    for (const colorScheme of ["light", "dark"]) {
      test(`axe finds nothing: ${screen}, ${colorScheme}`, async (t) => {
        const { page, assertHealthy } = await visit(t, all, {
          viewport,
          colorScheme,
          reducedMotion: "reduce",
        });
        await page.getByRole("heading", { name: "Who are you today?" }).waitFor();
        await assertAccessible(page, "signed out");

        await signInAs(page, "Ada Lovelace");
        await page.locator("#connect, #account:not([hidden])").first().waitFor();
        await assertAccessible(page, "signed in");

        if (!(await page.locator('#connection[data-state="connected"]').isVisible()))
          await connect(page, "ada.makes");
        await assertAccessible(page, "connected");

        await faultButton(page, "Remove the app").click();
        await page.locator("#naive-answer", { hasText: "401" }).waitFor();
        await page.locator("details.model summary").click();
        await assertAccessible(page, "broken");

        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - innerWidth,
        );
        assert.ok(overflow <= 0, `the page is ${overflow} px wider than the screen`);
        assertHealthy();
      });
    }
  }

  for (const [screen, viewport] of screens) {
    for (const colorScheme of ["light", "dark"]) {
      test(`axe finds nothing in the API's pages: ${screen}, ${colorScheme}`, async (t) => {
        const { page } = await visit(t, all, { viewport, colorScheme });
        for (const path of ["/docs", "/docs/errors", "/docs/errors/token-expired"]) {
          await page.goto(all.holdfast.url + path);
          for (const operation of await page.locator("details").all()) {
            await operation.evaluate((details) => (details.open = true));
          }
          await assertAccessible(page, path);
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - innerWidth,
          );
          assert.ok(overflow <= 0, `${path} is ${overflow} px wider than the screen`);
        }
      });
    }
  }

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
    const codes = new Set(targets.filter((target) => target.startsWith("/docs/errors/")));
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
    await page.waitForTimeout(1_500);
    const announced = await page.evaluate(() => globalThis.announced);
    assert.equal(announced.length, 1, announced.join(" | "));
    assert.match(announced[0], /Reconnect needed/);
  });
});
