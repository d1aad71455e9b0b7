/**
 * React Router, which reads the address before anybody can clean it; with `by` it redirects before
 * the provider around it has looked at it.
 */
import { createElement as h, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import {
  BrowserRouter,
  createBrowserRouter,
  Navigate,
  redirect,
  Route,
  RouterProvider,
  Routes,
  useSearchParams,
} from "react-router";
import { HoldfastProvider, InstagramConnection } from "holdfast-client/react";
import { createSignIn } from "./sign-in.js";

const query = new URLSearchParams(location.search);
const api = query.get("api");
const signIn = createSignIn(api);
const useAuth = () => ({
  ...signIn.getState(),
  getToken: (options) => signIn.getToken(options),
});

function Page() {
  const [parameters, setParameters] = useSearchParams();
  const goOn = () =>
    setParameters((before) => {
      before.set("tab", "2");
      return before;
    });
  return h(
    HoldfastProvider,
    { baseUrl: api, useAuth },
    h("main", null, h(InstagramConnection), h("output", null, parameters.toString())),
    h("button", { id: "tab", onClick: goOn }, "Tab"),
  );
}

const Settings = () => h("main", null, h(InstagramConnection));
const provided = (routed) => h(HoldfastProvider, { baseUrl: api, useAuth }, routed);
const routed = (...routes) => h(RouterProvider, { router: createBrowserRouter(routes) });

const views = {
  element: () =>
    provided(
      h(
        BrowserRouter,
        null,
        h(
          Routes,
          null,
          h(Route, { path: "/settings", element: h(Settings) }),
          h(Route, { path: "*", element: h(Navigate, { to: "/settings", replace: true }) }),
        ),
      ),
    ),
  loader: () =>
    provided(
      routed(
        { path: "/settings", Component: Settings },
        { path: "*", loader: () => redirect("/settings") },
      ),
    ),
  nothing: () => routed({ path: "*", Component: Page }),
};

createRoot(document.getElementById("root")).render(
  h(StrictMode, null, views[query.get("by") ?? "nothing"]()),
);
