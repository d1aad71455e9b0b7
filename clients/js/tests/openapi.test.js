/** The check that server and client agree does find a difference. The document here is written by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOpenApi } from "../scripts/check-openapi.mjs";

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const flag = { type: "boolean" };
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const orNull = (schema) => ({ anyOf: [schema, { type: "null" }] });
const object = (properties) => ({ type: "object", properties });
const answer = (status, schema) => ({ responses: { [status]: { content: { "application/json": { schema } } } } });

const makeDocument = () => {
  const evidence = object({ source: { enum: ["oauth", "refresh", "use", "callback", "clock"] }, at: text });
  const user = {
    id: text, email: textOrNull, email_verified: { type: ["boolean", "null"] }, first_name: textOrNull,
    last_name: textOrNull, image_url: textOrNull, created_at: text, updated_at: text, last_seen_at: textOrNull,
  };
  return {
    components: {
      schemas: {
        Evidence: evidence,
        User: object(user),
        State: { enum: ["not_connected", "connecting", "connected", "degraded", "action_required", "reconnect_required", "unavailable"] },
        Reason: {
          enum: [
            "user_disconnected", "denied", "attempt_expired", "attempt_failed", "scopes_missing", "refresh_failing",
            "rate_limited", "provider_unavailable", "provider_incident", "app_misconfigured", "checkpoint", "unconfirmed",
            "restricted", "consent_blocked", "expired", "revoked", "password_changed", "deauthorized", "token_invalid",
            "account_ineligible", "key_lost", "not_configured",
          ],
        },
        Account: object({
          id: text, professional_id: textOrNull, username: textOrNull, name: textOrNull, account_type: textOrNull,
          profile_picture_url: textOrNull,
        }),
        Status: object({
          connected: flag, state: ref("State"), reason: orNull(ref("Reason")),
          action: { enum: ["none", "connect", "reconnect", "wait", "fix_at_instagram", "contact_support"] },
          account: orNull(ref("Account")), scopes: { type: "array", items: text }, missing_scopes: { type: "array", items: text },
          token_expires_at: textOrNull, next_refresh_at: textOrNull, since: textOrNull, retry_after: textOrNull,
          evidence: orNull(ref("Evidence")), version: { type: "integer" }, error: textOrNull,
        }),
        Line: object({ at: text, state: ref("State"), reason: orNull(ref("Reason")), evidence: orNull(ref("Evidence")), version: { type: "integer" } }),
      },
    },
    paths: {
      "/auth/sync": { post: answer(200, object({ user: ref("User"), created: flag })) },
      "/user/profile": { get: answer(200, object({ ...user, connections: object({ instagram: ref("Status") }) })) },
      "/user/instagram/status": { get: answer(200, ref("Status")) },
      "/user/instagram/connect": { post: answer(201, object({ authorize_url: text, attempt_id: text, expires_at: text })) },
      "/user/instagram/connect/{attempt_id}/complete": { post: answer(200, ref("Status")) },
      "/user/instagram": { delete: answer(200, object({ disconnected: { type: "boolean" }, deleted_at: textOrNull, revoke_hint: text })) },
      "/user/instagram/check": { post: answer(200, ref("Status")) },
      "/user/instagram/history": { get: answer(200, object({ entries: { type: "array", items: ref("Line") }, next: textOrNull })) },
    },
  };
};

test("agreement", async () => assert.deepEqual(await checkOpenApi(makeDocument()), []));

for (const [what, change, where] of [
  ["another name", ({ Status }) => delete Object.assign(Status.properties, { until: text }).since, /status: .*(since|until)/],
  ["a reason more", ({ Reason }) => Reason.enum.push("bored"), /status: .*reason/],
  ["a state less", ({ State }) => State.enum.pop(), /status: .*state/],
  ["another type", ({ Status }) => (Status.properties.version = text), /status: .*version/],
  ["null where it was not", ({ Line }) => (Line.properties.at = textOrNull), /history: .*entries/],
]) {
  test(`it finds ${what}`, async () => {
    const document = makeDocument();
    change(document.components.schemas);
    assert.match((await checkOpenApi(document)).join("\n"), where);
  });
}

test("it finds an operation that is gone", async () => {
  const document = makeDocument();
  delete document.paths["/user/instagram/check"];
  assert.deepEqual(await checkOpenApi(document), ["post /user/instagram/check 200 is missing"]);
});
