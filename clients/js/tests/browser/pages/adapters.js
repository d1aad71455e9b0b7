/** One client, and two libraries that each keep what it says in a cache of their own. */
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import { createElement as h, StrictMode, useEffect, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { createHoldfastClient } from "holdfast-client";
import { describe, describeError } from "holdfast-client/states";
import { feedSwr, instagramStatusSwr } from "holdfast-client/swr";
import { feedQueryClient, instagramStatusOptions } from "holdfast-client/tanstack-query";
import useSWR, { useSWRConfig } from "swr";
import { createSignIn } from "./sign-in.js";

const query = new URLSearchParams(location.search);
const api = query.get("api");
/** An app may do without live updates. */
const isFed = !query.has("not-fed");

window.signOuts = 0;
const signIn = (window.signIn = createSignIn(api));
const client = (window.client = createHoldfastClient({
  baseUrl: api,
  getToken: (options) => signIn.getToken(options),
  getSessionId: () => signIn.getState().sessionId,
}));
signIn.subscribe(() => client.sessionChanged());

function Shown({ name, status, error }) {
  return h(
    "section",
    { id: name },
    h("h2", null, name),
    h("p", { className: "account" }, status?.account?.username),
    h(
      "p",
      { className: "state" },
      status ? describe({ phase: "ready", status, error }).title : "Nothing known",
    ),
    h("p", { className: "error" }, error && describeError(error)),
  );
}

function Swr() {
  const { mutate } = useSWRConfig();
  const { sessionId } = useSyncExternalStore(signIn.subscribe, signIn.getState);
  useEffect(() => (isFed ? feedSwr(client, mutate, sessionId) : undefined), [mutate, sessionId]);
  const { data, error, mutate: again } = useSWR(...instagramStatusSwr(client, sessionId));
  window.refetchSwr = () => again();
  return h(Shown, { name: "swr", status: data, error });
}

function Query() {
  const queryClient = useQueryClient();
  const { sessionId } = useSyncExternalStore(signIn.subscribe, signIn.getState);
  useEffect(
    () => (isFed ? feedQueryClient(client, queryClient, sessionId) : undefined),
    [queryClient, sessionId],
  );
  const { data, error, refetch } = useQuery(instagramStatusOptions(client, sessionId));
  window.refetchQuery = () => refetch();
  return h(Shown, { name: "tanstack-query", status: data, error });
}

function Header() {
  const { isSignedIn } = useSyncExternalStore(signIn.subscribe, signIn.getState);
  return h("header", null, isSignedIn ? "Signed in as Ada" : "Signed out");
}

const queries = new QueryClient();
createRoot(document.getElementById("root")).render(
  h(
    StrictMode,
    null,
    h(QueryClientProvider, { client: queries }, h(Header), h("main", null, h(Swr), h(Query))),
  ),
);
