// Fastify with a schema of its answer, so that it serializes fast. STORE=pg|sqlite
import { verifyToken } from "@clerk/backend";
import Fastify from "fastify";
import { openStore } from "./store.mjs";

const { STORE, CLERK_JWT_KEY: jwtKey, CLERK_AUTHORIZED_PARTIES } = process.env;
const authorizedParties = [CLERK_AUTHORIZED_PARTIES];
const connectionOf = await openStore(STORE);
const app = Fastify();
const properties = {
  connected: { type: "boolean" },
  username: { type: "string" },
  expires_at: { type: "integer" },
};

app.get(
  "/user/instagram/status",
  { schema: { response: { 200: { type: "object", properties } } } },
  async (request, reply) => {
    let userId;
    try {
      const token = request.headers.authorization?.slice("Bearer ".length) ?? "";
      userId = (await verifyToken(token, { jwtKey, authorizedParties })).sub;
    } catch {
      return reply.code(401).send({ error: "unauthorized" });
    }
    const row = await connectionOf(userId);
    return row
      ? { connected: true, username: row.username, expires_at: Number(row.expires_at) }
      : { connected: false };
  },
);

await app.listen({ port: 0, host: "127.0.0.1" });
console.log(`127.0.0.1:${app.server.address().port}`);
