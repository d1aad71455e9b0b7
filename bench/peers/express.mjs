// Express as its documentation and Clerk's have it. AUTH=clerk-express|verifyToken STORE=pg|sqlite
import { createServer } from "node:http";
import { clerkMiddleware, getAuth } from "@clerk/express";
import { verifyToken } from "@clerk/backend";
import express from "express";
import { openStore } from "./store.mjs";

const { AUTH, STORE, CLERK_JWT_KEY: jwtKey, CLERK_AUTHORIZED_PARTIES } = process.env;
const authorizedParties = [CLERK_AUTHORIZED_PARTIES];
const connectionOf = await openStore(STORE);
const app = express();
if (AUTH === "clerk-express") {
  app.use(
    clerkMiddleware({
      jwtKey,
      authorizedParties,
      // Wanted by the middleware, not used: the key above verifies.
      publishableKey: `pk_test_${Buffer.from("clerk.example.com$").toString("base64")}`,
      secretKey: `sk_test_${"x".repeat(42)}`,
    }),
  );
}

async function userOf(request) {
  if (AUTH === "clerk-express") return getAuth(request).userId;
  try {
    const token = request.headers.authorization?.slice("Bearer ".length) ?? "";
    return (await verifyToken(token, { jwtKey, authorizedParties })).sub;
  } catch {
    return null;
  }
}

app.get("/user/instagram/status", async (request, response) => {
  const userId = await userOf(request);
  if (!userId) return response.status(401).json({ error: "unauthorized" });
  const row = await connectionOf(userId);
  if (!row) return response.json({ connected: false });
  return response.json({
    connected: true,
    username: row.username,
    expires_at: Number(row.expires_at),
  });
});

const server = createServer(app);
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
