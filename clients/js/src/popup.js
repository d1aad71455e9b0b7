/**
 * Connecting in a window of its own. Instagram's pages may cut the tie between the two windows, so they find each other
 * again by a channel of this origin: the window says which attempt has returned, and who waits for that asks it to close.
 */

/** @typedef {import("./holdfast-client.d.ts").HoldfastClient} HoldfastClient */
/** @typedef {import("./holdfast-client.d.ts").ConnectAttempt} ConnectAttempt */

const CHANNEL = "holdfast:returned";
const FEATURES = "popup,width=520,height=760";
/** How long an attempt lives. Not counted from its `expires_at`: this computer's clock may be off. */
const RETURNS_WITHIN = 600_000;
/** The second click of a double click comes before this has passed. */
const DOUBLE_CLICK = 500;
/** How long a window that has returned listens for being asked to close. */
const ASKED_WITHIN = 2_000;

/** Null where the browser forbids storage: then the window stays open, and live updates tell the page. */
function openChannel() {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null;
  }
}

/** The press that is under way. A second one would open a second window, and begin a second attempt. */
const pressed = /** @type {WeakMap<HoldfastClient, Promise<ConnectAttempt>>} */ (new WeakMap());

/** @type {typeof import("./popup.d.ts").connectInPopup} */
export function connectInPopup(client, options) {
  const attempt =
    pressed.get(client) ??
    begin(client, options).finally(() => setTimeout(() => pressed.delete(client), DOUBLE_CLICK));
  pressed.set(client, attempt);
  return attempt;
}

/** @type {typeof import("./popup.d.ts").connectInPopup} */
async function begin(client, options) {
  // In the press itself: later a browser would block it.
  const popup = globalThis.open?.("", "_blank", FEATURES);
  if (!popup) return client.connect(options);
  try {
    const attempt = await client.connect({ ...options, navigate: false });
    if (popup.closed) return attempt; // the person has thought better of it
    popup.opener = null; // Instagram's pages must not be able to lead this one elsewhere
    awaitReturn(client, attempt);
    popup.location.replace(attempt.authorize_url);
    return attempt;
  } catch (error) {
    popup.close();
    throw error;
  }
}

/**
 * @param {HoldfastClient} client
 * @param {ConnectAttempt} attempt
 */
function awaitReturn(client, { attempt_id: id }) {
  const channel = openChannel();
  if (!channel) return;
  const timer = setTimeout(() => channel.close(), RETURNS_WITHIN);
  channel.onmessage = ({ data }) => {
    if (data.returned !== id) return;
    clearTimeout(timer);
    channel.postMessage({ close: id });
    channel.close();
    client.status().catch(() => {}); // what it says is in the snapshot
  };
}

/** @type {typeof import("./popup.d.ts").closePopup} */
export function closePopup({ attempt }) {
  const channel = openChannel();
  if (!channel) return;
  channel.onmessage = ({ data }) => data.close === attempt && globalThis.close();
  channel.postMessage({ returned: attempt });
  setTimeout(() => channel.close(), ASKED_WITHIN);
}
