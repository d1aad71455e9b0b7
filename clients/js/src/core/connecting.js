/** Connecting: leaving for Instagram, coming back, and handing in what came back, whatever happens in between. */
import { cleanAddress, returnIn, withoutReturn } from "./address.js";
import { asHoldfastError, sessionChanged, unreadableAnswer } from "./errors.js";
import { callBack } from "./store.js";
import { backoff } from "./timing.js";
import { createUnfinished } from "./unfinished.js";

const CONNECT = "/user/instagram/connect";
/** The page is leaving; a second press must not start a second attempt meanwhile. */
const NAVIGATION_GRACE = 10_000;

/** @typedef {import("../holdfast-client.d.ts").ConnectAttempt} ConnectAttempt */
/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */
/** @typedef {import("./unfinished.js").Unfinished} Unfinished */

/**
 * May the same be sent again? The server answers the owner of a finished attempt alike each time.
 * @param {import("../holdfast-client.d.ts").AnyHoldfastError} error
 */
const isPassing = ({ kind, status, code }) =>
  kind === "network" ||
  (kind === "service" && status !== 424) ||
  status === 429 ||
  code === "attempt-in-progress";

/**
 * @param {object} parts
 * @param {string} parts.base
 * @param {import("./store.js").Store} parts.store
 * @param {import("./session.js").Session} parts.session
 * @param {import("./status-reader.js").StatusReader} parts.reader
 * @param {import("./client.js").Operation} parts.operation
 * @param {import("./client.js").Write} parts.write
 * @param {import("../holdfast-client.d.ts").Clock} parts.clock
 * @param {() => number} parts.random
 * @param {(url: string) => unknown} parts.navigate
 * @param {((outcome: ConnectOutcome) => void) | undefined} parts.onReturn
 */
export function createConnecting(parts) {
  const {
    base,
    store,
    session,
    reader,
    operation,
    write,
    clock,
    random,
    navigate: leaveTo,
    onReturn,
  } = parts;
  const unfinished = createUnfinished(base, clock.now);
  let connecting = /** @type {Promise<ConnectAttempt> | null} */ (null);
  let completing = /** @type {Promise<ConnectOutcome | null> | null} */ (null);

  /** A press begins anew: the page is put away, or did not leave after all. */
  function release() {
    connecting = null;
    store.set({ isConnecting: false });
  }

  /** @type {import("../holdfast-client.d.ts").HoldfastClient["connect"]} */
  function connect({ returnTo, forceReauth, expect, navigate = true } = {}) {
    if (connecting) return connecting;
    // What failed before has been read. Where no status is known it is all there is to show.
    store.set({ isConnecting: true, ...(store.get().status && { error: null }) });
    /** @type {Promise<ConnectAttempt>} */
    const promise = operation("action", async () => {
      let grace = 0;
      try {
        const attempt = /** @type {ConnectAttempt} */ (
          await write("POST", CONNECT, {
            return_to: returnTo ?? (globalThis.location && withoutReturn(location.href)),
            force_reauth: forceReauth,
            expect,
          })
        );
        if (!/^https?:\/\//.test(attempt.authorize_url)) throw unreadableAnswer();
        if (navigate) {
          grace = NAVIGATION_GRACE;
          await leaveTo(attempt.authorize_url);
        }
        return attempt;
      } finally {
        clock.setTimeout(() => connecting === promise && release(), grace);
      }
    });
    return (connecting = promise);
  }

  /** @type {import("../holdfast-client.d.ts").HoldfastClient["completeFromUrl"]} */
  function completeFromUrl(address = globalThis.location) {
    const returned = returnIn(address);
    if (!returned) return resume() ?? Promise.resolve(null);
    cleanAddress(returned.url); // before anything asynchronous
    const { outcome, attempt, completion, reason } = returned;
    if (attempt && completion) {
      unfinished.begin(attempt, completion);
      completing = null;
      return /** @type {Promise<ConnectOutcome | null>} */ (resume());
    }
    reader.read();
    return Promise.resolve(end({ outcome, attempt, reason, status: null }));
  }

  /** Goes on with what an earlier page, or an earlier session, could not finish. */
  function resume() {
    const kept = unfinished.get();
    if (completing || !kept) return completing;
    /** @type {Promise<ConnectOutcome | null>} */
    const promise = operation("action", async () => {
      try {
        return await handIn(kept, () => completing === promise);
      } finally {
        if (completing === promise) {
          completing = null;
          store.set({ isCompleting: false });
        }
      }
    });
    completing = promise;
    store.set({ isCompleting: true });
    return promise;
  }

  /**
   * @param {Unfinished} kept
   * @param {() => boolean} isWanted
   * @returns {Promise<ConnectOutcome | null>}
   */
  async function handIn({ attempt, completion, until, user }, isWanted) {
    const path = `${CONNECT}/${encodeURIComponent(attempt)}/complete`;
    for (let failures = 0; ; failures += 1) {
      try {
        const status = store.learn(await write("POST", path, { completion }, user ?? null));
        unfinished.keep(null);
        return end({ outcome: "complete", attempt, reason: null, status });
      } catch (cause) {
        const error = asHoldfastError(cause);
        const current = session.user();
        if (user && current && current !== user) return null; // theirs, and not this person's business
        if (error.kind === "session") throw error; // it waits for a session that is accepted
        if (!isPassing(error) || clock.now() >= until) {
          unfinished.keep(null);
          end({ outcome: "failed", attempt, reason: error.code, status: null });
          throw error;
        }
        if (failures && error.kind !== "request") store.fail(error, true);
        user ??= current;
        unfinished.keep({ attempt, completion, until, user });
        const pause = Math.max(error.retryAfterMs ?? 0, backoff(failures, random));
        await new Promise((resolve) => clock.setTimeout(() => resolve(0), pause));
        if (!isWanted()) throw sessionChanged();
      }
    }
  }

  /**
   * @template {ConnectOutcome} O
   * @param {O} outcome
   */
  function end(outcome) {
    callBack(onReturn, outcome);
    return outcome;
  }

  return {
    connect,
    completeFromUrl,
    resume,
    release,
    /** Another person may connect at once. */
    forget() {
      connecting = completing = null;
    },
  };
}
