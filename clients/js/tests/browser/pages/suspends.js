/** A page that suspends until the state is there, provider and all: nothing is committed. */
import { QueryClient, QueryClientProvider, useSuspenseQuery } from "@tanstack/react-query";
import {
  createContext,
  createElement as h,
  Suspense,
  useContext,
  useSyncExternalStore,
} from "react";
import { createRoot } from "react-dom/client";
import { HoldfastProvider, useHoldfastClient } from "holdfast-client/react";
import { instagramStatusOptions } from "holdfast-client/tanstack-query";
import { createSignIn } from "./sign-in.js";

const query = new URLSearchParams(location.search);
const api = query.get("api");
const signIn = (window.signIn = createSignIn(api, query.has("slow-sign-in")));

const Auth = createContext(null);
/** As Clerk's does, it hears of changes above what suspends. */
function SignInProvider({ children }) {
  const state = useSyncExternalStore(signIn.subscribe, signIn.getState);
  return h(Auth, { value: state }, children);
}
const useAuth = () => ({
  ...useContext(Auth),
  getToken: (options) => signIn.getToken(options),
});

function State() {
  const { sessionId } = useAuth();
  const { data } = useSuspenseQuery(instagramStatusOptions(useHoldfastClient(), sessionId));
  return h("p", null, data.account?.username ?? data.state);
}

createRoot(document.getElementById("root")).render(
  h(
    QueryClientProvider,
    { client: new QueryClient() },
    h(
      SignInProvider,
      null,
      h(
        "main",
        null,
        h(
          Suspense,
          { fallback: h("p", null, "One moment") },
          h(HoldfastProvider, { baseUrl: api, useAuth }, h(State)),
        ),
      ),
    ),
  ),
);
