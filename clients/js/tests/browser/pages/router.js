/** React Router around the provider: it has read the address before anybody could clean it. */
import { createElement as h, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider, useSearchParams } from "react-router";
import { HoldfastProvider, InstagramConnection } from "holdfast-client/react";
import { createSignIn } from "./sign-in.js";

const api = new URLSearchParams(location.search).get("api");
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

const router = createBrowserRouter([{ path: "*", Component: Page }]);
createRoot(document.getElementById("root")).render(
  h(StrictMode, null, h(RouterProvider, { router })),
);
