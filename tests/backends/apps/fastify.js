/** `node fastify.js HOLDFAST`: an app whose routes are judged by Holdfast. */
import fastify from "fastify";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/fastify";

const holdfast = createHoldfast({ url: process.argv[2] });
const app = fastify();
const who = async (request) => ({ user: request.caller?.userId ?? null });
const judging = createHoldfast({ url: process.argv[2], judgeEveryMethod: true });
const route = (path, options, by = holdfast) =>
  app.all(path, { onRequest: requireCaller(by, options) }, who);
route("/who");
route("/maybe", { credentials: "optional" });
route("/admin", { role: "admin" });
route("/judged", { role: "admin" }, judging);
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`listening ${app.server.address().port}`);
