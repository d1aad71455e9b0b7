/**
 * What judging a remembered token costs an Express app, in processor time, beside `@clerk/express`
 * with a pinned key: the whole app without sockets, less the same app that judges nobody. Run by
 * `scripts/bench.sh middleware`.
 */
import { createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { clerkMiddleware, getAuth } from "@clerk/express";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/express";
import { endAll, startDev } from "./support/processes.js";

const require = createRequire(import.meta.url);
const express = require("express-5");
const inject = createRequire(require.resolve("fastify"))("light-my-request");
const ORIGIN = "https://app.example.com";
const [ROUNDS, REQUESTS] = [6, 1_500];

const dev = await startDev(ORIGIN);
const { jwt } = await dev.control("mint", { case: "genuine", azp: ORIGIN });
const { keys } = await (await fetch(`${dev.clerk}/.well-known/jwks.json`)).json();
const { kid } = JSON.parse(Buffer.from(jwt.split(".")[0], "base64url").toString());
const jwtKey = createPublicKey({ key: keys.find((key) => key.kid === kid), format: "jwk" }).export({
  type: "spki",
  format: "pem",
});
const publishableKey = `pk_test_${Buffer.from("clerk.example.com$").toString("base64")}`;

const apps = {
  nobody: express().get("/", (request, response) => response.json({ user: "user" })),
  holdfast: express()
    .use(requireCaller(createHoldfast({ url: dev.url })))
    .get("/", (request, response) => response.json({ user: request.caller.userId })),
  clerk: express()
    .use(
      clerkMiddleware({
        secretKey: "sk_test_x",
        publishableKey,
        jwtKey,
        authorizedParties: [ORIGIN],
      }),
    )
    .get("/", (request, response) => response.json({ user: getAuth(request).userId })),
};
const ask = (app) =>
  inject(app, { url: "/", headers: { host: "api.example.com", authorization: `Bearer ${jwt}` } });

const best = {};
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, app] of Object.entries(apps)) {
    const first = await ask(app);
    if (first.statusCode !== 200 || !first.json().user)
      throw new Error(`${name}: ${first.statusCode} ${first.body}`);
    const before = process.cpuUsage();
    for (let each = 0; each < REQUESTS; each += 1) await ask(app);
    const { user, system } = process.cpuUsage(before);
    best[name] = Math.min(best[name] ?? Infinity, (user + system) / REQUESTS);
  }
}
const [ours, theirs] = [best.holdfast - best.nobody, best.clerk - best.nobody];
console.log(`an Express app that judges nobody: ${best.nobody.toFixed(1)} µs a request`);
console.log(
  `holdfast-backend: ${ours.toFixed(1)} µs more; @clerk/express: ${theirs.toFixed(1)} µs more; ratio ${(ours / theirs).toFixed(3)}`,
);
await endAll();
if (ours > theirs / 10) process.exitCode = 1;
