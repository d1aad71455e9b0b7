/** Webhooks and assertions: what is signed is believed, and nothing else. */
"use strict";
const assert = require("node:assert/strict");
const { createHmac } = require("node:crypto");
const { test } = require("node:test");
const { createHoldfast, WebhookError } = require("../src/index.js");

const SECRET = "shared-by-holdfast-and-the-backend-48-bytes-long";
const holdfast = (more = {}) =>
  createHoldfast({ url: "http://127.0.0.1:1", issuer: "https://api.example.com", ...more });
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = Math.floor(Date.now() / 1000);
const CLAIMS = {
  iss: "https://api.example.com",
  aud: "app.example.com",
  sub: "user_1",
  sid: "sess_1",
  org: "org_1",
  org_role: "admin",
  org_permissions: ["org:a:b"],
  act: { sub: "user_2" },
  exp: now + 60,
};

function assertion(
  claims = CLAIMS,
  { secret = SECRET, header = { alg: "HS256", typ: "JWT" } } = {},
) {
  const message = `${part(header)}.${part(claims)}`;
  return `${message}.${createHmac("sha256", secret).update(message).digest("base64url")}`;
}

const through = (value) => ({
  method: "GET",
  headers: new Headers(value ? { "x-auth-assertion": value } : {}),
});

test("an assertion says who is calling", () => {
  const { verifyAssertion } = holdfast({
    assertionSecret: ["another-secret-that-is-being-replaced-now", SECRET],
    audience: "app.example.com",
  });
  assert.deepEqual(verifyAssertion(through(assertion())), {
    ok: true,
    caller: {
      userId: "user_1",
      sessionId: "sess_1",
      orgId: "org_1",
      orgRole: "admin",
      orgPermissions: ["org:a:b"],
      impersonator: "user_2",
    },
  });
});

test("an assertion of a token without a session names none", () => {
  const { verifyAssertion } = holdfast({ assertionSecret: SECRET });
  const { caller } = verifyAssertion(through(assertion({ ...CLAIMS, sid: undefined })));
  assert.equal(caller.sessionId, null);
});

for (const [what, value] of [
  ["none", undefined],
  ["another secret", assertion(CLAIMS, { secret: "x".repeat(40) })],
  ["no signature", assertion().replace(/[^.]+$/, "")],
  ["no algorithm", assertion(CLAIMS, { header: { alg: "none" } })],
  ["another algorithm", assertion(CLAIMS, { header: { alg: "RS256" } })],
  ["another issuer", assertion({ ...CLAIMS, iss: "https://evil.example" })],
  ["another audience", assertion({ ...CLAIMS, aud: "evil.example" })],
  ["its time is over", assertion({ ...CLAIMS, exp: now - 6 })],
  ["no time", assertion({ ...CLAIMS, exp: undefined })],
  ["nobody", assertion({ ...CLAIMS, sub: undefined })],
  ["claims that are null", assertion(null)],
  ["nonsense", "a.b.c"],
]) {
  test(`an assertion is not believed: ${what}`, () => {
    const { verifyAssertion } = holdfast({ assertionSecret: SECRET, audience: "app.example.com" });
    const verdict = verifyAssertion(through(value));
    assert.deepEqual([verdict.ok, verdict.status], [false, 403]);
    assert.equal(verdict.problem.code, value ? "assertion-invalid" : "assertion-missing");
    if (value) assert.equal(verifyAssertion(through(value), { credentials: "optional" }).ok, false);
  });
}

for (const [requirements, code] of [
  [{ org: "any" }, null],
  [{ org: "org_1" }, null],
  [{ org: ["org_2", "org_1"] }, null],
  [{ org: "org_2" }, "not-a-member"],
  [{ role: "admin" }, null],
  [{ role: "org:admin" }, null],
  [{ role: "owner, admin" }, null],
  [{ role: "owner" }, "role-missing"],
  [{ role: "Admin" }, "role-missing"],
  [{ permission: "org:a:b" }, null],
  [{ permission: "a:b" }, null],
  [{ permission: "org:a" }, "permission-missing"],
  [{ permission: "org:a:c", role: "owner", org: "org_2" }, "not-a-member"],
  [{ credentials: "optional", role: "owner" }, "role-missing"],
]) {
  test(`behind a proxy a route asks for ${JSON.stringify(requirements)}`, () => {
    const { verifyAssertion } = holdfast({ assertionSecret: SECRET });
    const verdict = verifyAssertion(through(assertion()), requirements);
    assert.equal(verdict.problem?.code ?? null, code);
    if (code) assert.equal(verdict.status, 403);
    // Who has none of it.
    const { org, org_role, org_permissions, ...plain } = CLAIMS;
    assert.equal(verifyAssertion(through(assertion(plain)), requirements).ok, false);
  });
}

