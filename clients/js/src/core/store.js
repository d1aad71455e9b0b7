/** What is known, as one frozen snapshot, and who is told when it changes. */
import { unreadableAnswer } from "./errors.js";

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
    isFetching: false,
    isConnecting: false,
    isCompleting: false,
    updatedAt: null,
    live: false,
  })
);

/**
 * Calls what an app gave us; what it throws is the app's, and must not stop us.
 * @template {unknown[]} A
 * @param {((...args: A) => void) | undefined} callback
 * @param {A} args
 */
export function callBack(callback, ...args) {
  try {
    callback?.(...args);
  } catch (error) {
    globalThis.reportError?.(error);
  }
}

/** @param {import("../holdfast-client.d.ts").Clock} clock */
export function createStore({ now }) {
  const listeners = /** @type {Set<(snapshot: HoldfastSnapshot) => void>} */ (new Set());
  let snapshot = INITIAL;
  /** Did an action of the person fail last, rather than a read? */
  let isErrorOfAction = false;

  /** @param {Partial<HoldfastSnapshot>} change */
  function set(change) {
    snapshot = Object.freeze(/** @type {HoldfastSnapshot} */ ({ ...snapshot, ...change }));
    for (const listener of [...listeners]) callBack(listener, snapshot);
  }

  return {
    get: () => snapshot,
    set,
    hasListeners: () => listeners.size > 0,

    /**
     * The same function added twice counts twice. Returns how to remove it.
     * @param {(snapshot: HoldfastSnapshot) => void} listener
     */
    add(listener) {
      const own = (/** @type {HoldfastSnapshot} */ next) => listener(next);
      listeners.add(own);
      return () => void listeners.delete(own);
    },

    /**
     * Takes in a status, and returns the one that stands then.
     * @param {InstagramStatus} next
     * @param {boolean} [isRead] a mere read leaves the error of an action standing: the person has yet to see it
     */
    learn(next, isRead) {
      if (!next?.state) throw unreadableAnswer();
      const known = snapshot.status;
      // What is said again stays the same object; the answer to an action may have been overtaken by a notice.
      const stands =
        known &&
        (JSON.stringify(next) === JSON.stringify(known) ||
          (!isRead && next.version < known.version));
      const status = stands ? known : next;
      set({
        phase: "ready",
        status,
        error: isRead && isErrorOfAction ? snapshot.error : null,
        updatedAt: now(),
      });
      return status;
    },

    /**
     * @param {AnyHoldfastError} error
     * @param {boolean} [isOfAction]
     * @param {boolean} [isFinal] nothing is sent until the session changes
     */
    fail(error, isOfAction = false, isFinal = false) {
      const { phase, status } = snapshot;
      isErrorOfAction = isOfAction;
      if (error.code !== "signed-out") {
        set({ phase: isFinal ? "session-refused" : status ? "ready" : "failed", error });
      } else if (phase !== "signed-out") set({ phase: "signed-out", status: null, error });
    },

    /** Another person's page now. */
    reset() {
      isErrorOfAction = false;
      set({ ...INITIAL, live: snapshot.live });
    },
  };
}
