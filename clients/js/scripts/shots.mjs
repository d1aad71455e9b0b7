/**
 * Screenshots of the gallery: `node scripts/shots.mjs DIRECTORY`. `states.png` among them is the
 * picture of the README: `node scripts/shots.mjs test-results && cp test-results/states.png .`.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "../tests/browser/support/browser.js";
import { serve } from "./serve.mjs";

const directory = process.argv[2] ?? "test-results";
await mkdir(directory, { recursive: true });
const site = await serve();
const browser = await launch();
for (const colorScheme of ["light", "dark"]) {
  for (const width of [390, 1280]) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    await page.goto(`${site.url}/gallery/`);
    await page.locator(".hf-connection").first().waitFor();
    await page.screenshot({
      path: join(directory, `gallery-${colorScheme}-${width}.png`),
      fullPage: true,
    });
    await page.close();
  }
}
const page = await browser.newPage({
  colorScheme: "light",
  viewport: { width: 1280, height: 400 },
});
await page.goto(`${site.url}/gallery/?brief`);
await page.locator(".hf-connection").first().waitFor();
await page.screenshot({ path: join(directory, "states.png"), fullPage: true });
await browser.close();
site.close();
