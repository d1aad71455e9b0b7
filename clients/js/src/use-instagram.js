"use client";
/**
 * Provider and hook. No JSX, so that it ships as it is.
 *
 * ```jsx
 * import { useAuth } from "@clerk/react";
 * <HoldfastProvider baseUrl="https://api.example.com" useAuth={useAuth}><Settings /></HoldfastProvider>
 * ```
 */
import * as React from "react";
import { createHoldfastClient } from "./holdfast-client.js";

const Context = React.createContext(null);
const noop = () => {};
const never = () => noop;
const alwaysSignedIn = () => ({ isLoaded: true, isSignedIn: true });

/**
 * A client, and what ties it to the sign-in library: it asks the newest `useAuth` result for tokens, so that an unstable
 * `getToken` changes nothing, and waits for the library instead of taking "not loaded yet" for "signed out".
 */
function createBinding(given, options) {
  let auth;
  let noticed;
  let load;
  const loaded = new Promise((resolve) => (load = resolve));
  const client =
    given ??
    createHoldfastClient({
      ...options,
      getSessionId: () => auth?.sessionId,
      async getToken(options) {
        await loaded;
        return auth.isSignedIn ? auth.getToken(options) : null;
      },
    });
  // Failures are in `error`; promises of event handlers nobody awaits must not reject.
  const quietly = (operation) => (options) => operation(options).catch(noop);
  const connect = quietly(client.connect);
  return {
    client,
    actions: {
      connect,
      reconnect: (options) => connect({ expect: "same_account", ...options }),
      disconnect: quietly(client.disconnect),
      check: quietly(client.check),
      refetch: quietly(client.status),
    },
    update(next) {
      // A library that loads anew, as Clerk does between two sessions, keeps its last word meanwhile.
      if (next.isLoaded) load((auth = next));
    },
    notice() {
      if (noticed && noticed.sessionId !== auth.sessionId) client.sessionChanged();
      noticed = auth;
    },
  };
}

/** @type {import("./react.d.ts").HoldfastProvider} */
export function HoldfastProvider({ client, useAuth = alwaysSignedIn, children, ...options }) {
  const auth = useAuth();
  const [binding] = React.useState(() => createBinding(client, options));
  React.useInsertionEffect(() => binding.update(auth)); // before any effect of a child asks for a token
  React.useEffect(binding.notice);
  React.useEffect(() => void binding.client.completeFromUrl(), [binding]);
  const away = auth.isLoaded ? !auth.isSignedIn && "signed-out" : "loading";
  const value = React.useMemo(() => ({ ...binding, away }), [binding, away]);
  return React.createElement(Context.Provider, { value }, children);
}

function useHoldfast() {
  const context = React.useContext(Context);
  if (!context) throw new Error("No <HoldfastProvider> above.");
  return context;
}

export const useHoldfastClient = () => useHoldfast().client;

/** @type {import("./react.d.ts").useInstagram} */
export function useInstagram() {
  const { client, actions, away } = useHoldfast();
  const snapshot = React.useSyncExternalStore(away ? never : client.subscribe, client.getSnapshot, client.getServerSnapshot);
  // The same object until something changes, so that it can stand among the dependencies of an effect.
  return React.useMemo(() => {
    const phase = away || snapshot.phase;
    const status = phase === "signed-out" ? null : snapshot.status;
    return {
      ...snapshot,
      ...actions,
      phase,
      status,
      isLoading: phase === "idle" || phase === "loading",
      isRefetching: !!status && snapshot.isFetching,
    };
  }, [snapshot, actions, away]);
}
