/**
 * Screenshots of every page, in both schemes, wide and narrow, to be looked at:
 * `npm run looks -- DIRECTORY`.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SCHEMES, SCREENS, startViews, views } from "./support/views.js";

/** The API's page is fifty times as long. */
const MOST_PX = 3_000;

const directory = process.argv[2] ?? "test-results";
await mkdir(directory, { recursive: true });
const all = await startViews();
try {
  for (const [screen, viewport] of SCREENS) {
    for (const colorScheme of SCHEMES) {
      const context = await all.browser.newContext({ viewport, colorScheme });
      all.holdfast.watch(context);
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      for await (const view of views(page, all)) {
        const path = join(directory, `${view}-${screen}-${colorScheme}.png`);
        const length = await page.evaluate(() => document.documentElement.scrollHeight);
        const clip = { x: 0, y: 0, width: viewport.width, height: Math.min(length, MOST_PX) };
        await page.screenshot({ path, fullPage: true, clip });
        console.log(path);
      }
      await context.close();
    }
  }
} finally {
  await all.stop();
}
