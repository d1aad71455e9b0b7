/** Reads the status: one request for all who ask at once, by ETag, and never an older one over a newer. */

const STATUS = "/user/instagram/status";

/** @typedef {import("../holdfast-client.d.ts").InstagramStatus} InstagramStatus */
/** @typedef {ReturnType<typeof createStatusReader>} StatusReader */

/**
 * @param {object} parts
 * @param {import("./store.js").Store} parts.store
 * @param {import("./transport.js").Transport} parts.transport
 * @param {import("./client.js").Operation} parts.operation
 */
export function createStatusReader({ store, transport, operation }) {
  /** The read that is under way, and how many writes there had been when it began. */
  let reading = /** @type {{ promise?: Promise<InstagramStatus>, writes: number } | null} */ (null);
  /** Grows with every write and notice; a read that began before must not overwrite its outcome. */
  let writes = 0;
  let etag = /** @type {string | null} */ (null);

  /** Something newer than any read under way is known, or about to be. */
  function overtake() {
    writes += 1;
    etag = null;
  }

  /** @param {number} began */
  async function ask(began) {
    const headers = store.get().status && etag ? { "if-none-match": etag } : null;
    const { value, response } = await transport.call("GET", STATUS, { headers, mayProve: true });
    // Overtaken by a write or a notice: what those brought is newer than this.
    if (writes !== began) return store.get().status ?? read();
    etag = response.headers.get("etag");
    return store.learn(value ?? store.get().status, true);
  }

  /** @returns {Promise<InstagramStatus>} */
  function read() {
    if (reading?.promise && reading.writes === writes) return reading.promise;
    const mine = (reading = {
      writes,
      promise: /** @type {Promise<InstagramStatus> | undefined} */ (undefined),
    });
    const { phase } = store.get();
    store.set({ isFetching: true, phase: phase === "idle" ? "loading" : phase });
    return (mine.promise = operation("read", () =>
      ask(mine.writes).finally(() => {
        if (reading !== mine) return;
        reading = null;
        store.set({ isFetching: false });
      }),
    ));
  }

  return {
    read,
    overtake,

    /** Another person's status is asked for from now on. */
    forget() {
      reading = etag = null;
    },

    /**
     * A status that the server told unasked. False where it is unreadable or older than what is known: it still says
     * that something happened.
     * @param {InstagramStatus | undefined} next
     */
    hear(next) {
      if (!next?.state || !(next.version >= (store.get().status?.version ?? 0))) return false;
      overtake();
      store.learn(next, true);
      return true;
    },
  };
}
