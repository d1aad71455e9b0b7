/** A page that connects in a popup, and is the page in the popup as well. */
import { createHoldfastClient } from "holdfast-client";
import { closePopup, connectInPopup } from "holdfast-client/popup";
import { describe, describeError } from "holdfast-client/states";
import { createSignIn } from "./sign-in.js";

const api = new URLSearchParams(location.search).get("api");
const signIn = createSignIn(api);
const client = (window.client = createHoldfastClient({
  baseUrl: api,
  getToken: (options) => signIn.getToken(options),
  onReturn: closePopup,
}));
client.completeFromUrl();
client.subscribe((snapshot) => {
  const { status, phase, error } = snapshot;
  document.querySelector("main").textContent = status?.state ?? phase;
  document.querySelector("#error").textContent = error ? describeError(error) : "";
  const { another } = describe(snapshot);
  document.querySelector("#another").hidden = !another;
  document.querySelector("#another").textContent = another ?? "";
});
document.querySelector("#connect").onclick = () => connectInPopup(client).catch(() => {});
document.querySelector("#another").onclick = () =>
  connectInPopup(client, { forceReauth: true, expect: "any_account" }).catch(() => {});
