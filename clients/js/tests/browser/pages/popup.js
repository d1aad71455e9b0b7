/** A page that connects in a popup, and is the page in the popup as well. */
import { createHoldfastClient } from "holdfast-client";
import { closePopup, connectInPopup } from "holdfast-client/popup";
import { createSignIn } from "./sign-in.js";

const api = new URLSearchParams(location.search).get("api");
const signIn = createSignIn(api);
const client = (window.client = createHoldfastClient({
  baseUrl: api,
  getToken: (options) => signIn.getToken(options),
  onReturn: closePopup,
}));
client.completeFromUrl();
client.subscribe(({ status, phase }) => {
  document.querySelector("main").textContent = status?.state ?? phase;
});
document.querySelector("button").onclick = () => connectInPopup(client).catch(() => {});
