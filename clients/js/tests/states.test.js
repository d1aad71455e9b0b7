/** Every state and reason of the contract reads well; so do errors and times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeStatus } from "../src/fake.js";
import {
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastServiceError,
  HoldfastSessionError,
} from "../src/holdfast-client.js";
import { de } from "../src/locales/de.js";
import { en } from "../src/locales/en.js";
import { describe, describeError, relativeTime } from "../src/states.js";
import { errorOf, setUp } from "./support/harness.js";
import { contract } from "./support/contract.js";
import { sentences } from "./support/reference.js";
import { faults } from "./support/scripted-server.js";

const describeStatus = (status, error = null) => describe({ phase: "ready", status, error });

test("the texts know the states of the contract, the phases without a status, and no others", () => {
  const phases = ["idle", "loading", "failed", "session-refused", "signed-out"];
  assert.deepEqual(Object.keys(en.states), [...Object.keys(contract), ...phases, "completing"]);
});

for (const [state, reasons] of Object.entries(contract)) {
  for (const reason of reasons) {
    test(`${state}, ${reason ?? "no reason"}: plain words, and why it does not work`, () => {
      const status = fakeStatus(state, { reason });
      const { title, sentence = "" } = describeStatus(status);
      assert.match(title, /^[A-Z][A-Za-z ,]+$/);
      assert.match(sentence, /^([A-Z][^_{}<>]+\.)?$/);
      const isWrong = !status.connected && reason && reason !== "user_disconnected";
      if (isWrong && reason in sentences)
        assert.equal(status.error, sentences[reason], "the fake says what the server says");
      if (isWrong) assert.equal(sentence, status.error);
      else assert.equal(status.error, undefined);
      if (isWrong) assert.ok(sentence);
      else if (state !== "connected" || reason)
        assert.notEqual(sentence, "", "where the server says nothing, this does");
    });
  }
}

test("whoever can do something has a button for it", () => {
  const buttons = (state, reason = null) => {
    const { label = null, press = null } = describeStatus(fakeStatus(state, { reason }));
    return [label, press];
  };
  assert.deepEqual(
    Object.fromEntries(Object.keys(contract).map((state) => [state, buttons(state)])),
    {
      not_connected: ["Connect Instagram", "connect"],
      connecting: ["Start again", "connect"],
      connected: [null, null],
      degraded: [null, null],
      action_required: ["Check again", "check"],
      reconnect_required: ["Reconnect", "reconnect"],
      unavailable: [null, null],
    },
  );
  assert.deepEqual(buttons("connected", "scopes_missing"), ["Reconnect", "reconnect"]);
  const { label, press } = describe({ phase: "failed", status: null, error: null });
  assert.deepEqual([label, press], ["Try again", "retry"]);
  assert.deepEqual(
    buttons("not_connected", "account_not_admitted"),
    ["Connect Instagram", "connect"],
    "nothing else would tell the server that the account is admitted by now",
  );
});

test("what the status says already is not said again as an alert", () => {
  const status = fakeStatus("not_connected", { reason: "account_not_admitted" });
  const failure = (code) =>
    new HoldfastServiceError({
      code,
      status: 424,
      message: sentences[code],
      problem: { reason: code },
    });
  for (const locale of [en, de]) {
    const alertBeside = (error) => describe({ phase: "ready", status, error }, locale).alert;
    assert.equal(alertBeside(failure("account_not_admitted")), false);
    const other = failure("rate_limited");
    assert.equal(alertBeside(other), describeError(other, locale));
    assert.equal(alertBeside(null), null);
  }
});

test("a state from a newer server is described by what is certain", () => {
  const { title, sentence, press } = describeStatus({
    ...fakeStatus("not_connected"),
    state: "hibernating",
    error: "Asleep.",
  });
  assert.deepEqual([title, sentence, press], ["Not connected", "Asleep.", "connect"]);
  const newer = describeStatus({ ...fakeStatus("connected"), state: "thriving" });
  assert.deepEqual([newer.title, newer.sentence], ["Connected", undefined]);
});

test("what is known is called the last heard while the server cannot be asked, and not when something else went wrong", () => {
  const say = (error, state = "connected") => describeStatus(fakeStatus(state), error).title;
  assert.equal(say(null), "Connected");
  assert.equal(
    say(new HoldfastNetworkError({ code: "request-failed" })),
    "Connected, when last heard",
  );
  assert.equal(
    say(new HoldfastServiceError({ code: "database-unavailable", status: 503 })),
    "Connected, when last heard",
  );
  assert.equal(
    say(new HoldfastSessionError({ code: "token-expired", status: 401 })),
    "Connected, when last heard",
  );
  assert.equal(
    say(new HoldfastNetworkError({ code: "request-failed" }), "not_connected"),
    "Not connected, when last heard",
  );
  assert.equal(say(new HoldfastServiceError({ code: "rate_limited", status: 424 })), "Connected");
  assert.equal(
    say(new HoldfastRequestError({ code: "different-account", status: 409 })),
    "Connected",
  );
});

test("an action that failed does not make stale what is read or heard", async (t) => {
  const { server, client, time } = await setUp(t);
  client.subscribe(() => {});
  await time.advance(0);
  assert.equal(server.streams.size, 1);
  server.script("DELETE /user/instagram", faults.reset);
  const error = await errorOf(client.disconnect());
  assert.equal(error.kind, "network");
  const snapshot = client.getSnapshot();
  assert.deepEqual([snapshot.error, snapshot.isStale], [error, false]);
  assert.equal(describe(snapshot).title, "Not connected");

  server.state.fault = "503";
  server.endStreams();
  await time.advance(60_000);
  assert.equal(describe(client.getSnapshot()).title, "Not connected, when last heard");
});

test("every error has a sentence: the server's own where it judged what was asked for", () => {
  for (const Kind of [HoldfastSessionError, HoldfastServiceError, HoldfastNetworkError]) {
    assert.match(describeError(new Kind({ code: "anything" })), /^[A-Z][^_]+\.$/);
  }
  for (const code of ["signed-out", "session-changed"]) {
    assert.doesNotMatch(describeError(new HoldfastSessionError({ code })), /still signed in/);
  }
  const declined = {
    code: "different-account",
    status: 409,
    message: sentences["different-account"],
  };
  assert.equal(describeError(new HoldfastRequestError(declined)), declined.message);
  const unusable = { code: "revoked", status: 424, message: sentences.revoked };
  assert.equal(describeError(new HoldfastServiceError(unusable)), unusable.message);
});

test("times are relative, in both directions", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const say = (at) => relativeTime(at, now);
  assert.equal(say("2026-11-20T11:00:00Z"), "3 days ago");
  assert.equal(say("2026-11-22T11:00:00Z"), "yesterday");
  assert.equal(say("2026-11-23T11:59:40Z"), "this minute");
  assert.equal(say("2026-11-23T12:00:20Z"), "this minute");
  assert.equal(say("2026-11-23T11:58:00Z"), "2 minutes ago");
  assert.equal(say("2026-11-23T14:30:00Z"), "in 2 hours");
  assert.equal(say("2027-01-19T12:00:00Z"), "in 57 days");
});

test("German says everything itself: no reason, code or kind is left to the English server", () => {
  for (const [state, reasons] of Object.entries(contract)) {
    for (const reason of reasons) {
      const status = fakeStatus(state, { reason });
      const english = describe({ phase: "ready", status, error: null });
      const german = describe({ phase: "ready", status, error: null }, de);
      assert.notEqual(german.title, english.title, `${state} ${reason}`);
      if (english.sentence)
        assert.notEqual(german.sentence, english.sentence, `${state} ${reason}`);
      assert.equal(german.press, english.press);
      assert.equal(!german.label, !english.label);
    }
  }
  const unknown = {
    ...fakeStatus("reconnect_required", { reason: "revoked" }),
    reason: "bored",
    error: "Bored: connect again.",
  };
  assert.equal(
    describe({ phase: "ready", status: unknown, error: null }, de).sentence,
    de.sentences.reason,
  );
  const declined = new HoldfastRequestError({
    code: "something-new",
    status: 409,
    message: "Something new.",
  });
  assert.equal(describeError(declined, de), de.sentences.request);
  assert.equal(describeError(declined), "Something new.");
  const unusable = new HoldfastServiceError({
    code: "grant-unusable",
    status: 424,
    message: "x",
    problem: { reason: "revoked" },
  });
  assert.equal(describeError(unusable, de), de.sentences.revoked);
  assert.deepEqual(Object.keys(de.labels), Object.keys(en.labels));
  for (const [code, text] of Object.entries(en.sentences))
    assert.ok(de.sentences[code] && de.sentences[code] !== text, code);
});

test("one language: a time is told in that of the texts, not in the browser's", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  assert.equal(relativeTime("2026-11-20T11:00:00Z", now, de), "vor 3 Tagen");
  assert.equal(relativeTime("2026-11-20T11:00:00Z", now), "3 days ago");
});

test("back from Instagram it says that it finishes, whatever the state still is", () => {
  const back = {
    phase: "ready",
    status: fakeStatus("connecting"),
    error: null,
    isCompleting: true,
  };
  assert.deepEqual(describe(back), en.states.completing);
  assert.equal(describe({ ...back, isCompleting: false }).title, "Connecting");
  const error = new HoldfastNetworkError({ code: "request-failed" });
  for (const locale of [en, de])
    assert.deepEqual(describe({ ...back, error }, locale), {
      ...locale.states.completing,
      alert: locale.sentences.network,
      label: locale.labels.retry,
      press: "retry",
    });
});

test("a refused session has a button, also beside a status that was known", () => {
  const error = new HoldfastSessionError({ code: "token-expired", status: 401 });
  for (const status of [null, fakeStatus("connected")]) {
    const { label, press } = describe({ phase: "session-refused", status, error });
    assert.deepEqual([label, press], ["Try again", "retry"]);
  }
});

test("where Instagram has the wrong account signed in, another can be chosen", () => {
  for (const code of ["different-account", "account-belongs-to-another-user"]) {
    assert.equal(
      describeStatus(fakeStatus("connected"), new HoldfastRequestError({ code, status: 409 }))
        .another,
      en.labels.another,
    );
  }
  assert.equal(describeStatus(fakeStatus("connected")).another, undefined);
});

test("no token is not the server's fault", () => {
  const failed = describeError(new HoldfastNetworkError({ code: "token-failed" }));
  assert.match(failed, /sign-in/);
  assert.equal(describeError(new HoldfastNetworkError({ code: "token-timeout" })), failed);
});
