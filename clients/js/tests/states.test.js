/** Every state and reason of the contract has a sentence of its own; times read as people say them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeStatus } from "../src/fake.js";
import { HoldfastNetworkError, HoldfastRequestError, HoldfastServiceError, HoldfastSessionError } from "../src/holdfast-client.js";
import { describeError, describeStatus, relativeTime, stateTexts } from "../src/states.js";

/** The table of the contract. */
export const contract = {
  not_connected: [null, "user_disconnected", "denied", "attempt_expired", "attempt_failed"],
  connecting: [null],
  connected: [null, "scopes_missing"],
  degraded: ["refresh_failing", "rate_limited", "provider_unavailable", "provider_incident", "app_misconfigured"],
  action_required: ["checkpoint", "unconfirmed", "restricted", "consent_blocked"],
  reconnect_required: ["expired", "revoked", "password_changed", "deauthorized", "token_invalid", "account_ineligible", "key_lost"],
  unavailable: ["not_configured"],
};

test("the texts know the states and reasons of the contract and no others", () => {
  assert.deepEqual(Object.keys(stateTexts), Object.keys(contract));
  for (const [state, reasons] of Object.entries(contract)) {
    assert.deepEqual(Object.keys(stateTexts[state].reasons), reasons.filter(Boolean), state);
  }
});

test("no two reasons say the same, and none shows a code", () => {
  const sentences = Object.entries(contract).flatMap(([state, reasons]) =>
    reasons.map((reason) => describeStatus(fakeStatus(state, { reason })).sentence),
  );
  assert.equal(new Set(sentences).size, sentences.length);
  for (const sentence of sentences) assert.match(sentence, /^[A-Z][^_{}<>]+\.$/);
});

test("whoever can do something has a button for it", () => {
  const labels = Object.keys(contract).map((state) => [state, describeStatus(fakeStatus(state)).action]);
  assert.deepEqual(Object.fromEntries(labels), {
    not_connected: "Connect Instagram",
    connecting: "Start again",
    connected: null,
    degraded: null,
    action_required: "I have fixed it, check again",
    reconnect_required: "Reconnect",
    unavailable: null,
  });
  assert.equal(describeStatus(fakeStatus("connected", { reason: "scopes_missing" })).action, "Reconnect");
});

test("a state from a newer server is described by what is certain", () => {
  const { title, sentence } = describeStatus({ ...fakeStatus("connected"), state: "hibernating", error: "Asleep." });
  assert.deepEqual([title, sentence], ["Connected", "Asleep."]);
});

test("nothing is said to work while the server cannot be asked, and no less while something else went wrong", () => {
  const say = (error) => describeStatus(fakeStatus("connected"), error).sentence;
  assert.equal(say(null), "Everything works.");
  assert.match(say(new HoldfastNetworkError({ code: "request-failed" })), /worked when/);
  assert.match(say(new HoldfastServiceError({ code: "database-unavailable", status: 503 })), /worked when/);
  assert.equal(say(new HoldfastServiceError({ code: "rate_limited", status: 424 })), "Everything works.");
  assert.equal(say(new HoldfastRequestError({ code: "different-account", status: 409 })), "Everything works.");
  const revoked = fakeStatus("reconnect_required", { reason: "revoked" });
  assert.equal(describeStatus(revoked, new HoldfastNetworkError({ code: "x" })).sentence, describeStatus(revoked).sentence);
});

test("every error has a sentence", () => {
  for (const Kind of [HoldfastSessionError, HoldfastServiceError, HoldfastNetworkError, HoldfastRequestError]) {
    assert.match(describeError(new Kind({ code: "anything" })), /\.$/);
  }
  assert.match(describeError(new HoldfastRequestError({ code: "different-account", status: 409 })), /different Instagram account/);
  assert.match(describeError(new HoldfastServiceError({ code: "x", status: 424 })), /Instagram/);
});

test("times are relative, in both directions", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const say = (at) => relativeTime(at, now, "en");
  assert.equal(say("2026-11-20T11:00:00Z"), "3 days ago");
  assert.equal(say("2026-11-23T11:59:40Z"), "now");
  assert.equal(say("2026-11-23T11:58:00Z"), "2 minutes ago");
  assert.equal(say("2026-11-23T14:30:00Z"), "in 2 hours");
  assert.equal(say("2025-01-01T00:00:00Z"), "last year");
});
