/**
 * The check that server and client agree does find a difference: in a document written by hand, so
 * that it runs without a server, and in the real server's own, where there is a binary.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { checkOpenApi } from "../scripts/check-openapi.mjs";

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const flag = { type: "boolean" };
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const orNull = (schema) => ({ anyOf: [schema, { type: "null" }] });
const object = (properties) => ({ type: "object", properties });
const answer = (status, schema) => ({
  responses: { [status]: { content: { "application/json": { schema } } } },
});
const asks = (schema, operation) => ({
  ...operation,
  requestBody: { content: { "application/json": { schema } } },
});

const makeDocument = () => {
  const evidence = object({
    source: { enum: ["oauth", "refresh", "use", "callback", "clock"] },
    at: text,
  });
  const user = {
    id: text,
    email: textOrNull,
    email_verified: { type: ["boolean", "null"] },
    first_name: textOrNull,
    last_name: textOrNull,
    image_url: textOrNull,
    created_at: text,
    updated_at: text,
    last_seen_at: textOrNull,
  };
  return {
    components: {
      schemas: {
        Evidence: evidence,
        User: object(user),
        State: {
          enum: [
            "not_connected",
            "connecting",
            "connected",
            "degraded",
            "action_required",
            "reconnect_required",
            "unavailable",
          ],
        },
        Reason: {
          enum: [
            "user_disconnected",
            "denied",
            "attempt_expired",
            "attempt_failed",
            "scopes_missing",
            "refresh_failing",
            "rate_limited",
            "provider_unavailable",
            "provider_incident",
            "app_misconfigured",
            "checkpoint",
            "unconfirmed",
            "restricted",
            "consent_blocked",
            "expired",
            "revoked",
            "password_changed",
            "deauthorized",
            "token_invalid",
            "account_ineligible",
            "key_lost",
            "grant_unreadable",
            "not_configured",
            "account_moved",
            "account_not_admitted",
          ],
        },
        Attempt: object({ id: text, expires_at: text }),
        Account: object({
          id: text,
          professional_id: textOrNull,
          username: textOrNull,
          name: textOrNull,
          account_type: textOrNull,
          profile_picture_url: textOrNull,
        }),
        Status: object({
          connected: flag,
          state: ref("State"),
          reason: orNull(ref("Reason")),
          action: {
            enum: ["none", "connect", "reconnect", "wait", "fix_at_instagram", "contact_support"],
          },
          account: orNull(ref("Account")),
          scopes: { type: "array", items: text },
          missing_scopes: { type: "array", items: text },
          token_expires_at: textOrNull,
          next_refresh_at: textOrNull,
          since: textOrNull,
          retry_after: textOrNull,
          evidence: orNull(ref("Evidence")),
          attempt: orNull(ref("Attempt")),
          version: { type: "integer" },
          error: text,
        }),
        Problem: object({
          type: text,
          title: text,
          status: { type: "integer" },
          detail: text,
          error: text,
          source: text,
          code: text,
          action: text,
          reason: textOrNull,
          request_id: text,
        }),
        Connect: object({
          return_to: textOrNull,
          force_reauth: flag,
          expect: { enum: ["same_account", "any_account"] },
        }),
        Line: object({
          at: text,
          state: ref("State"),
          reason: orNull(ref("Reason")),
          evidence: orNull(ref("Evidence")),
          attempt: orNull(object({ id: text, outcome: textOrNull, reason: orNull(ref("Reason")) })),
          version: { type: "integer" },
        }),
      },
    },
    paths: {
      "/auth/sync": { post: answer(200, object({ user: ref("User"), created: flag })) },
      "/user/profile": {
        get: answer(200, object({ ...user, connections: object({ instagram: ref("Status") }) })),
      },
      "/user/instagram/status": {
        get: {
          responses: {
            ...answer(200, ref("Status")).responses,
            401: { content: { "application/problem+json": { schema: ref("Problem") } } },
          },
        },
      },
      "/user/instagram/connect": {
        post: asks(
          ref("Connect"),
          answer(201, object({ authorize_url: text, attempt_id: text, expires_at: text })),
        ),
      },
      "/user/instagram/connect/{attempt_id}/complete": {
        post: asks(object({ completion: text }), answer(200, ref("Status"))),
      },
      "/user/instagram": {
        delete: answer(
          200,
          object({ disconnected: { type: "boolean" }, deleted_at: textOrNull, revoke_hint: text }),
        ),
      },
      "/user/instagram/check": { post: answer(200, ref("Status")) },
      "/user/instagram/history": {
        get: {
          parameters: [{ in: "query", name: "before", schema: textOrNull }],
          ...answer(
            200,
            object({ entries: { type: "array", items: ref("Line") }, next: textOrNull }),
          ),
        },
      },
      "/user/events": { get: { responses: { 200: { content: { "text/event-stream": {} } } } } },
    },
  };
};

test("agreement", async () => assert.deepEqual(await checkOpenApi(makeDocument()), []));

for (const [what, change, where] of [
  [
    "another name",
    ({ Status }) => delete Object.assign(Status.properties, { until: text }).since,
    /status 200: .*(since|until)/,
  ],
  ["a reason more", ({ Reason }) => Reason.enum.push("bored"), /status 200: .*reason/],
  ["a state less", ({ State }) => State.enum.pop(), /status 200: .*state/],
  ["another type", ({ Status }) => (Status.properties.version = text), /status 200: .*version/],
  [
    "null where it was not",
    ({ Line }) => (Line.properties.at = textOrNull),
    /history 200: .*entries/,
  ],
  [
    "something else to send",
    ({ Connect }) => (Connect.properties.locale = text),
    /connect body: .*locale/,
  ],
  [
    "a choice less",
    ({ Connect }) => Connect.properties.expect.enum.pop(),
    /connect body: .*expect/,
  ],
  ["an error without its code", ({ Problem }) => delete Problem.properties.code, /problem: .*code/],
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

const binary = process.env.HOLDFAST_BIN;

/** What somebody might do to the server without thinking of the client, and how it shows. */
const drifts = [
  ["a new reason", ({ Reason }) => Reason.enum.push("bored"), /status 200: .*"reason"/],
  ["a new state", ({ State }) => State.enum.push("hibernating"), /status 200: .*"state"/],
  ["a new action", ({ Action }) => Action.enum.push("call_mum"), /status 200: .*"action"/],
  [
    "a new kind of evidence",
    ({ EvidenceSource }) => EvidenceSource.enum.push("dream"),
    /status 200: .*"evidence"/,
  ],
  ["a reason that is gone", ({ Reason }) => Reason.enum.pop(), /status 200: .*"reason"/],
  [
    "a field that is gone",
    ({ InstagramStatus }) => delete InstagramStatus.properties.evidence,
    /status 200: .*"evidence"/,
  ],
  [
    "a new field",
    ({ User }) => (User.properties.nickname = { type: "string" }),
    /auth\/sync 200: .*"user"/,
  ],
  [
    "a field renamed",
    ({ HistoryPage: { properties } }) => {
      properties.cursor = properties.next;
      delete properties.next;
    },
    /history 200: .*"(next|cursor)"/,
  ],
];

test(
  "the server's own description",
  { skip: binary ? false : "HOLDFAST_BIN names no binary" },
  async (t) => {
    const description = execFileSync(binary, ["openapi"], {
      encoding: "utf8",
      maxBuffer: 1e8,
      env: { PATH: process.env.PATH }, // it takes every HOLDFAST_ for a setting
    });
    await t.test("agrees with the client", async () =>
      assert.deepEqual(await checkOpenApi(JSON.parse(description)), []),
    );
    for (const [what, change, where] of drifts) {
      await t.test(`${what} is found`, async () => {
        const document = JSON.parse(description);
        change(document.components.schemas);
        assert.match((await checkOpenApi(document)).join("\n"), where);
      });
    }
  },
);
