/** Every state, in light and dark, narrow and wide: complete, readable, nothing for axe to find. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { serve } from "../../scripts/serve.mjs";
import { launch } from "./support/browser.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser;
let site;
before(async () => {
  browser = await launch();
  site = await serve();
});
after(async () => {
  await browser.close();
  site.close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 360, 1280]) {
    test(`axe finds nothing: ${colorScheme}, ${width} px`, async (t) => {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
      t.after(() => page.close());
      const troubles = [];
      page.on("pageerror", (error) => troubles.push(error.message));
      page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
      await page.goto(`${site.url}/gallery/`);
      await page.locator(".hf-connection").first().waitFor();
      assert.equal(await page.locator(".hf-connection").count(), 43);
      // One of them asks whether to disconnect.
      await page.locator(".hf-connection summary").first().click();
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run(document));
      assert.ok(passes.length > 10, "axe did look");
      assert.deepEqual(
        violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target).flat()]),
        [],
      );
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `scrolls ${overflow} px sideways`);
      assert.deepEqual(troubles, []);
    });
  }
}

test("light or dark is the page's to say, whatever the system is", async (t) => {
  for (const [system, page, ground] of [
    ["dark", "normal", "rgb(255, 255, 255)"],
    ["dark", "light", "rgb(255, 255, 255)"],
    ["dark", "light dark", "rgb(23, 26, 33)"],
    ["light", "light dark", "rgb(255, 255, 255)"],
    ["light", "dark", "rgb(23, 26, 33)"],
  ]) {
    const tab = await browser.newPage({ colorScheme: system });
    t.after(() => tab.close());
    await tab.goto(`${site.url}/gallery/`);
    const card = tab.locator(".hf-connection").first();
    await card.waitFor();
    await tab.evaluate((scheme) => (document.documentElement.style.colorScheme = scheme), page);
    const colour = await card.evaluate((element) => getComputedStyle(element).backgroundColor);
    assert.equal(colour, ground, `a ${page} page on a ${system} system`);
  }
});

test("without its stylesheet axe finds nothing either", async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.route("**/*.css", (route) => route.fulfill({ contentType: "text/css", body: "" }));
  await page.goto(`${site.url}/gallery/`);
  await page.locator(".hf-connection summary").first().click();
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document));
  assert.ok(passes.length > 10, "axe did look");
  assert.deepEqual(
    violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target).flat()]),
    [],
  );
});

test("a time is told in the language of the texts, not in the browser's, and as it is where the reader is", async (t) => {
  for (const [query, says] of [
    ["", /^Last confirmed Nov 20, 2026, 11:30\sAM$/],
    ["?lang=de", /^Zuletzt bestätigt: 20\.11\.2026, 11:30$/],
  ]) {
    const page = await browser.newPage({ locale: "fr-FR", timezoneId: "Europe/Berlin" });
    t.after(() => page.close());
    await page.clock.setFixedTime("2026-11-23T10:30:00Z");
    await page.goto(`${site.url}/gallery/${query}`);
    const evidence = page.locator(".hf-evidence").first();
    assert.match(await evidence.innerText(), says);
    const at = await evidence.locator("time").getAttribute("datetime");
    assert.equal(at, "2026-11-20T10:30:00.000Z");
  }
});
