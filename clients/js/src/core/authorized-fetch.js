/** `fetch` with the rule for 401, for those who keep a wrapper of their own. */
import { SHORTEST_PAUSE } from "./limits.js";
import { checkServer, fail } from "./options.js";
import { ignore } from "./pending.js";
import { createSession, isRefusal } from "./session.js";
import { realClock, within } from "./timing.js";

/** @type {typeof import("../holdfast-client.d.ts").authorizedFetch} */
export function authorizedFetch(options) {
  const base = checkServer(options);
  const { fetch: send = (...request) => fetch(...request), clock = realClock } = options;
  /** The first request of the session: others wait for what the server says to it, but not long. */
  let first = /** @type {Promise<unknown> | null} */ (null);
  /** The last answer that was a refusal: what is not sent any more is answered with it. */
  let refused = /** @type {Response | null} */ (null);
  const onChange = () => (first = refused = null);
  const probe = () => within(clock, SHORTEST_PAUSE, () => first);
  const session = createSession(options, clock, onChange, probe, ignore);

  /**
   * The address of a path, which must be the server's own as browsers read it: they take a
   * backslash for a slash, skip tabs, and go up at dots.
   * @param {string} path
   */
  function addressOf(path) {
    const home = new URL(`${base}/`, globalThis.location?.href);
    const { href } = new URL(base + path, home);
    if (!/^\/(?![\s/\\])/.test(path) || !href.startsWith(home.href))
      fail(`"${path}" is no path of ${home}, which begins with a slash`);
    return href;
  }

  return async (path, init) => {
    const address = addressOf(path);
    const {
      method = "GET",
      signal,
      duplex,
    } = /** @type {RequestInit & { duplex?: string }} */ (init ?? {});
    /** The answer to a stream, which is read by then and cannot be sent again. */
    let final = /** @type {{ response: Response, text: string } | null} */ (null);
    const ask = () =>
      session.authorize(
        async (token) => {
          if (final) throw final;
          const headers = new Headers(init?.headers);
          headers.set("authorization", `Bearer ${token}`);
          const response = await send(address, { redirect: "error", ...init, headers });
          const text = /401|429/.test(`${response.status}`) ? await response.clone().text() : "";
          const answer = { response, text };
          if (isRefusal(answer)) refused = response.clone();
          if (duplex) final = answer;
          return answer;
        },
        { mayProve: !first },
      );
    const answer = ask().catch((error) => {
      // Whoever it is now may read; what the other person did is theirs alone.
      if (error.code === "session-changed" && /^(GET|HEAD)$/i.test(method)) return ask();
      throw error;
    });
    first ??= answer.catch(() => (first = null));
    /** Also while it waits for others. */
    let giveUp = ignore;
    const aborted = new Promise((_, reject) => {
      // React Native says no reason.
      giveUp = () => reject(signal?.reason ?? new TypeError("aborted"));
    });
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    try {
      return (await Promise.race([answer, aborted])).response;
    } catch (cause) {
      if (final && cause === final) return final.response;
      const error = /** @type {import("../holdfast-client.d.ts").AnyHoldfastError} */ (cause);
      if (error.kind === "session" && error.status && refused) return refused.clone();
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  };
}
