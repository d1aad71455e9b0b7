/**
 * A completion that has not been handed in yet, so that a reload, or a sign-in on another page, does not lose it. Kept in
 * this tab's session storage, for as long as an attempt lives, and taken out as soon as the server has answered it.
 */

/**
 * `user`: who began to hand it in; null where nobody has.
 * @typedef {{ attempt: string, completion: string, until: number, user: string | null }} Unfinished
 */

/**
 * @param {string} base of the server that it is for
 * @param {() => number} now
 */
export function createUnfinished(base, now) {
  const key = `holdfast:unfinished:${base}`;
  let kept = /** @type {Unfinished | null} */ (null);

  /**
   * Storage may be missing, forbidden or full: then the page's memory has to do.
   * @param {(storage: Storage) => void} work
   */
  function tryStorage(work) {
    try {
      work(sessionStorage);
    } catch {
      // Not on this page.
    }
  }

  /** @param {Unfinished | null} next */
  function keep(next) {
    kept = next;
    tryStorage((storage) =>
      next ? storage.setItem(key, JSON.stringify(next)) : storage.removeItem(key),
    );
  }

  return {
    keep,

    /** The one that is kept, if it is still of use. */
    get() {
      if (!kept)
        tryStorage((storage) => {
          kept = JSON.parse(/** @type {string} */ (storage.getItem(key))); // null for null
        });
      if (kept && !(kept.until > now())) keep(null);
      return kept;
    },
  };
}
