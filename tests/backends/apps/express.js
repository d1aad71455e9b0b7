/** `node express.js express-4|express-5 HOLDFAST`: an app whose routes are judged by Holdfast. */
import { createRequire } from "node:module";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/express";

const [version, url] = process.argv.slice(2);
const express = createRequire(import.meta.url)(version);
const holdfast = createHoldfast({ url });
const judging = createHoldfast({ url, judgeEveryMethod: true });
const who = (request, response) => response.json({ user: request.caller?.userId ?? null });

const server = express()
  .get("/who", requireCaller(holdfast), who)
  .get("/maybe", requireCaller(holdfast, { credentials: "optional" }), who)
  .all("/admin", requireCaller(holdfast, { role: "admin" }), who)
  .all("/judged", requireCaller(judging, { role: "admin" }), who)
  .listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
