/**
 * Who is calling, where a proxy has asked Holdfast already: `X-Auth-Assertion` proves that it did.
 */
"use strict";
const { createHmac, timingSafeEqual } = require("node:crypto");
const { readRequirements, unmet } = require("./requirements.js");
const { headerOf, isPreflight, problem } = require("./verify.js");

const ALLOWED_SKEW_S = 5;

/**
 * @param {{
 *   secret?: string | string[],
 *   issuer: string,
 *   audience?: string,
 *   judgeEveryMethod?: boolean,
 *   now?: () => number,
 * }} options
 */
function createVerifyAssertion({
  secret = [],
  issuer,
  audience,
  judgeEveryMethod = false,
  now = Date.now,
}) {
  const secrets = [secret].flat();
  if (secrets.some((each) => Buffer.byteLength(each) < 32)) {
    throw new TypeError(
      "assertionSecret must have at least 32 bytes, as HOLDFAST_FORWARD_AUTH_SECRET has",
    );
  }
  return function verifyAssertion(request, requirements = {}) {
    const { optional, wanted } = readRequirements(requirements);
    if (secrets.length === 0) throw new TypeError("verifyAssertion needs assertionSecret");
    const token = headerOf(request, "x-auth-assertion");
    if (!token) {
      if (optional || (!judgeEveryMethod && isPreflight(request)))
        return { ok: true, caller: null };
      return refused(
        "assertion-missing",
        "The request did not come through the proxy that checks session tokens.",
      );
    }
    const claims = read(token, secrets);
    const seconds = now() / 1000;
    const holds =
      claims &&
      claims.iss === issuer &&
      (audience === undefined || claims.aud === audience) &&
      typeof claims.sub === "string" &&
      typeof claims.exp === "number" &&
      seconds < claims.exp + ALLOWED_SKEW_S;
    if (!holds)
      return refused("assertion-invalid", "The proxy's assertion about the caller does not hold.");
    const { sub, sid, org, org_role, org_permissions, act } = claims;
    const caller = Object.freeze({
      userId: sub,
      sessionId: sid ?? null,
      orgId: org ?? null,
      orgRole: org_role ?? null,
      orgPermissions: Object.freeze(org_permissions ?? []),
      impersonator: act?.sub ?? null,
    });
    // The proxy may have asked for less than this route does.
    const missing = unmet(caller, wanted);
    return missing ? refused(missing.code, missing.detail, "Not allowed") : { ok: true, caller };
  };
}

/** The claims, where the token is HS256 and signed with one of the secrets. */
function read(token, secrets) {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  try {
    const [header, payload] = parts
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
    if (header.alg !== "HS256" || header.crit !== undefined) return undefined;
    const signature = Buffer.from(parts[2], "base64url");
    const isOurs = secrets.some((secret) => {
      const expected = createHmac("sha256", secret).update(`${parts[0]}.${parts[1]}`).digest();
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    });
    return isOurs ? payload : undefined;
  } catch {
    return undefined;
  }
}

/** Not a 401: the caller's own credential was not looked at. */
const refused = (code, detail, title = "Not through the proxy") =>
  problem(403, {
    code,
    source: "request",
    action: "contact_support",
    title,
    detail,
  });

exports.createVerifyAssertion = createVerifyAssertion;
