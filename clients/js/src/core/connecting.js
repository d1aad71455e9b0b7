/**
 * Connecting: leaving for Instagram, coming back, and handing in what came back, whatever happens
 * in between.
 */
import { takeReturn, thisPage } from "./address.js";
import { asHoldfastError, HoldfastRequestError, isUnsent, unreadableAnswer } from "./errors.js";
import {
  ATTEMPT_LIFE,
  HAND_IN_WITHIN,
  LONG_SINCE,
  LONGEST_PAUSE,
  NAVIGATION_GRACE,
} from "./limits.js";
import { byAddressBar } from "./options.js";
import { ignore } from "./pending.js";
import { permits } from "./problem.js";
import { callBack } from "./store.js";
import { pauseAfter, within } from "./timing.js";
import { createNote } from "./unfinished.js";

const CONNECT = "/user/instagram/connect";

/** @typedef {import("../holdfast-client.d.ts").ConnectAttempt} ConnectAttempt */
/** @typedef {import("../holdfast-client.d.ts").ConnectOutcome} ConnectOutcome */
/** @typedef {import("./unfinished.js").Unfinished} Unfinished */

/**
 * @param {import("../holdfast-client.d.ts").HoldfastClientOptions} options
 * @param {string} base
 * @param {import("../holdfast-client.d.ts").Clock} clock
 * @param {import("./session.js").Session} session
 * @param {import("./store.js").Store} store
 * @param {import("./timing.js").Allowance} allowance
 * @param {import("./client.js").Operation} operation
 * @param {import("./client.js").Write} write
 */
