/** Routers that redirect before the provider around them can look at the address. */
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

const Settings = () => h("main", null, h(InstagramConnection));

const routers = {
  element: () =>
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
  loader: () =>
    h(RouterProvider, {
      router: createBrowserRouter([
        { path: "/settings", Component: Settings },
        { path: "*", loader: () => redirect("/settings") },
      ]),
    }),
};

createRoot(document.getElementById("root")).render(
  h(StrictMode, null, h(HoldfastProvider, { baseUrl: api, useAuth }, routers[query.get("by")]())),
);
