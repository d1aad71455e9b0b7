/**
 * A settings page with everything that provokes trouble: StrictMode, Suspense, `getToken` with a
 * new identity on each render, and a sign-in library that, as Clerk's does, trusts this computer's
 * clock for the age of its tokens.
 */
import {
  createElement as h,
  lazy,
  StrictMode,
  Suspense,
  useEffect,
  useState,
  useSyncExternalStore,
  version,
} from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { HoldfastProvider, InstagramConnection, useInstagram } from "holdfast-client/react";
import { createSignIn } from "./sign-in.js";

const query = new URLSearchParams(location.search);
const api = query.get("api") ?? sessionStorage.getItem("api");
if (!query.has("api-in-query")) sessionStorage.setItem("api", api);

window.reactVersion = version;
window.signOuts = 0;
window.renders = 0;
/** What an effect of the app's own would store of each session. */
window.saved = [];
const signIn = (window.signIn = createSignIn(api, query.has("slow-sign-in")));

function useAuth() {
  const state = useSyncExternalStore(signIn.subscribe, signIn.getState, signIn.getState);
  return {
    ...state,
    ...(query.has("without-session-id") && { sessionId: undefined }),
    getToken: (options) => signIn.getToken(options),
    signOut: () => (window.signOuts += 1),
  };
}

function Header() {
  const { isSignedIn } = useAuth();
  return h("header", null, isSignedIn ? "Signed in as Ada" : "Signed out");
}

function Probe() {
  const { sessionId } = useAuth();
  const { status } = (window.instagram = useInstagram());
  window.renders += 1;
  const name = status?.account?.username ?? null;
  useEffect(() => void window.saved.push([sessionId, name]), [sessionId, name]);
  const [count, setCount] = useState(0);
  useEffect(() => {
    window.rerender = () => setCount((n) => n + 1);
  }, []);
  return h("output", { hidden: true }, count);
}

const Late = lazy(async () => {
  await new Promise((resolve) => (window.resolveSuspense = resolve));
  return { default: InstagramConnection };
});

function App() {
  const Connection = query.has("suspense") ? Late : InstagramConnection;
  return h(
    HoldfastProvider,
    { baseUrl: api, useAuth },
    h(Header),
    h(
      "main",
      null,
      h(
        Suspense,
        { fallback: h("p", null, "One moment") },
        h(Probe),
        h(Connection),
        query.has("twice") && h(Connection),
      ),
    ),
  );
}

const root = document.getElementById("root");
const app = h(StrictMode, null, h(App));
if (query.has("hydrate")) {
  const { renderToString } = await import("react-dom/server");
  root.innerHTML = renderToString(app);
  hydrateRoot(root, app);
} else {
  const page = createRoot(root);
  page.render(app);
  window.leave = () => page.unmount();
}
