/**
 * Rendering on a server: no window, no request, no token, and the same markup as the first one in
 * the browser.
 */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createElement as h, StrictMode, Suspense } from "react";
import { QueryClient, QueryClientProvider, useSuspenseQuery } from "@tanstack/react-query";
import { renderToPipeableStream, renderToString } from "react-dom/server";
import { createFakeClient, fakeStatus } from "../src/fake.js";
import {
  HoldfastProvider,
  InstagramConnection,
  useHoldfastClient,
  useInstagram,
} from "../src/react.js";
import { createHoldfastClient } from "../src/holdfast-client.js";
import { instagramStatusOptions } from "../src/tanstack-query.js";
import { errorOf } from "./support/harness.js";

const forbidden = () => assert.fail("not on a server");

test("says that it is loading, asks nobody, and reads no clock and no chance, which prerendering forbids", (t) => {
  const clock = { now: forbidden, setTimeout: forbidden, clearTimeout: forbidden };
  t.mock.method(Date, "now", forbidden);
  t.mock.method(Math, "random", forbidden);
  const useAuth = () => ({
    isLoaded: false,
    isSignedIn: undefined,
    sessionId: undefined,
    getToken: forbidden,
  });
  const app = h(
    StrictMode,
    null,
    h(
      HoldfastProvider,
      { baseUrl: "https://api.example.com", useAuth, fetch: forbidden, clock },
      h(InstagramConnection),
    ),
  );
  const html = renderToString(app);
  assert.match(html, /Loading…/);
  assert.equal(renderToString(app), html);
});

test("somebody known to be signed out is told so", () => {
  const useAuth = () => ({
    isLoaded: true,
    isSignedIn: false,
    sessionId: null,
    getToken: forbidden,
  });
  const html = renderToString(
    h(
      HoldfastProvider,
      { baseUrl: "https://x", useAuth, fetch: forbidden },
      h(InstagramConnection),
    ),
  );
  assert.match(html, /Sign in to see your Instagram connection/);
});

test("a client that knows something on the server does not show it: the browser does not know it yet", () => {
  const client = createFakeClient(fakeStatus("connected"));
  const html = renderToString(h(HoldfastProvider, { client }, h(InstagramConnection)));
  assert.doesNotMatch(html, /ada\.makes/);
});

test("a query that suspends does not hold the page: the browser asks", async () => {
  const useAuth = () => ({
    isLoaded: true,
    isSignedIn: true,
    sessionId: "sess_1",
    getToken: forbidden,
  });
  const State = () => {
    const client = useHoldfastClient();
    return h("p", null, useSuspenseQuery(instagramStatusOptions(client, "sess_1")).data.state);
  };
  const app = h(
    QueryClientProvider,
    { client: new QueryClient() },
    h(
      HoldfastProvider,
      // A time limit that nothing sets off: the page must not come to depend on one.
      {
        baseUrl: "https://x",
        useAuth,
        fetch: forbidden,
        clock: { now: () => 0, setTimeout: () => 0, clearTimeout() {} },
      },
      h(Suspense, { fallback: h("p", null, "One moment") }, h(State)),
    ),
  );
  const html = await new Promise((resolve, reject) => {
    const codes = [];
    const { pipe } = renderToPipeableStream(app, {
      onError: ({ code }) => void codes.push(code),
      onShellError: reject,
      onAllReady() {
        assert.deepEqual(codes, ["signed-out"]);
        const out = new PassThrough();
        pipe(out);
        resolve(text(out));
      },
    });
  });
  assert.match(html, /One moment/);
});

test("a server looks and leaves at once: no fault of the sign-in library ends it", async () => {
  const missing = () => {
    throw new ReferenceError("window is not defined");
  };
  const client = createHoldfastClient({
    baseUrl: "https://x",
    getToken: missing,
    getSessionId: missing,
    fetch: forbidden,
  });
  const seen = [];
  client.subscribe(({ phase }) => seen.push(phase))();
  await new Promise(setImmediate);
  assert.equal(client.getSnapshot().phase, "idle");
  assert.equal(client.getSessionKey(), "0");
  assert.equal((await errorOf(client.status())).code, "token-failed");
});

test("the hook outside a provider says what is missing", () => {
  const Lost = () => useInstagram() && null;
  assert.throws(() => renderToString(h(Lost)), /HoldfastProvider/);
});
