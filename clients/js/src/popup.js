/**
 * Connecting in a window of its own. Instagram's pages may cut the tie between the two windows, so
 * they find each other again by a channel of this origin: the window says which attempt has
 * returned, and how it failed if it did; who waits for that asks it to close, and shows the
 * failure.
 */
import { HoldfastNetworkError, HoldfastRequestError, HoldfastServiceError } from "./core/errors.js";

/** @typedef {import("./holdfast-client.d.ts").HoldfastClient} HoldfastClient */
/** @typedef {import("./holdfast-client.d.ts").ConnectAttempt} ConnectAttempt */

const CHANNEL = "holdfast:returned";
const FEATURES = "popup,width=520,height=760";
/**
 * How long an attempt lives. Not counted from its `expires_at`: this computer's clock may be off.
 */
const RETURNS_WITHIN = 600_000;
/** The second click of a double click comes before this has passed. */
const DOUBLE_CLICK = 500;
/** How long a window that has returned listens for being asked to close. */
const ASKED_WITHIN = 2_000;

/**
 * Null where the browser forbids storage: then the window stays open, and live updates tell the
 * page.
 */
function openChannel() {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null;
  }
}

/**
 * The press that is under way, and whose it is. A second one of theirs would open a second window,
 * and begin a second attempt.
 */
const pressed =
  /** @type {WeakMap<HoldfastClient, { person: string, attempt: Promise<ConnectAttempt> }>} */ (
    new WeakMap()
  );

/** @type {typeof import("./popup.d.ts").connectInPopup} */
export function connectInPopup(client, options) {
  const person = client.getSessionKey();
  const running = pressed.get(client);
  if (running?.person === person) return running.attempt;
  const attempt = begin(client, options);
  const press = { person, attempt };
  pressed.set(client, press);
  const end = () => pressed.get(client) === press && pressed.delete(client);
  attempt.then(() => setTimeout(end, DOUBLE_CLICK), end);
  return attempt;
}

/** @type {typeof import("./popup.d.ts").connectInPopup} */
async function begin(client, options) {
  // In the press itself: later a browser would block it.
  let popup;
  try {
    popup = globalThis.open?.("", "_blank", FEATURES);
  } catch {
    // Firefox, where the sandbox of a frame forbids it; others give null.
  }
  // Some blockers return a window that is closed already.
  if (!popup || popup.closed) return client.connect(options);
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

/** An error of another window, by its kind: what is posted loses its class. */
const ERRORS = {
  network: HoldfastNetworkError,
  request: HoldfastRequestError,
  service: HoldfastServiceError,
};

/**
 * @param {HoldfastClient} client
 * @param {ConnectAttempt} attempt
 */
function awaitReturn(client, { attempt_id: id }) {
  const channel = openChannel();
  if (!channel) return;
  const person = client.getSessionKey();
  const timer = setTimeout(() => channel.close(), RETURNS_WITHIN);
  channel.onmessage = async ({ data }) => {
    if (data.returned !== id) return;
    clearTimeout(timer);
    // Where somebody else has signed in the window stays: it says so, and has what is to be
    // finished.
    if (person === client.getSessionKey()) channel.postMessage({ close: id });
    channel.close();
    await client.status().catch(() => {}); // what it says is in the snapshot
    const { error } = data;
    const Failure = ERRORS[/** @type {keyof typeof ERRORS} */ (error?.kind)];
    if (Failure && person === client.getSessionKey())
      client.showError(/** @type {any} */ (new Failure(error)));
  };
}

/** @type {typeof import("./popup.d.ts").closePopup} */
export function closePopup({ attempt, error }) {
  const channel = openChannel();
  if (!channel) return;
  channel.onmessage = ({ data }) => data.close === attempt && globalThis.close();
  const { kind, code, message, status, problem, retryAfterMs } = error ?? {};
  channel.postMessage({
    returned: attempt,
    error: { kind, code, message, status, problem, retryAfterMs },
  });
  setTimeout(() => channel.close(), ASKED_WITHIN);
}
