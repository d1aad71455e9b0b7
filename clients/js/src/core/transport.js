/** One call of the API: parsed JSON, or a typed error. Obeys `Retry-After`, and sends the token to one server only. */
import {
  HoldfastRequestError,
  HoldfastServiceError,
  sessionChanged,
  unreadableAnswer,
} from "./errors.js";
import { problemIn, valueIn } from "./problem.js";
import { within } from "./timing.js";

const REQUEST_TIMEOUT = 10_000;

/**
 * @typedef {object} CallOptions
 * @property {Record<string, string> | null} [headers]
 * @property {unknown} [body] sent as JSON
 * @property {boolean} [isStream] the body is left unread
 * @property {AbortSignal} [signal]
 * @property {boolean} [mayProve] see `authorize` of the session
 * @property {string | null} [user] likewise
 */

/** @typedef {import("./errors.js").HoldfastError} HoldfastError */
/** @typedef {ReturnType<typeof createTransport>} Transport */

/**
 * @param {object} parts
 * @param {string} parts.base
 * @param {typeof fetch} parts.fetch
 * @param {import("./session.js").Session} parts.session
 * @param {import("../holdfast-client.d.ts").Clock} parts.clock
 */
export function createTransport({ base, fetch: send, session, clock }) {
  /** What `Retry-After` closed, by method and path: since when, and the error that says for how long. */
  const holds = /** @type {Map<string, { since: number, error: HoldfastError }>} */ (new Map());

  /** @param {string} route */
  function checkHold(route) {
    const hold = holds.get(route);
    const passed = hold ? clock.now() - hold.since : 0;
    // Not where the clock was put back since: then nobody knows how long it has been.
    if (hold && passed >= 0 && passed < (hold.error.retryAfterMs ?? 0)) throw hold.error;
  }

  /**
   * @param {string} token
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} options
   */
  function exchange(token, method, path, { headers, body, isStream, signal }) {
    const abort = new AbortController();
    const close = () => abort.abort();
    if (signal?.aborted) close();
    signal?.addEventListener("abort", close);
    const epoch = session.epoch();
    const work = async () => {
      const response = await send(base + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body ? { "content-type": "application/json" } : null),
          ...headers,
        },
        body: body ? JSON.stringify(body) : undefined,
        signal: abort.signal,
        cache: "no-store",
        credentials: "omit",
        redirect: "error", // the token goes to this server and to no other
      });
      return { epoch, response, text: isStream && response.ok ? "" : await response.text() };
    };
    return within(clock, REQUEST_TIMEOUT, work, "request", close);
  }

  return {
    /** What one person was asked to wait for says nothing about the next. */
    forget: () => holds.clear(),

    /**
     * The answer, and the value of its JSON: null for 304, undefined for a stream.
     * @param {string} method
     * @param {string} path
     * @param {CallOptions} [options]
     * @returns {Promise<{ response: Response, value: any }>}
     */
    async call(method, path, options = {}) {
      const route = method + path;
      checkHold(route);
      const answer = await session.authorize(
        (token) => exchange(token, method, path, options),
        options,
      );
      if (answer.epoch !== session.epoch()) throw sessionChanged();
      const { response, text } = answer;
      const { status, ok } = response;
      if (status === 304) return { response, value: null };
      if (ok) {
        const value = valueIn(text);
        if (!value && !options.isStream) throw unreadableAnswer();
        return { response, value };
      }
      const facts = problemIn(answer, clock.now());
      const isOurs = status < 500 && status !== 424 && facts.code !== "unspecified";
      const error = new (isOurs ? HoldfastRequestError : HoldfastServiceError)(facts);
      if (facts.retryAfterMs) holds.set(route, { since: clock.now(), error });
      throw error;
    },
  };
}
