/** What Instagram's way back leaves in the address, and the address without it. */

/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */

const PARAMETERS = ["instagram", "attempt", "completion", "reason"];

/**
 * What an address says of an attempt; undefined for an ordinary one. The secret is taken out of this
 * page's address at once.
 * @param {string | URL | Location | null | undefined} address
 * @returns {[outcome: ConnectOutcome, completion: string | null | undefined] | undefined}
 */
export function takeReturn(address) {
  if (!address) return;
  const { href, searchParams } = new URL(/** @type {URL} */ (address));
  const [outcome, attempt, completion, reason] = PARAMETERS.map((name) => searchParams.get(name));
  if (!/^(complete|denied|failed|expired)$/.test(/** @type {string} */ (outcome))) return;
  if (globalThis.location?.href === href) {
    history.replaceState(history.state, "", withoutReturn(href));
    // Routers have read the address before and would write it back: the event tells them.
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
  }
  return [/** @type {ConnectOutcome} */ ({ outcome, attempt, reason, status: null }), completion];
}

/** @param {string} address */
export function withoutReturn(address) {
  const url = new URL(address);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  return url.href.replace(/#_$/, ""); // Meta appends it
}
