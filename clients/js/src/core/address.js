/** What Instagram's way back leaves in the address, and the address without it. */

/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */

const PARAMETERS = ["instagram", "attempt", "completion", "reason"];

/**
 * @typedef {object} Return
 * @property {URL} url the address that said so
 * @property {"complete" | "denied" | "failed" | "expired"} outcome
 * @property {string | null} attempt
 * @property {string | null} completion
 * @property {string | null} reason
 */

/**
 * What the address says of an attempt; null for an ordinary one.
 * @param {string | URL | Location | undefined} address
 * @returns {Return | null}
 */
export function returnIn(address) {
  if (!address) return null;
  const url = new URL(/** @type {Location} */ (address).href ?? address);
  const [outcome, attempt, completion, reason] = PARAMETERS.map((name) =>
    url.searchParams.get(name),
  );
  if (!/^(complete|denied|failed|expired)$/.test(outcome ?? "")) return null;
  return /** @type {Return} */ ({ url, outcome, attempt, completion, reason });
}

/** @param {string | URL} address */
export function withoutReturn(address) {
  const url = new URL(address);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  return url.href.replace(/#_$/, ""); // Meta appends it
}

/**
 * Takes the secret out of this page's address. Routers have read the address already and would write it back; the event
 * is how they hear that it has changed.
 * @param {URL} url
 */
export function cleanAddress(url) {
  if (globalThis.location?.href !== url.href) return;
  history.replaceState(history.state, "", withoutReturn(url));
  if (globalThis.PopStateEvent)
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}