test("the issuer may be written as HOLDFAST_PUBLIC_URL may", () => {
  for (const [issuer, iss] of [
    ["https://API.example.com:443/", "https://api.example.com"],
    ["http://api.example.com:8080/base/", "http://api.example.com:8080/base"],
  ]) {
    const { verifyAssertion } = holdfast({ assertionSecret: SECRET, issuer });
    assert.equal(verifyAssertion(through(assertion({ ...CLAIMS, iss }))).ok, true, issuer);
  }
});

test("behind a proxy, too, a requirement that cannot be meant is a mistake", () => {
  const { verifyAssertion } = holdfast({ assertionSecret: SECRET });
  for (const requirements of [{ rol: "admin" }, { role: undefined }, { role: [] }])
    assert.throws(() => verifyAssertion(through(assertion()), requirements), TypeError);
});

test("nobody passes where credentials are optional, and a short secret is a mistake", () => {
  const { verifyAssertion } = holdfast({ assertionSecret: SECRET });
  assert.deepEqual(verifyAssertion(through(), { credentials: "optional" }), {
    ok: true,
    caller: null,
  });
  assert.throws(() => holdfast({ assertionSecret: "short" }), /32 bytes/);
  assert.throws(() => holdfast().verifyAssertion(through()), /assertionSecret/);
});

test("OPTIONS without an assertion passes, unless every method is judged", () => {
  const preflight = { method: "OPTIONS", headers: {} };
  for (const [judgeEveryMethod, code] of [
    [false, undefined],
    [true, "assertion-missing"],
  ]) {
    const { verifyAssertion } = holdfast({ assertionSecret: SECRET, judgeEveryMethod });
    const verdict = verifyAssertion(preflight, { role: "admin" });
    assert.deepEqual([verdict.problem?.code, verdict.caller], [code, code ? undefined : null]);
  }
});

const WEBHOOK = `whsec_${Buffer.from("a secret of thirty-two bytes ok!").toString("base64")}`;
const BODY = Buffer.from(`{"type":"instagram.status","data":{"user_id":"user_1"}}`);

function signed(body = BODY, { id = "msg_1", at = now, secret = WEBHOOK } = {}) {
  const key = Buffer.from(secret.slice(6), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${at}.`).update(body).digest("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": String(at),
    "webhook-signature": `v1,${signature}`,
  };
}

test("an event is believed with its signature, also while the secret is being replaced", () => {
  const { verifyWebhook } = holdfast({ webhookSecret: ["whsec_AAAA", WEBHOOK] });
  assert.equal(verifyWebhook(BODY, signed()).data.user_id, "user_1");
  const two = signed();
  two["webhook-signature"] = `v1,AAAA v1a,x ${two["webhook-signature"]}`;
  assert.equal(verifyWebhook(BODY.toString(), new Headers(two)).type, "instagram.status");
});

test("secrets as they stand in files, with a line end, are those of Holdfast, which takes it off", () => {
  const { verifyAssertion } = holdfast({ assertionSecret: [`${SECRET}\n`] });
  assert.equal(verifyAssertion(through(assertion())).ok, true);
  const { verifyWebhook } = holdfast({ webhookSecret: `${WEBHOOK}\n` });
  assert.equal(verifyWebhook(BODY, signed()).type, "instagram.status");
  const unset = holdfast().verifyWebhook;
  assert.throws(() => unset(BODY, signed()), TypeError);
});

for (const [what, body, headers] of [
  ["another body", Buffer.from("{}"), signed()],
  ["another id", BODY, { ...signed(), "webhook-id": "msg_2" }],
  ["another secret", BODY, signed(BODY, { secret: "whsec_AAAA" })],
  ["an old one", BODY, signed(BODY, { at: now - 400 })],
  ["one from a time to come", BODY, signed(BODY, { at: now + 400 })],
  ["no headers", BODY, {}],
  ["no signature", BODY, { ...signed(), "webhook-signature": "" }],
  ["no body", undefined, signed()],
  ["a body that was parsed", { type: "instagram.status" }, signed()],
  ["signed, but not JSON", Buffer.from("x"), signed(Buffer.from("x"))],
]) {
  test(`an event is not believed: ${what}`, () => {
    const { verifyWebhook } = holdfast({ webhookSecret: WEBHOOK });
    assert.throws(() => verifyWebhook(body, headers), WebhookError);
  });
}

test("what is no event is answered with 400: Express and Fastify read the one name, Nest the other", () => {
  const { status, statusCode } = new WebhookError("no");
  assert.deepEqual([status, statusCode], [400, 400]);
});
