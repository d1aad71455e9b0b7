/**
 * Live updates while somebody listens: a stream where one can be had, else polling. Nothing that
 * changes is missed, and nothing is asked for more often than the allowance lets it.
 */
import { isUnsent, unreadableAnswer } from "./errors.js";
import { createNoticeReader } from "./event-stream.js";
import {
  FIRST_BYTES,
  HIDDEN_GRACE,
  MOST_AT_ONCE,
  POLL_EVERY,
  POLL_EVERY_HIDDEN,
  POLLS_PER_STREAM_TRIAL,
  SILENCE,
  STREAM_MIN_LIFE,
  STREAM_TRIALS,
} from "./limits.js";
import { ignore } from "./pending.js";
import { createTabs } from "./tabs.js";
import { backoff, pauseAfter, within } from "./timing.js";

/** @typedef {import("../holdfast-client.d.ts").AnyHoldfastError} AnyHoldfastError */

/**
 * @param {string} base
 * @param {import("../holdfast-client.d.ts").Clock} clock
 * @param {import("./session.js").Session} session
 * @param {import("./store.js").Store} store
 * @param {import("./timing.js").Allowance} allowance
 * @param {import("./client.js").Ask} ask
 */
export function createLiveUpdates(base, clock, session, store, allowance, ask) {
  const tabs = createTabs(base, session.identity, store.hear);

  /** Identity of the running loop, whose page events end with it; null while nothing runs. */
  let turn = /** @type {AbortController | null} */ (null);
  /** What is known may be out of date, and no stream is about to say so. */
  let mustRead = true;
  let streamFailures = 0;
  let polls = 0;
  let abort = new AbortController();
  /** Ends the pause of the loop. */
  let wake = /** @type {(value?: unknown) => void} */ (ignore);
  let hideTimer = /** @type {unknown} */ (undefined);

  const isHidden = () => globalThis.document?.hidden;

  const wantsStream = () =>
    !isHidden() && (streamFailures < STREAM_TRIALS || polls >= POLLS_PER_STREAM_TRIAL);

  // --- The loop ------------------------------------------------------------------------------

  /**
   * @param {number} ms until the loop goes on, unless it is woken
   * @returns {Promise<unknown>}
   */
  const pause = (ms) =>
    within(clock, ms, () => new Promise((resolve) => (wake = resolve))).catch(ignore);

  /** Reads, or listens for as long as there is a stream. Returns how long to pause. */
  async function round(/** @type {object} */ mine) {
    if (wantsStream() && !mustRead) {
      mustRead = true;
      await listen();
      // The next stream begins with the state as it is, so that nothing falls between the two.
      return isHidden() ? POLL_EVERY_HIDDEN : backoff(0);
    }
    await store.read();
    if (mine !== turn) return 0;
    mustRead = !wantsStream();
    if (!mustRead) return 0;
    if (isHidden()) return POLL_EVERY_HIDDEN;
    polls += 1;
    return POLL_EVERY;
  }

  /** @param {object} mine */
  async function run(mine) {
    let failures = 0;
    while (mine === turn) {
      let ms = allowance.take();
      try {
        if (!ms) {
          ms = await round(mine);
          failures = 0;
        }
      } catch (cause) {
        const error = /** @type {AnyHoldfastError} */ (cause);
        if (isUnsent(error)) allowance.giveBack();
        ms = pauseAfter(error, failures);
        failures += 1;
      }
      if (mine !== turn) return;
      if (mustRead || isHidden()) store.set({ live: "poll" });
      if (ms) await pause(ms);
    }
  }

  // --- The stream ----------------------------------------------------------------------------

  /**
   * Waits for this tab's turn to hold the stream, and holds it until it ends; polls again where
   * that takes long.
   */
  async function listen() {
    const own = (abort = new AbortController());
    const { signal } = own;
    polls = 0;
    let isHeld = false;
    const timer = clock.setTimeout(() => isHeld || own.abort(), POLL_EVERY);
    try {
      await tabs.lead(signal, () => {
        isHeld = true;
        return hold(signal);
      });
    } catch (error) {
      if (signal.aborted) return; // it was we who ended it
      streamFailures += 1;
      throw error;
    } finally {
      clock.clearTimeout(timer);
      own.abort();
      if (!isHeld) allowance.giveBack(); // nothing was sent
    }
  }

  /** @param {AbortSignal} signal */
  async function hold(signal) {
    const began = clock.now();
    let limit = FIRST_BYTES;
    let isDoubtful = false;
    const { body, headers } = await ask("GET", "/user/events", {
      stream: signal,
    });
    if (!/event-stream/.test(headers.get("content-type"))) throw unreadableAnswer();
    const reader = body.getReader(); // there may be no body, as in React Native: that throws too
    const noticesIn = createNoticeReader();
    for (;;) {
      const { done, value } = await within(clock, limit, () => reader.read(), "stream");
      session.present();
      // It may be what another person is to hear. Not every `fetch` of an app minds the signal.
      if (signal.aborted) return reader.cancel();
      if (done) break;
      if (limit === FIRST_BYTES) store.set({ live: "stream" });
      limit = SILENCE;
      for (const status of noticesIn(value)) {
        if (store.hear(status)) tabs.tell(status);
        else {
          // It still says that something happened: ask, if there is an allowance for that.
          isDoubtful = true;
          if (!allowance.take()) store.read();
        }
      }
    }
    if (limit === FIRST_BYTES) throw unreadableAnswer(); // it ended and had said nothing
    mustRead = isDoubtful;
    if (clock.now() - began < STREAM_MIN_LIFE) streamFailures += 1;
    else {
      streamFailures = 0;
      if (!isDoubtful) allowance.giveBack(MOST_AT_ONCE);
    }
  }

  // --- The page ------------------------------------------------------------------------------

  /** @param {{ type: string }} event */
  function onPageEvent({ type }) {
    clock.clearTimeout(hideTimer);
    if (type === "pagehide") {
      abort.abort();
      tabs.close();
    } else if (isHidden()) {
      hideTimer = clock.setTimeout(() => abort.abort(), tabs.areShared() ? HIDDEN_GRACE : 0);
    } else {
      // The machine has slept, or changed networks: the stream may be dead without a word.
      if (type === "online") abort.abort();
      tabs.open();
      wake();
    }
  }

  /** Runs while somebody listens, and the session is not refused. */
  function follow() {
    if (session.refusal() || !store.hasListeners()) return stop();
    if (turn) return;
    mustRead = true;
    turn = new AbortController();
    const { signal } = turn;
    // "visibilitychange" bubbles up from the document.
    for (const type of ["visibilitychange", "online", "pageshow", "pagehide"])
      globalThis.addEventListener?.(type, onPageEvent, { signal });
    tabs.open();
    store.set({ live: "poll" });
    run(turn);
  }

  function stop() {
    if (!turn) return;
    turn.abort();
    turn = null;
    onPageEvent({ type: "pagehide" });
    wake();
    store.set({ live: false });
  }

  return {
    follow,
    stop,
    /** What is known has just been read, and the loop may have been told to pause for an hour. */
    wake() {
      mustRead = false;
      wake();
    },
  };
}
