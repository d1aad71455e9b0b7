/** Time limits, back-off, and how much may be asked unbidden. All durations are milliseconds. */
import { HoldfastNetworkError } from "./errors.js";
import { LONGEST_PAUSE, MOST_AT_ONCE, SHORTEST_PAUSE } from "./limits.js";

/** @typedef {import("../holdfast-client.d.ts").Clock} Clock */
/** @typedef {ReturnType<typeof createAllowance>} Allowance */

/**
 * The computer's. A browser's own functions must be called on their own, and found when they are
 * called.
 * @type {Clock}
 */
export const realClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * Doubles from 1 s to a minute, half of it random, so that a thousand tabs do not return at once.
 * @param {number} failures how many there were before this one
 */
export const backoff = (failures) =>
  Math.min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** failures) * (0.5 + Math.random() / 2);

/**
 * How long until the same may be asked again.
 * @param {import("../holdfast-client.d.ts").AnyHoldfastError} error
 * @param {number} failures
 */
export const pauseAfter = ({ status, retryAfterMs = 0 }, failures) =>
  // A 403 can end by itself (a pending session becomes active), but not soon.
  Math.max(status === 403 ? LONGEST_PAUSE : retryAfterMs, backoff(failures));

/**
 * `work` with a time limit; every failure comes out as a `HoldfastNetworkError`.
 * @template T
 * @param {Clock} clock
 * @param {number} ms
 * @param {() => T | Promise<T>} work
 * @param {string} [what] names the codes: `what-timeout` and `what-failed`
 * @returns {Promise<T>}
 */
export const within = (clock, ms, work, what) =>
  new Promise((resolve, reject) => {
    /** @param {string} how @param {unknown} [cause] */
    const fail = (how, cause) =>
      reject(new HoldfastNetworkError({ code: `${what}-${how}`, cause }));
    const timer = clock.setTimeout(() => fail("timeout"), ms);
    (async () => resolve(await work()))()
      .catch((cause) => fail("failed", cause))
      .finally(() => clock.clearTimeout(timer));
  });

/**
 * How many requests may be made at all: six at once, then one each `oneMoreEvery`.
 * @param {Clock} clock
 * @param {number} oneMoreEvery
 */
export function createAllowance({ now }, oneMoreEvery) {
  let left = MOST_AT_ONCE;
  // Not the time of its making: frameworks that prerender forbid to read a clock there.
  let countedAt = 0;
  return {
    /** Takes one and returns 0; or takes none and returns how long to wait for the next. */
    take() {
      const passed = Math.max(0, now() - countedAt); // a clock can be put back
      left = Math.min(MOST_AT_ONCE, left + passed / oneMoreEvery);
      countedAt = now();
      if (left < 1) return Math.ceil((1 - left) * oneMoreEvery);
      left -= 1;
      return 0;
    },
    /**
     * What was taken was not needed, or did no harm. It never holds more than at first. Less than
     * none takes in advance.
     */
    giveBack(count = 1) {
      left += count;
    },
  };
}
