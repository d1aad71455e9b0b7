/**
 * A settings page on a real `holdfast dev`: its sign-in is shared by all tabs of the browser, as
 * Clerk's is.
 */
import { createElement as h, StrictMode, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { closePopup, connectInPopup } from "holdfast-client/popup";
import {
  HoldfastProvider,
  InstagramConnection,
  useHoldfastClient,
  useInstagram,
} from "holdfast-client/react";
import { createSharedSignIn } from "./shared-sign-in.js";

const query = new URLSearchParams(location.search);
const api = query.get("api");
const signIn = (window.signIn = createSharedSignIn(query.get("clerk")));

const useAuth = () => ({
  ...useSyncExternalStore(signIn.subscribe, signIn.getState),
  getToken: (options) => signIn.getToken(options),
});

function Header() {
  const { isSignedIn } = useAuth();
  return h("header", null, isSignedIn ? "Signed in" : "Signed out");
}

function InPopup() {
  const client = useHoldfastClient();
  window.instagram = useInstagram();
  const connect = () => connectInPopup(client).catch(() => {});
  return h("button", { type: "button", onClick: connect }, "In a window of its own");
}

createRoot(document.getElementById("root")).render(
  h(
    StrictMode,
    null,
    h(
      HoldfastProvider,
      { baseUrl: api, useAuth, onReturn: closePopup },
      h(Header),
      h("main", null, h(InstagramConnection)),
      h(InPopup),
    ),
  ),
);
