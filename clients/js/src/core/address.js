/** What Instagram's way back leaves in the address, and the address without it. */

/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */
/** @typedef {ConnectOutcome & { completion: string | null }} Return */

const PARAMETERS = ["instagram", "attempt", "completion", "reason"];

/**
 * What an address says of an attempt; null for an ordinary one. The secret is taken out of this
 * page's address at once.
 * @param {string | URL | Location | null | undefined} address
 */
export function takeReturn(address) {
  if (!address) return null;
  const { href, searchParams } = new URL(/** @type {URL} */ (address));
  const [outcome, attempt, completion, reason] = PARAMETERS.map((name) => searchParams.get(name));
  if (!/^(complete|denied|failed|expired)$/.test(/** @type {string} */ (outcome))) return null;
  if (globalThis.location?.href === href) clean(href);
  return /** @type {Return} */ ({ outcome, attempt, reason, status: null, completion });
}

/** @param {string} address */
export function withoutReturn(address) {
  const url = new URL(address);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  return url.href.replace(/#_$/, ""); // Meta appends it
}

/**
 * Routers have read this page's address already and would write it back; the event is how they
 * hear that it has changed.
 * @param {string} address
 */
function clean(address) {
  history.replaceState(history.state, "", withoutReturn(address));
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}
