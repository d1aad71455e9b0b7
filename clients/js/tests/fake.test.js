/** The client without a server does what a test or a story needs of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeClient, fakeStatus } from "../src/fake.js";
import { HoldfastNetworkError } from "../src/holdfast-client.js";
import { contract } from "./support/contract.js";
import { errorOf } from "./support/harness.js";

test("it begins without an answer, or with the one that it is given", () => {
  assert.equal(createFakeClient().getSnapshot().phase, "loading");
  const { phase, status } = createFakeClient(fakeStatus("connected")).getSnapshot();
  assert.deepEqual([phase, status.state], ["ready", "connected"]);
});

test("listeners hear what is set, until they stop", () => {
  const client = createFakeClient();
  const heard = [];
  const stop = client.subscribe(({ phase, status, error }) =>
    heard.push([phase, status?.state, error?.code]),
  );
  client.setError(new HoldfastNetworkError({ code: "request-failed" }));
  client.setStatus(fakeStatus("degraded", { reason: "rate_limited" }));
  client.setError(new HoldfastNetworkError({ code: "request-timeout" }));
  stop();
  client.setStatus(fakeStatus("connected"));
  assert.deepEqual(heard, [
    ["failed", undefined, "request-failed"],
    ["ready", "degraded", undefined],
    ["ready", "degraded", "request-timeout"],
  ]);
});

test("operations are recorded, answer as usual or as told, and fail as the real ones do", async () => {
  const client = createFakeClient(fakeStatus("not_connected"));
  await client.connect({ forceReauth: true });
  assert.equal(client.getSnapshot().status.state, "connecting");
  client.answers.check = () => {
    throw new HoldfastNetworkError({ code: "request-failed" });
  };
  assert.equal((await errorOf(client.check())).code, "request-failed");
  assert.equal(client.getSnapshot().error.code, "request-failed");
  client.answers.history = { entries: [], next: "more" };
  assert.equal((await client.history()).next, "more");
  await client.disconnect();
  assert.equal(client.getSnapshot().status.reason, "user_disconnected");
  assert.deepEqual(
    client.calls.map(({ name, args }) => [name, ...args]),
    [["connect", { forceReauth: true }], ["check"], ["history"], ["disconnect"]],
  );
});

test("reads of the user's record give one, with the status that is set", async () => {
  const client = createFakeClient(fakeStatus("connected"));
  const { user, created } = await client.sync();
  assert.deepEqual([user.first_name, created], ["Ada", false]);
  const { connections, ...profile } = await client.profile();
  assert.deepEqual(profile, user);
  assert.equal(connections.instagram.state, "connected");
});

test("its statuses are those of the contract", () => {
  for (const [state, reasons] of Object.entries(contract)) {
    for (const reason of reasons) {
      const status = fakeStatus(state, { reason });
      assert.equal(status.connected, ["connected", "degraded"].includes(state));
      assert.equal(
        status.error !== undefined,
        !status.connected && reason !== null && reason !== "user_disconnected",
        `${state} ${reason}`,
      );
    }
  }
});
