/** What Instagram's way back leaves in the address, and the address without it. */

/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */

/**
 * `value` is the completion or the reason; an ordinary address has no outcome.
 * @typedef {{ outcome?: ConnectOutcome["outcome"], attempt: string, value: string }} Return
 */

/**
 * What an address says of an attempt, and `rest`, the address without that. An app may have
 * parameters of its own by the same names: the server's come last, and never one without the
 * others.
 * @param {string | URL | Location} address
 */
function parseReturn(address) {
  const url = new URL(/** @type {URL} */ (address));
  const { href, searchParams } = url;
  /** @param {string} name */
  const take = (name) => {
    const value = /** @type {string} */ (searchParams.getAll(name).at(-1));
    searchParams.delete(name, value);
    return value;
  };
  const outcome = /** @type {ConnectOutcome["outcome"]} */ (take("instagram"));
  const attempt = take("attempt");
  const value = take(outcome === "complete" ? "completion" : "reason");
  return /^(complete|denied|failed|expired)$/.test(outcome) && attempt && value
    ? { rest: url.href.replace(/#_$/, ""), outcome, attempt, value } // Meta appends it
    : { rest: href };
}

/** With which the page was opened: a router may redirect before anybody asks. Taken once. */
let opened = /** @type {string | undefined} */ (globalThis.location?.href);

/**
 * What an address says of an attempt. The secret is taken out of this page's address at once.
 * @param {string | URL | Location | null | undefined} address
 */
export function takeReturn(address) {
  let found = /** @type {ReturnType<typeof parseReturn>} */ (address ? parseReturn(address) : {});
  if (globalThis.location?.href === String(address)) {
    if (found.outcome) {
      history.replaceState(history.state, "", found.rest);
      // Routers have read the address before and would write it back: the event tells them.
      dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
    } else found = parseReturn(opened ?? location);
    opened = undefined;
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
