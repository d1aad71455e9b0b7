/** Time limits, back-off, and how much may be asked unbidden. All durations are milliseconds. */
import { HoldfastNetworkError } from "./errors.js";

/** @typedef {import("../holdfast-client.d.ts").Clock} Clock */

/** The computer's. A browser's own functions must be called on their own, and found when they are called. @type {Clock} */
export const realClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** A back-off ends here. */
export const LONGEST_PAUSE = 60_000;

const MOST_AT_ONCE = 6;
const ONE_MORE_EVERY = 30_000;

/**
 * Doubles from 1 s to a minute, half of it random, so that a thousand tabs do not return at once.
 * @param {number} failures how many there were before this one
 * @param {() => number} random
 */
export const backoff = (failures, random) =>
  Math.min(LONGEST_PAUSE, 1_000 * 2 ** failures) * (0.5 + random() / 2);

/**
 * `work` with a time limit; whatever goes wrong comes out as a `HoldfastNetworkError`.
 * @template T
 * @param {Clock} clock
 * @param {number} ms
 * @param {() => T | Promise<T>} work
 * @param {string} what names the codes: `what-timeout` and `what-failed`
 * @param {() => void} [onTimeout]
 * @returns {Promise<T>}
 */
export const within = (clock, ms, work, what, onTimeout) =>
  new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      reject(new HoldfastNetworkError({ code: `${what}-timeout` }));
      onTimeout?.();
    }, ms);
    (async () => resolve(await work()))()
      .catch((cause) => reject(new HoldfastNetworkError({ code: `${what}-failed`, cause })))
      .finally(() => clock.clearTimeout(timer));
  });

/**
 * How many requests may be made without a person's asking, whatever goes on: six at once, then one each half minute.
 * Retries, polls, notices that cannot be used and tabs that come and go all draw on it.
 * @param {Clock} clock
 */
export function createAllowance({ now }) {
  let left = MOST_AT_ONCE;
  let countedAt = now();
  return {
    /** Takes one and returns 0; or takes none and returns how long to wait for the next. */
    take() {
      const passed = Math.max(0, now() - countedAt); // a clock can be put back
      left = Math.min(MOST_AT_ONCE, left + passed / ONE_MORE_EVERY);
      countedAt = now();
      if (left < 1) return Math.ceil((1 - left) * ONE_MORE_EVERY);
      left -= 1;
      return 0;
    },
    /** What was taken was not needed. */
    giveBack() {
      left += 1;
    },
    /** Full again: what is there works. */
    restore() {
      left = MOST_AT_ONCE;
    },
  };
}
