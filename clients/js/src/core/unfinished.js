/**
 * What outlives a page, in this tab's session storage: a completion that has not been handed in
 * yet, for as long as an attempt lives, so that a reload or a sign-in on another page does not lose
 * it; and who has left for Instagram, until they return.
 */

/**
 * `user`: who began to hand it in, if somebody has. `not`: whose it is not, as the server
 * said ("?" where their token does not tell).
 * @typedef {{
 *   attempt: string,
 *   completion: string,
 *   until: number,
 *   user?: string | undefined,
 *   not?: string,
 * }} Unfinished
 */

/**
 * @template T
 * @param {string} key
 */
export function createNote(key) {
  /** What storage could not take: it may be missing, forbidden or full. */
  let unstored = /** @type {string | null} */ (null);

  return {
    /** @param {T | null} next */
    keep(next) {
      unstored = JSON.stringify(next);
      try {
        if (next) sessionStorage.setItem(key, unstored);
        else sessionStorage.removeItem(key);
        unstored = null;
      } catch {
        // The page's memory has to do.
      }
    },

    /**
     * Read anew each time, since another client of this tab may have handed it in meanwhile; and
     * another object each time.
     * @returns {T | null | undefined}
     */
    get() {
      try {
        // Null for null.
        return JSON.parse(/** @type {string} */ (unstored ?? sessionStorage.getItem(key)));
      } catch {
        // There is no storage, or something else has written there.
      }
    },
  };
}
