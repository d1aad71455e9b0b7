/** The backend as it was: three routes with one check, and one route with a check of its own. */
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { CLERK_JWKS_URL, CLERK_ISSUER, PORT = "3000" } = process.env;
const keys = createRemoteJWKSet(new URL(CLERK_JWKS_URL));
const bearer = (request) => request.headers.authorization?.replace(/^Bearer /, "");

async function requireUser(request, response, next) {
  try {
    const { payload } = await jwtVerify(bearer(request), keys, {
      issuer: CLERK_ISSUER,
      clockTolerance: 5,
    });
    request.userId = payload.sub;
    next();
  } catch {
    response.status(401).json({ error: "Invalid or expired token" });
  }
}

const app = express().use(express.static("public"));

app.get("/user/profile", requireUser, (request, response) => response.json({ id: request.userId }));
app.get("/posts", requireUser, (request, response) =>
  response.json({ posts: [], for: request.userId }),
);

// Added later, from another project: that one's tokens had an audience, and Clerk's session tokens
// have none. And what Instagram says of its token ends in the same catch.
app.get("/user/instagram/status", async (request, response) => {
  try {
    const { payload } = await jwtVerify(bearer(request), keys, {
      issuer: CLERK_ISSUER,
      audience: "api",
    });
    response.json({ connected: await isConnected(payload.sub) });
  } catch {
    response.status(401).json({ error: "Invalid or expired token" });
  }
});

const isConnected = async () => false;

const server = app.listen(Number(PORT), "127.0.0.1", () =>
  console.log(`listening ${server.address().port}`),
);
