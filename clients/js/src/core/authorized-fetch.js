/** `fetch` with the rule for 401, for those who keep a wrapper of their own. */
import { sessionChanged } from "./errors.js";
import { ONE_MORE_WHILE_WELL, SHORTEST_PAUSE } from "./limits.js";
import { checkServer, fail } from "./options.js";
import { ignore } from "./pending.js";
import { valueIn } from "./problem.js";
import { claimsIn, createSession, isRefusal } from "./session.js";
import { createAllowance, realClock, within } from "./timing.js";

/** @typedef {import("./problem.js").Answer & { token: string }} Sent */
/** @typedef {import("./timing.js").Allowance} Allowance */

/**
 * Is it a 401 of the endpoint's own, such as for a wrong PIN? It says nothing of other requests.
 * @param {number | undefined} status
 * @param {{ source?: string } | undefined} problem
 */
const isOwn = (status, problem) => status === 401 && problem?.source !== "session";

/**
 * Does the token of an answer still live, by the clock of the server where that can be read?
 * @param {string} token
 * @param {Headers} headers
 * @param {import("../holdfast-client.d.ts").Clock} clock
 */
const isAlive = (token, headers, clock) =>
  claimsIn(token)?.exp * 1_000 > (Date.parse(headers.get("date") ?? "") || clock.now());

/** @type {typeof import("../holdfast-client.d.ts").authorizedFetch} */
export function authorizedFetch(options) {
  const base = checkServer(options);
  const { fetch: send = (...request) => fetch(...request), clock = realClock } = options;
  /** The first request of the session: others wait for what the server says to it, but not long. */
  let first = /** @type {Promise<unknown> | null} */ (null);
  /** The last answer that was a refusal: what is not sent any more is answered with it. */
  let refused = /** @type {Response | null} */ (null);
  /** By route, its own 401, and how often it may be asked again. */
  const kept = /** @type {Map<string, { answer: Response, budget: Allowance }>} */ (new Map());
  /** The token of such a 401, where another would not help. */
  let tried = /** @type {string | null} */ (null);
  function onChange() {
    first = refused = tried = null;
    kept.clear();
  }
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
    session.present();
    const {
      method = "GET",
      signal,
      duplex,
    } = /** @type {RequestInit & { duplex?: string }} */ (init ?? {});
    const route = method.toUpperCase() + address.split(/[?#]/)[0];
    const known = kept.get(route);
    if (known?.budget.take()) return known.answer.clone();
    /** The answer to a stream, which is read by then and cannot be sent again. */
    let final = /** @type {Sent | null} */ (null);
    /** A 401 of the endpoint's own. */
    let own = /** @type {Sent | null} */ (null);
    const ask = () => {
      const since = session.present();
      const id = session.id();
      own = null;
      return session.authorize(
        async (token) => {
          if (final) throw final;
          // It may have waited, for the first request or for a token, until others were there.
          // Whoever asks before there is a session asks for whoever comes.
          if (since !== session.present() || (id && id !== session.id())) throw sessionChanged();
          const headers = new Headers(init?.headers);
          headers.set("authorization", `Bearer ${token}`);
          const response = await send(address, { redirect: "error", ...init, headers });
          const text = /401|429/.test(`${response.status}`) ? await response.clone().text() : "";
          const isTheirs = isOwn(response.status, valueIn(text));
          const isFinal =
            isTheirs && (!!own || token === tried || isAlive(token, response.headers, clock));
          const answer = { response, text, token, isFinal };
          if (duplex) final = answer;
          if (since !== session.present()) return answer; // it is another person's
          if (isTheirs) {
            const { budget = createAllowance(clock, ONE_MORE_WHILE_WELL) } = kept.get(route) ?? {};
            kept.set(route, { answer: response.clone(), budget });
            own = answer;
            if (isFinal) tried = token;
          } else if (isRefusal(answer)) refused = response.clone();
          else kept.delete(route);
          return answer;
        },
        { mayProve: !first },
      );
    };
    let isAgain = false;
    /** @returns {Promise<Sent>} */
    const settle = () =>
      ask().catch((error) => {
        if (isOwn(error.status, error.problem)) {
          // There was no other token. The one that there is may still be good for others.
          session.pardon();
          if (!own) return settle(); // it was another request's
          tried = own.token;
          return own;
        }
        // The new person may read; what the other person did is theirs alone.
        if (isAgain || error.code !== "session-changed" || !/^(GET|HEAD)$/i.test(method))
          throw error;
        isAgain = true;
        return settle();
      });
    const answer = settle();
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
