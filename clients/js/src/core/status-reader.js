/** Reads the status: one request for all who ask at once, by ETag, and never an older one over a newer. */

const STATUS = "/user/instagram/status";

/** @typedef {import("../holdfast-client.d.ts").InstagramStatus} InstagramStatus */
/** @typedef {ReturnType<typeof createStatusReader>} StatusReader */
/** @typedef {{ promise?: Promise<InstagramStatus> }} Reading */

/**
 * @param {object} parts
 * @param {import("./store.js").Store} parts.store
 * @param {import("./transport.js").Transport} parts.transport
 * @param {import("./client.js").Operation} parts.operation
 */
export function createStatusReader({ store, transport, operation }) {
  /** The newest read, while it is under way. */
  let reading = /** @type {Reading | null} */ (null);
  let etag = /** @type {string | null} */ (null);

  /** What is known of the connection from now on is newer than any read under way, or another person's. */
  function overtake() {
    reading = etag = null;
  }

  /** @param {Reading} mine */
  async function ask(mine) {
    if (reading !== mine) return read(); // asked again, as somebody else
    const headers = store.get().status && etag ? { "if-none-match": etag } : null;
    const { value, response } = await transport.call("GET", STATUS, { headers, mayProve: true });
    if (reading !== mine) return store.get().status ?? read();
    etag = response.headers.get("etag");
    return store.learn(value ?? store.get().status, true);
  }

  /** @returns {Promise<InstagramStatus>} */
  function read() {
    if (reading?.promise) return reading.promise;
    const mine = (reading = /** @type {Reading} */ ({}));
    const { phase } = store.get();
    store.set({ isFetching: true, phase: phase === "idle" ? "loading" : phase });
    return (mine.promise = operation("read", () =>
      ask(mine).finally(() => {
        if (reading && reading !== mine) return;
        reading = null;
        store.set({ isFetching: false });
      }),
    ));
  }

  return {
    read,
    overtake,

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
