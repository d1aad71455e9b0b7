/**
 * One call of the API: parsed JSON, or a typed error. Obeys `Retry-After`, and sends the token to
 * one server only.
 */
import { HoldfastRequestError, HoldfastServiceError, unreadableAnswer } from "./errors.js";
import { REQUEST_TIMEOUT } from "./limits.js";
import { problemIn, valueIn } from "./problem.js";
import { within } from "./timing.js";

/**
 * @typedef {object} CallOptions
 * @property {Record<string, string> | null} [headers]
 * @property {unknown} [body] sent as JSON
 * @property {AbortSignal} [stream] the body is left unread; this ends it
 * @property {boolean} [mayProve] see `authorize` of the session
 * @property {import("./session.js").IsFor | undefined} [isFor] likewise
 */

/** @typedef {ReturnType<typeof createTransport>} Transport */

/**
 * @param {string} base
 * @param {import("./session.js").Session} session
 * @param {import("../holdfast-client.d.ts").Clock} clock
 * @param {Map<string, () => void>} holds by method and path, what failed last: throws the same
 *   again until `Retry-After` has passed
 * @param {typeof fetch} [send]
 */
export function createTransport(
  base,
  session,
  clock,
  holds,
  send = (url, init) => fetch(url, init),
) {
  /**
   * The answer, and what it brings: the value of its JSON, undefined for 304; for a stream, the
   * answer itself.
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<{ response: Response, value: any }>}
   */
  return async (method, path, options = {}) => {
    const route = method + path;
    const { headers, body, stream, isFor } = options;
    // A completion has pauses of its own: its attempt does not live as long as a hold may.
    isFor || holds.get(route)?.();
    const answer = await session.authorize((token) => {
      const limit = new AbortController();
      const work = async () => {
        const response = await send(base + path, {
          method,
          headers: {
            authorization: `Bearer ${token}`,
            ...(body ? { "content-type": "application/json" } : null),
            ...headers,
          },
          body: JSON.stringify(body),
          signal: stream ?? limit.signal,
          cache: "no-store",
          credentials: "omit",
          redirect: "error", // the token goes to this server and to no other
        });
        return { response, text: stream && response.ok ? "" : await response.text() };
      };
      return within(clock, REQUEST_TIMEOUT, work, "request").finally(() => limit.abort());
    }, options);
    const { response, text } = answer;
    const { status, ok } = response;
    if (ok || status === 304) {
      const value = stream ? response : valueIn(text);
      if (ok && !value) throw unreadableAnswer();
      return { response, value };
    }
    const since = clock.now();
    const facts = problemIn(answer, since);
    const isOurs = status < 500 && status !== 424 && facts.code !== "unspecified";
    const error = new (isOurs ? HoldfastRequestError : HoldfastServiceError)(facts);
    holds.set(route, () => {
      const passed = clock.now() - since;
      // Not where the clock was put back since: then nobody knows how long it has been. False of
      // no `Retry-After`.
      if (passed >= 0 && passed < /** @type {number} */ (facts.retryAfterMs)) throw error;
    });
    throw error;
  };
}
