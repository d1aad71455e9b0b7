/**
 * React on top of the core: a provider and a hook. No JSX, so that it ships as it is; React 18 or newer. What people see
 * is in `instagram-connection.js`, a module of its own: whoever draws the connection otherwise does not load its texts.
 *
 * ```jsx
 * import { useAuth } from "@clerk/react";
 * <HoldfastProvider baseUrl="https://api.example.com" useAuth={useAuth}><Settings /></HoldfastProvider>
 * ```
 */
import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import { createHoldfastClient } from "./holdfast-client.js";

const Context = createContext(null);
const noop = () => {};
const notYet = () => noop;
const alwaysSignedIn = () => ({ isLoaded: true, isSignedIn: true });

/**
 * The client asks for tokens through this: it always uses the newest `useAuth` result, so that an unstable `getToken`
 * changes nothing, and it waits for the sign-in library instead of taking "not loaded yet" for "signed out".
 */
function createAuthBridge() {
  let auth = {};
  let waiting = [];
  return {
    update(next) {
      auth = next;
      if (!next.isLoaded) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    getSessionId: () => auth.sessionId,
    async getToken(options) {
      if (!auth.isLoaded) await new Promise((resolve) => waiting.push(resolve));
      return auth.isSignedIn ? auth.getToken(options) : null;
    },
  };
}

/** @type {import("./react.d.ts").HoldfastProvider} */
export function HoldfastProvider({ client: given, useAuth = alwaysSignedIn, children, ...options }) {
  const auth = useAuth();
  const [{ client, bridge, actions, seen }] = useState(() => {
    const bridge = createAuthBridge();
    const client =
      given ?? createHoldfastClient({ ...options, getToken: bridge.getToken, getSessionId: bridge.getSessionId });
    return { client, bridge, actions: actionsOf(client), seen: {} };
  });
  useInsertionEffect(() => bridge.update(auth));
  useEffect(() => void client.completeFromUrl(), [client]);

  const { isLoaded, sessionId } = auth;
  useEffect(() => {
    if (!isLoaded) return;
    if ("sessionId" in seen && seen.sessionId !== sessionId) client.sessionChanged();
    seen.sessionId = sessionId;
  }, [client, seen, isLoaded, sessionId]);

  const isSignedIn = !!auth.isSignedIn;
  const value = useMemo(() => ({ client, actions, isLoaded, isSignedIn }), [client, actions, isLoaded, isSignedIn]);
  return createElement(Context.Provider, { value }, children);
}

/** Failures are in `error`; promises of event handlers nobody awaits must not reject. */
function actionsOf(client) {
  const quietly = (operation, defaults) => (own) => operation({ ...defaults, ...own }).catch(noop);
  return {
    connect: quietly(client.connect),
    reconnect: quietly(client.connect, { expect: "same_account" }),
    disconnect: quietly(client.disconnect),
    check: quietly(client.check),
    refetch: quietly(client.status),
  };
}

function useHoldfast() {
  const context = useContext(Context);
  if (!context) throw new Error("useInstagram needs a <HoldfastProvider> above it.");
  return context;
}

export const useHoldfastClient = () => useHoldfast().client;

/** @type {import("./react.d.ts").useInstagram} */
export function useInstagram() {
  const { client, actions, isLoaded, isSignedIn } = useHoldfast();
  const subscribe = isLoaded && isSignedIn ? client.subscribe : notYet;
  const snapshot = useSyncExternalStore(subscribe, client.getSnapshot, client.getServerSnapshot);
  return useMemo(() => {
    const phase = !isLoaded ? "loading" : isSignedIn ? snapshot.phase : "signed-out";
    const status = phase === "signed-out" ? null : snapshot.status;
    return {
      ...snapshot,
      ...actions,
      phase,
      status,
      isLoading: phase === "idle" || phase === "loading",
      isRefetching: !!status && snapshot.isFetching,
    };
  }, [snapshot, actions, isLoaded, isSignedIn]);
}
