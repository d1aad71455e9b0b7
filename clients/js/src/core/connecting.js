/** Connecting: leaving for Instagram, coming back, and handing in what came back, whatever happens in between. */
import { takeReturn, withoutReturn } from "./address.js";
import { asHoldfastError, unreadableAnswer } from "./errors.js";
import { ATTEMPT_LIFE, NAVIGATION_GRACE } from "./limits.js";
import { byAddressBar } from "./options.js";
import { callBack } from "./store.js";
import { pauseAfter } from "./timing.js";
import { createUnfinished } from "./unfinished.js";

const CONNECT = "/user/instagram/connect";

/** @typedef {import("../holdfast-client.d.ts").ConnectAttempt} ConnectAttempt */
/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */
/** @typedef {import("./unfinished.js").Unfinished} Unfinished */

/**
 * May the same be sent again? The server answers the owner of a finished attempt alike each time.
 * (Whose session is refused waits for another one, and is not asked about here.)
 * @param {import("../holdfast-client.d.ts").AnyHoldfastError} error
 */
const isPassing = ({ kind, status, problem }) =>
  status !== 424 && (kind !== "request" || problem?.action === "retry");

/**
 * @param {import("../holdfast-client.d.ts").HoldfastClientOptions} options
 * @param {import("./client.js").Parts} parts
 * @param {import("./client.js").Operation} operation
 * @param {import("./client.js").Write} write
 */
export function createConnecting(options, { base, store, session, clock }, operation, write) {
  const { navigate: leaveTo = byAddressBar(), onReturn } = options;
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
    const returned = takeReturn(address); // before anything asynchronous
    if (!returned) return resume() ?? Promise.resolve(null);
    const { completion, ...outcome } = returned;
    const { attempt } = outcome;
    if (attempt && completion) {
      unfinished.keep({ attempt, completion, until: clock.now() + ATTEMPT_LIFE, user: null });
      completing = null;
      return /** @type {Promise<ConnectOutcome | null>} */ (resume());
    }
    store.read();
    return Promise.resolve(tell(outcome));
  }

  /** Goes on with what an earlier page, or an earlier session, could not finish. */
  function resume() {
    const kept = unfinished.get();
    if (completing || !kept) return completing;
    const isCurrent = () => completing === promise;
    /** @type {Promise<ConnectOutcome | null>} */
    const promise = operation("action", () =>
      handIn(kept, isCurrent).finally(() => {
        if (!isCurrent()) return;
        completing = null;
        store.set({ isCompleting: false });
      }),
    );
    completing = promise;
    store.set({ isCompleting: true });
    return promise;
  }

  /**
   * @param {Unfinished} kept
   * @param {() => boolean} isCurrent
   */
  async function handIn(kept, isCurrent) {
    const { attempt, completion } = kept;
    const path = `${CONNECT}/${encodeURIComponent(attempt)}/complete`;
    for (let failures = 0; ; failures += 1) {
      try {
        const status = store.learn(await write("POST", path, { completion }, kept.user));
        unfinished.keep(null);
        return tell({ outcome: "complete", attempt, reason: null, status });
      } catch (cause) {
        const error = asHoldfastError(cause);
        const user = session.user();
        // Theirs, and not this person's business.
        if (user && kept.user && user !== kept.user) return null;
        if (error.kind === "session") throw error; // it waits for a session that is accepted
        if (!isPassing(error) || !unfinished.get()) {
          unfinished.keep(null);
          tell({ outcome: "failed", attempt, reason: error.code, status: null });
          throw error;
        }
        if (failures && error.kind !== "request") store.fail(error, true);
        kept.user ??= user ?? null;
        unfinished.keep(kept);
        await /** @type {Promise<void>} */ (
          new Promise((resolve) => clock.setTimeout(resolve, pauseAfter(error, failures)))
        );
        if (!isCurrent()) return null;
      }
    }
  }

  /** @param {ConnectOutcome} outcome */
  function tell(outcome) {
    callBack(onReturn, outcome);
    return outcome;
  }

  return {
    connect,
    completeFromUrl,
    resume,
    release,
    /** Another person may connect at once, or have something to finish here. */
    restart() {
      connecting = completing = null;
      resume();
    },
  };
}
