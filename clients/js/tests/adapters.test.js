/** TanStack Query and SWR on top: no second layer of retries, live updates reach their caches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { createElement as h } from "react";
import { renderToString } from "react-dom/server";
import useSWR, { SWRConfig, useSWRConfig } from "swr";
import { createFakeClient, fakeStatus } from "../src/fake.js";
import { feedSwr, instagramStatusKey as swrKey, instagramStatusSwr } from "../src/swr.js";
import {
  feedQueryClient,
  instagramStatusKey,
  instagramStatusOptions,
} from "../src/tanstack-query.js";
import { errorOf, install, openPage, setUp } from "./support/harness.js";
import { connected, json } from "./support/scripted-server.js";
import { until } from "./support/until.js";

test("TanStack Query: a refused session is asked about once", async (t) => {
  const { server, client } = await setUp(t);
  server.state.fault = "401";
  const queries = new QueryClient();
  t.after(() => queries.clear());
  const error = await errorOf(queries.fetchQuery(instagramStatusOptions(client)));
  assert.equal(error.kind, "session");
  assert.equal(server.requests.length, 2);
});

test("TanStack Query: what the client hears is in the cache, and gone with the person", async (t) => {
  const queries = new QueryClient();
  t.after(() => queries.clear());
  const client = createFakeClient();
  const stop = feedQueryClient(client, queries);
  client.setStatus(fakeStatus("connected"));
  assert.equal(queries.getQueryData(instagramStatusKey(client)).state, "connected");
  client.set({ phase: "signed-out", status: null });
  assert.equal(queries.getQueryData(instagramStatusKey(client)), undefined);
  stop();
  client.setStatus(fakeStatus("connected"));
  assert.equal(queries.getQueryData(instagramStatusKey(client)), undefined);
});

test("SWR: what the client hears is in the cache that components read", async () => {
  const cache = new Map();
  const client = createFakeClient();
  const cached = () => [...cache].find(([key]) => key.includes(swrKey(client)[0]))[1];
  let mutate;
  const Feed = () => ((mutate = useSWRConfig().mutate), null);
  const Page = () => h("p", null, useSWR(...instagramStatusSwr(client)).data?.state ?? "nothing");
  const render = (child) =>
    renderToString(h(SWRConfig, { value: { provider: () => cache } }, h(child)));
  render(Feed);
  assert.match(render(Page), /nothing/);
  const stop = feedSwr(client, mutate);
  client.setStatus(fakeStatus("connected"));
  await until(() => cached().data?.state === "connected", "the status in the cache");
  client.set({ phase: "signed-out", status: null });
  await until(() => cached().data === undefined, "an empty cache");
  stop();
});

test("SWR retries only what may pass by itself", () => {
  const [, , { shouldRetryOnError }] = instagramStatusSwr(createFakeClient());
  assert.deepEqual(
    ["session", "service", "network", "request"].map((kind) => shouldRetryOnError({ kind })),
    [false, false, true, false],
  );
});

for (const feeds of [false, true]) {
  test(`another person within the stale time, feed ${feeds ? "" : "not "}mounted: nothing of the first is in the new key`, async (t) => {
    let id = "sess_1";
    const { server, signIn, client } = await setUp(t, { getSessionId: () => id });
    server.state.status = connected;
    const queries = new QueryClient();
    t.after(() => queries.clear());
    if (feeds) t.after(feedQueryClient(client, queries));
    assert.equal(
      (await queries.fetchQuery(instagramStatusOptions(client))).account.username,
      "ada.makes",
    );
    const swrBefore = swrKey(client);
    signIn.become("user_2", "sess_9");
    id = "sess_9";
    server.state.status = {
      ...connected,
      account: { ...connected.account, username: "grace.hops" },
    };
    assert.equal(queries.getQueryData(instagramStatusKey(client)), undefined);
    assert.notDeepEqual(swrKey(client), swrBefore);
    assert.equal(
      (await queries.fetchQuery(instagramStatusOptions(client))).account.username,
      "grace.hops",
    );
  });
}

test("an app without getSessionId says whose key it is", () => {
  const client = createFakeClient();
  assert.notDeepEqual(instagramStatusKey(client, "sess_1"), instagramStatusKey(client, "sess_2"));
  assert.notDeepEqual(
    instagramStatusSwr(client, "sess_1")[0],
    instagramStatusSwr(client, "sess_2")[0],
  );
});

const grace = { ...connected, account: { ...connected.account, username: "grace.hops" } };

/**
 * Ada (`sess_1`) and Grace (`sess_9`), one of them signed in, at a server that tells each her own.
 */
async function setUpTwo(t, hasIds = true) {
  let id = "sess_1";
  const two = await setUp(t, hasIds ? { getSessionId: () => id } : {});
  let letGo = () => {};
  let held = Promise.resolve();
  two.server.script("GET /user/instagram/status", async (request, response) => {
    const claims = request.headers.authorization.split(".")[1];
    const { sid } = JSON.parse(Buffer.from(claims, "base64url"));
    await held;
    json(response, 200, sid === "sess_1" ? connected : grace);
  });
  return {
    ...two,
    become(next, tells) {
      two.signIn.become(`user_of_${next}`, next);
      id = next;
      if (tells) two.client.sessionChanged();
    },
    hold: () => (held = new Promise((resolve) => (letGo = resolve))),
    letGo: () => letGo(),
  };
}

