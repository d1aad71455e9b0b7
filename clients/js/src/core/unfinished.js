/**
 * A completion that has not been handed in yet, so that a reload, or a sign-in on another page,
 * does not lose it. Kept in this tab's session storage, for as long as an attempt lives, and taken
 * out as soon as the server has answered it.
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

/** @param {string} base of the server that it is for */
export function createUnfinished(base) {
  const key = `holdfast:unfinished:${base}`;
  /** What storage could not take: it may be missing, forbidden or full. */
  let unstored = /** @type {string | null} */ (null);

  return {
    /** @param {Unfinished | null} next */
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
     * @returns {Unfinished | null | undefined}
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
