/** What Instagram's way back leaves in the address, and the address without it. */
import { LOOK_AGAIN_AFTER, LOOK_ONCE_MORE_AFTER } from "./limits.js";

/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */

/**
 * `value` is the completion or the reason; an ordinary address has no outcome.
 * @typedef {{ outcome?: ConnectOutcome["outcome"], attempt: string, value: string }} Return
 */

/**
 * What an address says of an attempt, and `rest`, the address without that. An app may have
 * parameters of its own by the same names: the server's come last, and never one without the
 * others. The app's own text stays as it is written.
 * @param {unknown} address
 */
function parseReturn(address) {
  const href = String(address);
  let rest = href;
  /** @param {string} name */
  const take = (name) => {
    let value = ""; // nothing in it needs an escape
    rest = rest.replace(RegExp(`^([^#]*[?&])${name}=([^&#]*)&?`), (_, before, text) => {
      value = text;
      return before;
    });
    return value;
  };
  const outcome = /** @type {ConnectOutcome["outcome"]} */ (take("instagram"));
  const attempt = take("attempt");
  const value = take(outcome === "complete" ? "completion" : "reason");
  return /^(complete|denied|failed|expired)$/.test(outcome) && attempt && value
    ? {
        rest: rest.replace(/^([^#]*)[?&](?=#|$)/, "$1").replace(/#_$/, ""), // Meta appends it
        outcome,
        attempt,
        value,
      }
    : { rest: href };
}

/** With which the page was opened: a router may redirect before anybody asks. Taken once. */
let opened = /** @type {string | undefined} */ (globalThis.location?.href);

/**
 * What an address says of an attempt. The secret is taken out of this page's address at once, and
 * again where a router writes back what it had read before: those that listen by then are told.
 * @param {string | URL | Location | null | undefined} address
 * @param {import("../holdfast-client.d.ts").Clock} clock
 */
export function takeReturn(address, clock) {
  let found = parseReturn(address);
  if (globalThis.location?.href === String(address)) {
    if (!found.outcome) found = parseReturn(opened);
    opened = undefined;
    if (found.outcome) {
      /** @param {boolean} [tells] also where nothing is left to clean */
      const clean = (tells) => {
        const { rest, value } = parseReturn(location);
        const { state } = history;
        if (value === found.value) {
          history.replaceState(state, "", rest);
          tells = true;
        }
        if (tells) dispatchEvent(new PopStateEvent("popstate", { state }));
        return tells;
      };
      const isCleaned = clean();
      for (const ms of [0, LOOK_AGAIN_AFTER, LOOK_ONCE_MORE_AFTER])
        clock.setTimeout(() => clean(isCleaned && !ms), ms);
    }
  }
  return /** @type {Return} */ (found);
}

/**
 * Where to come back to: this page, without its query and fragment where the server refuses those.
 */
export function thisPage() {
  const { rest } = parseReturn(location);
  return /\\|.{2049}/.test(rest) ? rest.split(/[?#]/)[0] : rest;
}