for (const [what, hasIds, tells] of [
  ["ids known, the change told", true, true],
  ["ids known, the change not told", true, false],
  ["no ids", false, true],
])
  test(`a read under way while somebody else signs in is not kept as the first one's; ${what}`, async (t) => {
    const two = await setUpTwo(t, hasIds);
    const { client, server } = two;
    const queries = new QueryClient();
    t.after(() => queries.clear());
    await client.status();
    two.hold();
    const [, fetchSwr] = instagramStatusSwr(client, "sess_1");
    const reads = [
      errorOf(queries.fetchQuery(instagramStatusOptions(client, "sess_1"))),
      errorOf(fetchSwr()),
    ];
    await until(() => server.unanswered() === 1, "a read under way");
    two.become("sess_9", tells);
    two.letGo();
    for (const error of await Promise.all(reads)) assert.equal(error.code, "session-changed");
    assert.equal(queries.getQueryData(instagramStatusKey(client, "sess_1")), undefined);
    const status = await queries.fetchQuery(instagramStatusOptions(client, "sess_9"));
    assert.equal(status.account.username, "grace.hops");
  });

test("the feed of a page that still shows the first person writes nothing of the second one", async (t) => {
  const two = await setUpTwo(t);
  const { client } = two;
  const queries = new QueryClient();
  t.after(() => queries.clear());
  const written = [];
  t.after(feedQueryClient(client, queries, "sess_1"));
  t.after(feedSwr(client, (_, status) => written.push(status?.account.username), "sess_1"));
  await client.status();
  const kept = () => queries.getQueryData(instagramStatusKey(client, "sess_1"));
  assert.equal(kept().account.username, "ada.makes");
  two.become("sess_9", true);
  assert.equal((await client.status()).account.username, "grace.hops");
  assert.equal(kept(), undefined);
  assert.deepEqual(written, ["ada.makes", undefined]);
});

/** Another tab of this browser, which hands on what it hears of a person. */
function openOtherTab(t, { url }) {
  openPage(t);
  install(t, "sessionStorage", {});
  install(t, "navigator", { locks: { request: (name, { signal }, work) => work(signal) } });
  const channel = new BroadcastChannel(`holdfast:${url}`);
  t.after(() => channel.close());
  return (status) => channel.postMessage({ person: "user_1 sess_1", status });
}

for (const from of ["the stream", "another tab"])
  test(`${from} speaks of the first person, before a word of the second: nothing of it is theirs`, async (t) => {
    const two = await setUpTwo(t);
    const { client, server, time } = two;
    const tellByTab = from === "another tab" && openOtherTab(t, server);
    server.state.status = connected;
    const queries = new QueryClient();
    t.after(() => queries.clear());
    const written = [];
    const heard = [];
    t.after(feedQueryClient(client, queries));
    t.after(feedSwr(client, (key, status) => written.push([key[1], status?.account.username])));
    t.after(client.subscribe(({ status }) => heard.push(status?.account.username)));
    await time.advance(1_000);
    assert.equal(client.getSnapshot().live, "stream");
    two.become("sess_9");
    heard.length = 0;
    const late = { ...connected, version: 9 };
    server.state.status = grace;
    if (tellByTab) tellByTab(late);
    else server.write(`event: instagram.status\ndata: ${JSON.stringify(late)}\n\n`.repeat(2));
    await until(() => time.settle().then(() => client.getSnapshot().status), "the second's");
    assert.equal(queries.getQueryData(instagramStatusKey(client)).account.username, "grace.hops");
    assert.deepEqual(
      written.filter(([key, name]) => name && (key === "sess_1") !== (name === "ada.makes")),
      [],
    );
    assert.ok(!heard.includes("ada.makes"));
  });

test("when the person is gone, nothing is read for their key as the next one", async (t) => {
  const two = await setUpTwo(t);
  const { client } = two;
  const queries = new QueryClient();
  t.after(() => queries.clear());
  let reads = 0;
  const options = instagramStatusOptions(client, "sess_1");
  const observer = new QueryObserver(queries, {
    ...options,
    queryFn: () => ((reads += 1), options.queryFn()),
  });
  t.after(observer.subscribe(() => {}));
  t.after(feedQueryClient(client, queries, "sess_1"));
  await until(() => observer.getCurrentResult().data, "Ada's");
  two.become("sess_9", true);
  assert.equal(observer.getCurrentResult().data, undefined);
  await client.status();
  assert.equal(reads, 1);
});

test("a token for which the client has waited its 8 s in vain is not waited for again", () => {
  const { retry } = instagramStatusOptions(createFakeClient());
  const [, , { shouldRetryOnError }] = instagramStatusSwr(createFakeClient());
  for (const [code, again] of [
    ["token-timeout", false],
    ["token-failed", true],
    ["request-failed", true],
  ]) {
    assert.equal(retry(0, { kind: "network", code }), again);
    assert.equal(shouldRetryOnError({ kind: "network", code }), again);
  }
});
