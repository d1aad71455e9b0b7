/**
 * For the adapters: what a cache keeps under the id of a session is that session's, and nobody
 * else's.
 */
import { sessionChanged } from "./errors.js";

/** @typedef {import("../holdfast-client.d.ts").HoldfastClient} HoldfastClient */

/**
 * May what the client knows be kept under that id? A client without `getSessionId` counts sessions,
 * and cannot tell.
 * @param {HoldfastClient} client
 * @param {string | null} [sessionId] none where the key is the client's own
 */
export function isFor(client, sessionId) {
  const now = client.getSessionKey();
  return !sessionId || now === sessionId || isCount(now);
}

const isCount = (/** @type {string} */ key) => !isNaN(Number(key));

/**
 * Reads for a key that is made now. `status()` alone answers about the person who is signed in when
 * the answer comes.
 * @param {HoldfastClient} client
 * @param {string | null} [sessionId]
 */
export function readerFor(client, sessionId) {
  const key = sessionId ?? client.getSessionKey();
  /**
   * @param {{ signal?: AbortSignal }} [context] TanStack Query ends by the signal what nobody shows
   *   any more
   */
  return ({ signal } = {}) => {
    const before = client.getSessionKey();
    return client.status().finally(() => {
      const now = client.getSessionKey();
      const isSame = now === (sessionId && isCount(now) ? before : key);
      if (signal?.aborted || !isSame) throw sessionChanged();
    });
  };
}

/**
 * May the library ask again by itself? The client has waited 8 s for a token: a page that a server
 * renders waits no longer.
 * @param {import("../holdfast-client.d.ts").AnyHoldfastError} error
 */
export const mayPass = ({ kind, code }) => kind === "network" && code !== "token-timeout";
