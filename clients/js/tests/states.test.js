/** Every state and reason of the contract reads well; so do errors and times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeStatus } from "../src/fake.js";
import { HoldfastNetworkError, HoldfastRequestError, HoldfastServiceError, HoldfastSessionError } from "../src/holdfast-client.js";
import { describe, describeError, relativeTime, stateTexts } from "../src/states.js";
import { contract } from "./support/contract.js";
import { sentences } from "./support/reference.js";

const describeStatus = (status, error = null) => describe({ phase: "ready", status, error });

test("the texts know the states of the contract, the phases without a status, and no others", () => {
  const phases = ["idle", "loading", "failed", "session-refused", "signed-out"];
  assert.deepEqual(Object.keys(stateTexts), [...Object.keys(contract), ...phases]);
});

for (const [state, reasons] of Object.entries(contract)) {
  for (const reason of reasons) {
    test(`${state}, ${reason ?? "no reason"}: plain words, and why it does not work`, () => {
      const status = fakeStatus(state, { reason });
      const { title, sentence = "" } = describeStatus(status);
      assert.match(title, /^[A-Z][A-Za-z ,]+$/);
      assert.match(sentence, /^([A-Z][^_{}<>]+\.)?$/);
      const isWrong = !status.connected && reason && reason !== "user_disconnected";
      assert.equal(status.error, isWrong ? sentences[reason] : undefined, "the fake says what the server says");
      if (isWrong) assert.equal(sentence, sentences[reason]);
      else if (state !== "connected" || reason) assert.notEqual(sentence, "", "where the server says nothing, this does");
    });
  }
}

test("whoever can do something has a button for it", () => {
  const buttons = (state, reason = null) => {
    const { label = null, press = null } = describeStatus(fakeStatus(state, { reason }));
    return [label, press];
  };
  assert.deepEqual(Object.fromEntries(Object.keys(contract).map((state) => [state, buttons(state)])), {
    not_connected: ["Connect Instagram", "connect"],
    connecting: ["Start again", "connect"],
    connected: [null, null],
    degraded: [null, null],
    action_required: ["Check again", "check"],
    reconnect_required: ["Reconnect", "reconnect"],
    unavailable: [null, null],
  });
  assert.deepEqual(buttons("connected", "scopes_missing"), ["Reconnect", "reconnect"]);
  const { label, press } = describe({ phase: "failed", status: null, error: null });
  assert.deepEqual([label, press], ["Try again", "refetch"]);
});

test("a state from a newer server is described by what is certain", () => {
  const { title, sentence, press } = describeStatus({ ...fakeStatus("not_connected"), state: "hibernating", error: "Asleep." });
  assert.deepEqual([title, sentence, press], ["Not connected", "Asleep.", "connect"]);
  const newer = describeStatus({ ...fakeStatus("connected"), state: "thriving" });
  assert.deepEqual([newer.title, newer.sentence], ["Connected", undefined]);
});

test("what is known is called the last heard while the server cannot be asked, and not when something else went wrong", () => {
  const say = (error, state = "connected") => describeStatus(fakeStatus(state), error).title;
  assert.equal(say(null), "Connected");
  assert.equal(say(new HoldfastNetworkError({ code: "request-failed" })), "Connected, when last heard");
  assert.equal(say(new HoldfastServiceError({ code: "database-unavailable", status: 503 })), "Connected, when last heard");
  assert.equal(say(new HoldfastSessionError({ code: "token-expired", status: 401 })), "Connected, when last heard");
  assert.equal(say(new HoldfastNetworkError({ code: "request-failed" }), "not_connected"), "Not connected, when last heard");
  assert.equal(say(new HoldfastServiceError({ code: "rate_limited", status: 424 })), "Connected");
  assert.equal(say(new HoldfastRequestError({ code: "different-account", status: 409 })), "Connected");
});

test("every error has a sentence: the server's own where it judged what was asked for", () => {
  for (const Kind of [HoldfastSessionError, HoldfastServiceError, HoldfastNetworkError]) {
    assert.match(describeError(new Kind({ code: "anything" })), /^[A-Z][^_]+\.$/);
  }
  for (const code of ["signed-out", "session-changed"]) {
    assert.doesNotMatch(describeError(new HoldfastSessionError({ code })), /still signed in/);
  }
  const declined = { code: "different-account", status: 409, message: sentences["different-account"] };
  assert.equal(describeError(new HoldfastRequestError(declined)), declined.message);
  const unusable = { code: "revoked", status: 424, message: sentences.revoked };
  assert.equal(describeError(new HoldfastServiceError(unusable)), unusable.message);
});

test("times are relative, in both directions", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const say = (at) => relativeTime(at, now, "en");
  assert.equal(say("2026-11-20T11:00:00Z"), "3 days ago");
  assert.equal(say("2026-11-22T11:00:00Z"), "yesterday");
  assert.equal(say("2026-11-23T11:59:40Z"), "this minute");
  assert.equal(say("2026-11-23T12:00:20Z"), "this minute");
  assert.equal(say("2026-11-23T11:58:00Z"), "2 minutes ago");
  assert.equal(say("2026-11-23T14:30:00Z"), "in 2 hours");
  assert.equal(say("2027-01-19T12:00:00Z"), "in 57 days");
});
