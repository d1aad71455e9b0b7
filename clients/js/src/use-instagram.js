"use client";
/** Provider and hook. No JSX, so that it ships as it is. */
import * as React from "react";
import { fail } from "./core/options.js";
import { ignore } from "./core/pending.js";
import { createHoldfastClient } from "./holdfast-client.js";

/** @typedef {import("./react.d.ts").Auth} Auth */
/** @typedef {import("./holdfast-client.d.ts").HoldfastClient} HoldfastClient */
/** @typedef {import("./holdfast-client.d.ts").HoldfastClientOptions} HoldfastClientOptions */
/** @typedef {Omit<HoldfastClientOptions, "getToken">} Given */
/** @typedef {import("./states.d.ts").Locale} Locale */

/**
 * @typedef {ReturnType<typeof createBinding> & {
 *   away: "signed-out" | "loading" | false,
 *   id: Auth["sessionId"],
 *   locale?: Locale | undefined,
 * }} Shared
 */

const Context = React.createContext(/** @type {Shared | null} */ (null));
const never = () => ignore;

const alwaysSignedIn = () => /** @type {Auth} */ ({ isLoaded: true, isSignedIn: true });

/**
 * A client, and what ties it to the sign-in library: it asks the newest `useAuth` result for
 * tokens, so that an unstable `getToken` changes nothing, and waits for the library instead of
 * taking "not loaded yet" for "signed out".
 * @param {HoldfastClient | undefined} given
 * @param {Given} options
 * @param {Auth} first of the render that makes it, which may never be committed: what suspends on
 *   its client waits for a token before that
 */
function createBinding(given, options, first) {
  let auth = /** @type {Auth | undefined} */ (undefined);
  let onReturn = options.onReturn;
  let load = /** @type {(value?: unknown) => void} */ (ignore);
  // Never on a server, where no effect runs: nobody is signed in there, and nothing waits.
  const loaded = /** @type {Promise<unknown> | undefined} */ (
    globalThis.window && new Promise((resolve) => (load = resolve))
  );
  const client =
    given ??
    createHoldfastClient({
      ...options,
      onReturn: (outcome) => onReturn?.(outcome),
      getSessionId: () => auth?.sessionId,
      getToken: (options) =>
        /** @type {Promise<string | null>} */ (
          loaded?.then(() => (auth?.isSignedIn ? auth.getToken(options) : null))
        ),
    });
  /**
   * Failures are in `error`; promises of event handlers that nobody awaits must not reject.
   * @template {unknown[]} A
   * @template T
   * @param {(...args: A) => Promise<T>} operation
   */
  const quietly =
    (operation) =>
    (/** @type {A} */ ...args) =>
      operation(...args).catch(ignore);
  const connect = quietly(client.connect);
  /** @typedef {import("./holdfast-client.d.ts").ConnectOptions} ConnectOptions */
  const binding = {
    client,
    /**
     * Is a render ahead of the client, which is told of a session once that is on the page? A
     * given client knows by itself.
     * @param {Auth["sessionId"]} id
     */
    isNews: (id) => !given && id && id !== auth?.sessionId,
    actions: {
      connect,
      reconnect: connect, // which is for the account already connected, if there is one
      connectAnother: (/** @type {ConnectOptions} */ options) =>
        connect({ forceReauth: true, expect: "any_account", ...options }),
      disconnect: quietly(client.disconnect),
      check: quietly(client.check),
      refetch: quietly(client.status),
      retry: quietly(client.retry),
    },
    /**
     * @param {Auth} next
     * @param {HoldfastClientOptions["onReturn"]} nextOnReturn
     */
    update(next, nextOnReturn) {
      onReturn = nextOnReturn;
      // A library that loads anew, as Clerk does between two sessions, keeps its last word
      // meanwhile.
      if (!next.isLoaded) return;
      const { sessionId, isSignedIn } = auth ?? next;
      if (sessionId !== next.sessionId || isSignedIn !== next.isSignedIn)
        queueMicrotask(client.sessionChanged);
      auth = next;
      load();
    },
  };
  if (loaded) binding.update(first, onReturn);
  return binding;
}

/** @type {typeof import("./react.d.ts").HoldfastProvider} */
export function HoldfastProvider({ client, useAuth, locale, children, ...options }) {
  if (!client && !useAuth) fail("<HoldfastProvider> needs useAuth or client");
  const auth = (useAuth ?? alwaysSignedIn)();
  const [binding] = React.useState(() =>
    createBinding(client, /** @type {Given} */ (options), auth),
  );
  // Before any effect of a child asks for a token.
  React.useInsertionEffect(() => binding.update(auth, /** @type {Given} */ (options).onReturn));
  React.useEffect(() => void binding.client.completeFromUrl(), [binding]);
  /** @type {Shared["away"]} */
  const away = auth.isLoaded ? !auth.isSignedIn && "signed-out" : "loading";
  const value = React.useMemo(
    () => ({ ...binding, away, id: auth.sessionId, locale }),
    [binding, away, auth.sessionId, locale],
  );
  return React.createElement(Context.Provider, { value }, children);
}

export const useHoldfast = () => React.useContext(Context) ?? fail("no <HoldfastProvider> above");

/** @type {typeof import("./react.d.ts").useHoldfastClient} */
export const useHoldfastClient = () => useHoldfast().client;

/** @type {typeof import("./react.d.ts").useInstagram} */
export function useInstagram() {
  const {
    client: { subscribe, getSnapshot, getServerSnapshot },
    actions,
    isNews,
    away,
    id,
  } = useHoldfast();
  const snapshot = React.useSyncExternalStore(
    away ? never : subscribe,
    // What was known is not for the next person.
    () => (away === "signed-out" || isNews(id) ? getServerSnapshot : getSnapshot)(),
    getServerSnapshot,
  );
  // The same object until something changes, so that it can stand among the dependencies of an
  // effect.
  return React.useMemo(() => {
    const phase = away || snapshot.phase;
    return /** @type {import("./react.d.ts").Instagram} */ ({
      ...snapshot,
      ...actions,
      phase,
      isLoading: phase === "idle" || phase === "loading",
      isRefetching: !!snapshot.status && snapshot.isFetching,
    });
  }, [snapshot, actions, away]);
}
