/**
 * Every storm of `support/storms.js` for two minutes of simulated time: what an open page sends
 * meanwhile, and that it is well again afterwards. `npm run storms` lets the two minutes be real
 * ones.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runStorm, storms } from "./support/storms.js";

test("there are three dozen of them", () => assert.ok(Object.keys(storms).length >= 36));

for (const name of Object.keys(storms))
  test(`two minutes of ${name}`, async (t) => void (await runStorm(t, name)));
