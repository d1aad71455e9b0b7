/**
 * One event stream per browser: among the tabs of this origin that show the same session, a lock
 * decides which one holds it, and a channel hands on to the others what it hears. (A browser has
 * six connections per host on HTTP/1.1; a stream for each tab would leave none for requests.)
 */

/** @typedef {import("../holdfast-client.d.ts").InstagramStatus} InstagramStatus */

/**
 * @param {string} base
 * @param {() => string | null | undefined} person whose status it is
 * @param {(status: InstagramStatus) => void} onStatus another tab was told it
 */
export function createTabs(base, person, onStatus) {
  const name = `holdfast:${base}`;
  let channel = /** @type {BroadcastChannel | null} */ (null);

  return {
    /**
     * Do tabs find each other? Not outside browsers, nor insecurely, nor with storage forbidden.
     */
    areShared: () => channel,

    open() {
      try {
        // Where a browser blocks site data, locks fail although there may be channels: so does
        // storage.
        if (document && sessionStorage && navigator.locks)
          (channel ??= new BroadcastChannel(name)).onmessage = ({ data }) =>
            data.person === person() && onStatus(data.status);
      } catch {
        // Each tab for itself.
      }
    },

    /** Also so that the page may be put away and thawed: an open channel would forbid it. */
    close() {
      channel?.close();
      channel = null;
    },

    /** @param {InstagramStatus} status */
    tell: (status) => channel?.postMessage({ person: person(), status }),

    /**
     * Does `work` when it is this tab's turn; waits for that until `signal` says otherwise.
     * @param {AbortSignal} signal
     * @param {() => Promise<void>} work
     * @returns {Promise<void>}
     */
    lead: (signal, work) =>
      channel ? navigator.locks.request(`${name} ${person()}`, { signal }, work) : work(),
  };
}
