/**
 * What outlives a page, in this tab's session storage. First, a completion that has not been handed
 * in yet, for as long as an attempt lives: a reload or a sign-in on another page must not lose it.
 * Second, the id of the person who left for Instagram last. Null where there is nothing.
 */

/**
 * `user`: the person who began to hand it in, if anybody has. `not`: a person whose it is not, as
 * the server said ("?" where their token does not tell).
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
 * @param {string} name
 */
export function createNote(name) {
  const key = `holdfast:${name}`;
  /** What storage could not take: it may be missing, forbidden or full. */
  let unstored = /** @type {string | null} */ (null);

  return {
    /** @param {T | null} next */
    keep(next) {
      unstored = JSON.stringify(next);
      try {
        sessionStorage.setItem(key, unstored);
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