export function createConnecting(
  options,
  base,
  clock,
  session,
  store,
  allowance,
  operation,
  write,
) {
  const { navigate: assign, onReturn } = options;
  /** @type {ReturnType<typeof byAddressBar>} */
  const depart = assign ? () => ({ location: { assign } }) : byAddressBar();
  /** @type {ReturnType<typeof createNote<Unfinished>>} */
  const unfinished = createNote(`unfinished:${base}`);
  /** Who left, by attempt. @type {ReturnType<typeof createNote<Record<string, any>>>} */
  const left = createNote("left");
  let connecting = /** @type {Promise<ConnectAttempt> | null} */ (null);
  /** What is being handed in, and the promise of how that ends. */
  let current = /** @type {Unfinished | null} */ (null);
  let completing = /** @type {Promise<ConnectOutcome | null> | null} */ (null);
  /** A press begins anew: the page is put away, or did not leave after all. */
  function release() {
    connecting = null;
    store.set({ isConnecting: false });
  }

  /** @type {import("../holdfast-client.d.ts").HoldfastClient["connect"]} */
  function connect({
    returnTo,
    // Who came back with the wrong account has to be asked who they are.
    forceReauth = store.get().error?.code === "different-account",
    expect,
    navigate = true,
  } = {}) {
    session.present();
    if (connecting) return connecting;
    // What failed before has been read. Where no status is known it is all there is to show.
    store.set({ isConnecting: true, ...(store.get().status && { error: null }) });
    // Also where nobody listens: a page that is thawed on "back" can be left again.
    globalThis.addEventListener?.("pagehide", release, { once: true });
    let page = /** @type {ReturnType<typeof depart> | undefined} */ (undefined);
    /** @type {Promise<ConnectAttempt>} */
    const promise = operation("action", async () => {
      if (navigate) page = depart();
      const attempt = /** @type {ConnectAttempt} */ (
        await write("POST", CONNECT, {
          return_to: returnTo ?? (globalThis.location && thisPage()),
          force_reauth: forceReauth,
          expect,
        })
      );
      if (!/^https?:\/\//.test(attempt.authorize_url)) throw unreadableAnswer();
      left.keep({ [attempt.attempt_id]: session.user() });
      await page?.location.assign(attempt.authorize_url);
      return attempt;
    });
    const end = () => connecting === promise && release();
    // Before the caller hears of it, so that it can begin anew.
    promise.then(
      () => (page && !page.close ? clock.setTimeout(end, NAVIGATION_GRACE) : end()),
      () => {
        page?.close?.();
        end();
      },
    );
    return (connecting = promise);
  }

  /** @type {import("../holdfast-client.d.ts").HoldfastClient["completeFromUrl"]} */
  function completeFromUrl(address = globalThis.location) {
    const { outcome, attempt, value } = takeReturn(address, clock); // before anything asynchronous
    if (outcome === "complete") {
      const until = clock.now() + ATTEMPT_LIFE;
      unfinished.keep({ attempt, completion: value, until });
      completing = null;
    } else if (outcome) {
      /** @type {any} */
      const error = new HoldfastRequestError({
        code: outcome === "denied" ? outcome : `attempt_${outcome}`,
      });
      const since = session.present();
      const user = left.get()?.[attempt];
      // Where it is not known who left, the first person to come gets it.
      store.owe(
        () => since === session.present() && (user ?? session.user()) === session.user() && error,
      );
      store.read().catch(ignore);
      return Promise.resolve(tell(outcome, attempt, value, error));
    }
    return resume();
  }

  /**
   * Also where the clock was put back since: then from now on, and no longer.
   * @param {Unfinished | null | undefined} kept
   * @returns {kept is Unfinished}
   */
  const isAlive = (kept) =>
    !!kept && (kept.until = Math.min(kept.until, clock.now() + ATTEMPT_LIFE)) > clock.now();

  /** Goes on with what an earlier page, or an earlier session, could not finish. */
  function resume() {
    if (completing) return completing;
    const kept = unfinished.get();
    if (!isAlive(kept)) {
      unfinished.keep(null);
      return Promise.resolve(null);
    }
    current = kept;
    completing = operation("action", () =>
      handIn(kept).finally(() => {
        if (current !== kept) return;
        completing = null;
        store.set({ isCompleting: false });
      }),
    );
    store.set({ isCompleting: !kept.not }); // else it is, as yet, somebody else's
    return completing;
  }

  /** @param {Unfinished} kept */
  async function handIn(kept) {
    const { attempt, completion } = kept;
    const path = `${CONNECT}/${encodeURIComponent(attempt)}/complete`;
    /** False once another client of this tab had the answer, or a newer return took its place. */
    const isOpen = () => current === kept && unfinished.get()?.completion === completion;
    /** @param {string | undefined} user */
    const isFor = (user) => (kept.user ?? user) === user && kept.not !== user;
    let ms = 0;
    for (let failures = 0; ; failures += 1) {
      while ((ms ||= allowance.take())) {
        const pause = () => new Promise((resolve) => (self.wake = resolve));
        const cost = await within(clock, ms, pause).catch(ignore);
        if (current !== kept) return null;
        ms = 0;
        if (cost >= 0) {
          allowance.giveBack(-cost);
          break;
        }
      }
      try {
        const status = store.learn(await write("POST", path, { completion }, isFor));
        if (!isOpen()) return null;
        unfinished.keep(null);
        return tell("complete", attempt, null, undefined, status);
      } catch (cause) {
        const error = asHoldfastError(cause);
        const user = session.user();
        if (isUnsent(error)) allowance.giveBack();
        // Answered elsewhere, or not this person's business.
        if (!isOpen() || (user && !isFor(user))) return null;
        if (error.kind === "session") throw error; // it waits for a session that is accepted
        if (!permits(error, /retry|sign_in/) || !isAlive(kept)) {
          // It waits for the person whose it is, and is not sent for this one again.
          unfinished.keep(
            error.code === "attempt-not-yours"
              ? { ...kept, user: undefined, not: user ?? "?" }
              : null,
          );
          tell("failed", attempt, error.code, error);
          throw error;
        }
        kept.user ??= user;
        unfinished.keep(kept);
        // Where reading fails too, it is for the page's reads to find out when that ends.
        const isElsewhere = store.get().isStale && store.hasListeners();
        ms = Math.min(HAND_IN_WITHIN, pauseAfter(error, isElsewhere ? LONG_SINCE : failures));
        // A short outage is not shown; what Instagram says is, since it may take minutes.
        if (error.problem?.reason || ms > LONGEST_PAUSE || (failures && error.kind !== "request"))
          store.fail(error, true);
      }
    }
  }

  /**
   * @param {ConnectOutcome["outcome"]} outcome
   * @param {string} attempt
   * @param {string | null} reason
   * @param {ConnectOutcome["error"]} error
   * @param {ConnectOutcome["status"]} [status]
   */
  function tell(outcome, attempt, reason, error, status = null) {
    return callBack(
      onReturn,
      /** @type {ConnectOutcome} */ ({ outcome, attempt, reason, status, error }),
    );
  }

  const self = {
    connect,
    completeFromUrl,
    resume,
    /**
     * Ends the pause before the next try, which is made though the allowance may be used up, and
     * costs so much of it from then on.
     */
    wake: /** @type {(cost: number) => void} */ (ignore),
    /** Another person may connect at once, or have something to finish here. */
    restart() {
      connecting = completing = current = null;
      resume();
    },
  };
  return self;
}
