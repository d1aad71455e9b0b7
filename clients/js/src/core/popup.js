/**
 * Connecting in a window of its own. Instagram's pages cut the tie between the two windows, so they find each other again
 * by a channel of this origin: the window says which attempt has returned, and whoever waits for that asks it to close.
 */

const CHANNEL = "holdfast:returned";
const FEATURES = "popup,width=520,height=760";
/** How long a window that has returned listens for being asked to close. */
const ASKED_WITHIN = 2_000;

/** To be called in the press itself: later a browser blocks it. Null where it is blocked. */
export const openPopup = () => globalThis.open?.("", "_blank", FEATURES) ?? null;

const openChannel = () => (globalThis.document && globalThis.BroadcastChannel ? new BroadcastChannel(CHANNEL) : null);

/**
 * Calls `onReturn` when the attempt has come back in another window, and closes that.
 * @param {string} attempt
 * @param {(outcome: any) => void} onReturn
 * @returns {() => void} stops waiting
 */
export function awaitPopup(attempt, onReturn) {
  const channel = openChannel();
  const stop = () => channel?.close();
  if (channel) {
    channel.onmessage = ({ data }) => {
      if (data?.returned !== attempt) return;
      channel.postMessage({ close: attempt });
      stop();
      onReturn(data.outcome);
    };
  }
  return stop;
}

/**
 * Says in the window that came back how the attempt ended.
 * @param {string | null} attempt
 * @param {object} outcome
 * @param {import("../holdfast-client.d.ts").Clock} clock
 */
export function announceReturn(attempt, outcome, clock) {
  const channel = attempt && openChannel();
  if (!channel) return;
  channel.onmessage = ({ data }) => data?.close === attempt && globalThis.close();
  channel.postMessage({ returned: attempt, outcome });
  clock.setTimeout(() => channel.close(), ASKED_WITHIN);
}
