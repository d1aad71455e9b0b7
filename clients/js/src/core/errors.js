/**
 * What the client throws: four kinds, told apart by class or by `kind`. Types:
 * `../holdfast-client.d.ts`.
 */

/** @typedef {import("../holdfast-client.d.ts").ErrorFacts} ErrorFacts */

/** The parent of all of them. */
export class HoldfastError extends Error {
  /** @param {ErrorFacts} facts */
  constructor(facts) {
    super(facts.message ?? facts.code);
    Object.assign(this, facts);
  }
}

/** Nobody is signed in, or the server refuses the session token and a fresh one did not help. */
export class HoldfastSessionError extends HoldfastError {
  name = "HoldfastSessionError";
  kind = /** @type {const} */ ("session");
}

/** The server, or something it depends on, could not do its work. */
export class HoldfastServiceError extends HoldfastError {
  name = "HoldfastServiceError";
  kind = /** @type {const} */ ("service");
}

/** No answer: offline, unreachable, reset, timed out; or no token to ask with. */
export class HoldfastNetworkError extends HoldfastError {
  name = "HoldfastNetworkError";
  kind = /** @type {const} */ ("network");
}

/** The server understood and declined: 400 to 429 with a problem document, 401 and 424 excepted. */
export class HoldfastRequestError extends HoldfastError {
  name = "HoldfastRequestError";
  kind = /** @type {const} */ ("request");
}

/** An answer that is not the server's, or not what was asked for. */
export const unreadableAnswer = () => new HoldfastServiceError({ code: "unreadable-answer" });

/** The person who asked is not the person who is signed in now. */
export const sessionChanged = () => new HoldfastSessionError({ code: "session-changed" });

/**
 * Was there no token to send anything with?
 * @param {{ code: string, sent?: unknown }} error With `sent`, a request had been sent.
 */
export const isUnsent = ({ code, sent }) =>
  !sent && /^(signed-out|token-(failed|timeout))$/.test(code);

/**
 * Any exception as one of ours.
 * @param {unknown} cause
 */
export const asHoldfastError = (cause) =>
  /** @type {import("../holdfast-client.d.ts").AnyHoldfastError} */ (
    cause instanceof HoldfastError ? cause : new HoldfastServiceError({ code: "unexpected", cause })
  );
