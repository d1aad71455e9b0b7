/** `node fastify.js HOLDFAST`: an app whose routes are judged by Holdfast. */
import fastify from "fastify";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/fastify";

const holdfast = createHoldfast({ url: process.argv[2] });
const app = fastify();
const who = async (request) => ({ user: request.caller?.userId ?? null });
const route = (path, options) =>
  app.get(path, { onRequest: requireCaller(holdfast, options) }, who);
route("/who");
route("/maybe", { credentials: "optional" });
route("/admin", { role: "admin" });
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`listening ${app.server.address().port}`);
