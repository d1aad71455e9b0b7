/** What is known, as one frozen snapshot; how it is read, and who is told when it changes. */
import { unreadableAnswer } from "./errors.js";
import { ONE_MORE_WHILE_WELL } from "./limits.js";
import { ignore } from "./pending.js";
import { createAllowance } from "./timing.js";

/** @typedef {import("../holdfast-client.d.ts").HoldfastSnapshot} HoldfastSnapshot */
/** @typedef {import("../holdfast-client.d.ts").InstagramStatus} InstagramStatus */
/** @typedef {import("../holdfast-client.d.ts").AnyHoldfastError} AnyHoldfastError */
/** @typedef {ReturnType<typeof createStore>} Store */

/** Nothing is known yet; also what a server renders. */
export const INITIAL = /** @type {HoldfastSnapshot} */ (
  Object.freeze({
    phase: "idle",
    status: null,
    error: null,
    isStale: false,
    isFetching: false,
    isConnecting: false,
    isCompleting: false,
    updatedAt: null,
    live: false,
  })
);

/**
 * Tells an app; what it throws is the app's, and must not stop us.
 * @template T
 * @param {((value: T) => void) | undefined} callback
 * @param {T} value
 */
export function callBack(callback, value) {
  try {
    callback?.(value);
  } catch (error) {
    globalThis.reportError?.(error);
  }
  return value;
}

/**
 * @param {import("../holdfast-client.d.ts").Clock} clock
 * @param {import("./transport.js").Transport} transport
 * @param {import("./client.js").Operation} operation
 * @param {import("./timing.js").Allowance} allowance of the open page
 * @param {import("./session.js").Session} session
 * @param {() => void} onRecovery reading had failed, and the server is well again
 */
export function createStore(clock, transport, operation, allowance, session, onRecovery) {
  const listeners = /** @type {Set<(snapshot: HoldfastSnapshot) => void>} */ (new Set());
  let snapshot = INITIAL;
  /** The newest read, while it is under way. */
  let reading = /** @type {Promise<InstagramStatus> | null} */ (null);
  /**
   * What reads of an app draw on while the server is well; else it is the allowance of the open
   * page.
   */
  const whileWell = createAllowance(clock, ONE_MORE_WHILE_WELL);
  let budget = allowance;
  /** The newest read, also when it is over, unless something newer is known. */
  let latest = /** @type {Promise<InstagramStatus> | null} */ (null);
  let etag = /** @type {string | null} */ (null);
  /** What failed before a status was known; false where it is another session's. */
  let owed = /** @type {() => AnyHoldfastError | false | void} */ (ignore);

  /** Nobody is told what is another person's, though nobody has noticed them yet. */
  const get = () => (session.isOver() ? INITIAL : snapshot);

  /** @param {Partial<HoldfastSnapshot>} change */
  function set(change) {
    snapshot = Object.freeze(/** @type {HoldfastSnapshot} */ ({ ...snapshot, ...change }));
    for (const listener of [...listeners]) callBack(listener, get());
  }

  /**
   * Takes in a status, and returns the one that stands then.
   * @param {InstagramStatus | null} next
   * @param {boolean} [isRead] a mere read leaves the error of an action standing: the person has
   *        yet to see it
   */
  function learn(next, isRead) {
    if (!next?.state) throw unreadableAnswer();
    budget = whileWell;
    const { isStale } = snapshot;
    const known = snapshot.status ?? next;
    // What is said again stays the same object; the answer to an action may have been overtaken by
    // a notice.
    const stands =
      JSON.stringify(next) === JSON.stringify(known) || (!isRead && next.version < known.version);
    const status = stands ? known : next;
    // A status without an account says it by itself.
    const error = (status.account && owed()) || (isRead && !isStale ? snapshot.error : null);
    owed = ignore;
    set({
      phase: "ready",
      status,
      error,
      isStale: false,
      updatedAt: clock.now(),
    });
    if (isStale) onRecovery();
    return status;
  }

  /** What is known from now on is newer than any read under way, or another person's. */
  function overtake() {
    reading = latest = etag = null;
  }

  /** @param {() => boolean} isNewest */
  async function ask(isNewest) {
    const { value, response } = await transport("GET", "/user/instagram/status", {
      headers: etag ? { "if-none-match": etag } : null,
      mayProve: true,
    });
    if (!isNewest() && snapshot.status) return snapshot.status;
    etag = response.headers.get("etag");
    return learn(value ?? snapshot.status, true);
  }

  /**
   * One request for all who ask at once, by ETag, and never an older one over a newer.
   * @returns {Promise<InstagramStatus>}
   */
  function read() {
    if (reading) return reading;
    const isNewest = () => reading === mine;
    // Once more, for a person who has signed in meanwhile; not without end where every token is
    // another person's.
    const work = () =>
      reading ??
      ask(isNewest).finally(() => {
        if (isNewest()) reading = null;
        set({ isFetching: !!reading });
      });
    /** @type {Promise<InstagramStatus>} */
    const mine = (reading = latest = operation("read", work));
    budget = allowance;
    set({ isFetching: true, phase: snapshot.phase === "idle" ? "loading" : snapshot.phase });
    return mine;
  }

  return {
    get,
    set,
    learn,
    read,

    /**
     * A read for an app, which may ask again whenever it is told something: where it did so too
     * often it gets what the last read gave, be it a failure, and nobody is told of that again.
     */
    status() {
      session.present();
      return reading ?? ((budget.take() && latest) || read());
    },

    overtake,
    hasListeners: () => listeners.size,

    /**
     * The same function added twice counts twice. Returns how to remove it.
     * @param {(snapshot: HoldfastSnapshot) => void} listener
     */
    add(listener) {
      const own = (/** @type {HoldfastSnapshot} */ next) => listener(next);
      listeners.add(own);
      return () => listeners.delete(own);
    },

    /**
     * A status that the server told unasked. Nothing where it is unreadable or older than what is
     * known: it still says that something happened.
     * @param {InstagramStatus | undefined} next
     */
    hear(next) {
      const known = /** @type {number} */ (snapshot.status?.version); // nothing is less than none
      if (next?.state && !(next.version < known)) {
        overtake();
        return learn(next, true);
      }
    },

    /**
     * To be asked when the next status is learnt, what is to be shown beside it.
     * @param {typeof owed} later
     */
    owe: (later) => (owed = later),

    /**
     * @param {AnyHoldfastError} error
     * @param {boolean} isOfAction
     * @param {unknown} [refusal] why nothing is sent until the session changes
     */
    fail(error, isOfAction, refusal) {
      const { status, isStale } = snapshot;
      set(
        /** @type {Partial<HoldfastSnapshot>} */ (
          error.code === "signed-out"
            ? { phase: error.code, status: null, error: null } // the phase says it
            : {
                phase: refusal ? "session-refused" : status ? "ready" : "failed",
                error,
                isStale: isStale || !isOfAction || !!refusal,
              }
        ),
      );
    },
  };
}
