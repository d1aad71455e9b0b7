/** `node hono.js HOLDFAST`: an app whose routes are judged by Holdfast. */
import { serve } from "@hono/node-server";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/hono";
import { Hono } from "hono";

const holdfast = createHoldfast({ url: process.argv[2] });
const judging = createHoldfast({ url: process.argv[2], judgeEveryMethod: true });
const who = (context) => context.json({ user: context.get("caller")?.userId ?? null });
const app = new Hono()
  .get("/who", requireCaller(holdfast), who)
  .get("/maybe", requireCaller(holdfast, { credentials: "optional" }), who)
  .all("/admin", requireCaller(holdfast, { role: "admin" }), who)
  .all("/judged", requireCaller(judging, { role: "admin" }), who);
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) =>
  console.log(`listening ${port}`),
);
