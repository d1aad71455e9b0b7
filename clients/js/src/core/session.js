/**
 * Session tokens and refusals. The rule: a refused token is never sent twice; on a 401 there is one
 * fresh token and one more request, where a fresh token can help; after that nothing is sent until
 * the session changes, or a person asks.
 */
import { HoldfastSessionError, sessionChanged } from "./errors.js";
import { REQUEST_TIMEOUT, TOKEN_TIMEOUT } from "./limits.js";
import { ignore, joined } from "./pending.js";
import { permits, problemIn, valueIn } from "./problem.js";
import { within } from "./timing.js";

/** @typedef {import("../holdfast-client.d.ts").ErrorFacts} ErrorFacts */
/** @typedef {import("./problem.js").Answer} Answer */
/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * May it be sent as this user? Undefined where the token does not say who it is.
 * @typedef {(user: string | undefined) => boolean} IsFor
 */

/**
 * Is the token refused? By 401, or by the 429 of the loop breaker, where others have sent it too
 * often.
 * @param {Answer} answer
 */
export const isRefusal = ({ response: { status }, text, isFinal }) =>
  !isFinal && (status === 401 || (status === 429 && /refresh/.test(valueIn(text)?.action)));

/**
 * @param {import("../holdfast-client.d.ts").AuthorizedFetchOptions} options
 * @param {import("../holdfast-client.d.ts").Clock} clock
 * @param {() => void} onChange somebody else is signed in, or nobody
 * @param {() => Promise<unknown>} probe a quick request by which the session is proven before a
 *        slow one
 * @param {() => void} onArrival somebody is signed in, and nobody was before
 */
export function createSession(options, clock, onChange, probe, onArrival) {
  /** None also where asking throws: the sign-in library may not be there, as on a server. */
  const getSessionId = () => {
    try {
      return options.getSessionId?.();
    } catch {
      // `getToken` is what says why.
    }
  };
  /** Counts the sessions that were seen. What was asked for in another one is dropped. */
  let epoch = 0;
  /** Whose token was seen last; null before the first. */
  let owner = /** @type {Owner | null} */ (null);
  /** The last token that was refused, and what the server said of it. */
  let refused = /** @type {{ token: string, error: HoldfastSessionError } | null} */ (null);
  let refusal = /** @type {HoldfastSessionError | null} */ (null);
  /** Has the server accepted a token of this session, or failed to judge it? */
  let isProven = false;
  /** A person asked in spite of a refusal: one request with a fresh token, and no second. */
  let isOnTrial = false;
  /** Settles when the one request that finds out whether the session is accepted has ended. */
  let gate = /** @type {Promise<unknown> | null} */ (null);

  function forget() {
    if (owner || epoch) epoch += 1; // questions from before the first session are for that session
    owner = refused = refusal = gate = null;
    isProven = isOnTrial = false;
    onChange();
  }

  /**
   * Nothing where nobody is signed in. Where there is a session, that says that the library could
   * not ask: some say it offline.
   * @param {{ skipCache?: boolean }} [how]
   */
  const askForToken = (how) =>
    within(
      clock,
      TOKEN_TIMEOUT,
      // What is no string has no `trim`, and fails here: that is the library's fault.
      async () => (await options.getToken(how))?.trim() || (getSessionId() && Promise.reject()),
      "token",
    );

  /** Concurrent forced mints are not merged by Clerk, so they are merged here. */
  const mint = joined(() => askForToken({ skipCache: true }), present);

  /** Is there another session than that of the last token? */
  const isOver = () => owner && owner.id !== getSessionId();

  /**
   * The number of the present session. Code that keeps or gives away what may be another person's
   * asks for it first: what the person before had is gone then.
   */
  function present() {
    if (isOver()) forget();
    return epoch;
  }

  /** @param {number} since the epoch in which something was asked for */
  function check(since) {
    if (since !== present()) throw sessionChanged();
  }

  /**
   * Throws where nobody is signed in, or somebody else than before: what A pressed must not be done
   * as B.
   * @param {string | null | undefined} token
   * @param {number} since
   * @param {string | null} [id] of the session when the token was asked for
   */
  function meet(token, since, id) {
    check(since);
    const next = ownerOf(token, id ?? getSessionId());
    if (owner && owner.identity !== next.identity) forget();
    if (!token) throw new HoldfastSessionError({ code: "signed-out" });
    if (!owner) onArrival();
    owner = next;
    check(since);
    return token;
  }

  /** @param {HoldfastSessionError} error @returns {never} */
  function refuse(error) {
    refusal = error;
    isOnTrial = false;
    throw error;
  }

  /**
   * A token other than the refused one, or the end of the matter.
   * @param {number} since
   */
  async function replacement(since) {
    const next = meet(await mint(), since);
    if (next === refused?.token && !isOnTrial) refuse(refused.error);
    return next;
  }

  /**
   * @param {number} since
   * @param {IsFor} [isFor]
   */
  async function currentToken(since, isFor) {
    const id = getSessionId();
    check(since);
    if (refusal && id) throw refusal; // without even asking for a token
    const token = meet(await askForToken(), since, id);
    if (isFor && !isFor(/** @type {Owner} */ (owner).user)) throw sessionChanged();
    if (refusal) throw refusal;
    return token === refused?.token ? replacement(since) : token;
  }

  /**
   * @template A
   * @param {A} answer
   */
  function accept(answer) {
    if (isOnTrial) refused = null; // the server was mended, and takes even that token
    isProven = true;
    isOnTrial = false;
    return answer;
  }

  return {
    id: getSessionId,
    /** Why nothing is sent any more, or null. */
    refusal: () => refusal,
    /** The user and the whole session of the last token: to be compared, not to be trusted. */
    user: () => owner?.user,
    identity: () => (present(), owner?.identity),
    isOver,
    present,
    /** Part of the keys of caches: differs between two sessions. */
    key: () => String(getSessionId() ?? epoch),

    /** Somebody signed in, out or over, unless the session is known to be the same. */
    change: () => void (owner?.id ? present() : forget()),

    /** A person asks again in spite of the refusal. */
    pardon() {
      isOnTrial = !!refusal;
      refusal = null;
    },

    /**
     * Sends with a token, by the rule above.
     * @template {Answer} A
     * @param {(token: string) => Promise<A>} send
     * @param {{ mayProve?: boolean, isFor?: IsFor | undefined }} options `mayProve`: the answer
     *   comes soon enough for others to wait for it
     * @returns {Promise<A>}
     */
    async authorize(send, { mayProve, isFor }) {
      // A slow request must not hold back a quick one: the quick one goes first and proves the
      // session for both.
      if (!isProven && !mayProve && !refusal) await probe().catch(ignore);
      const since = epoch;
      while (gate) await gate;
      let token = await currentToken(since, isFor);
      const exchange = async () => {
        const answer = await send(token);
        check(since);
        return answer;
      };
      let answer = await exchange();
      if (!isRefusal(answer)) return accept(answer);
      // Others in flight may hear the same: one of them asks for a fresh token, the rest wait for
      // its outcome.
      while (gate) await gate;
      // Nor do they wait for ever: an app's own request may take as long as it likes.
      const result = (async () => {
        check(since);
        if (refusal) throw refusal;
        if (refused?.token === token && !isOnTrial) {
          token = await currentToken(since, isFor);
          answer = await exchange();
        }
        for (let isLast = isOnTrial; isRefusal(answer); isLast = true) {
          const facts = problemIn(answer, clock.now());
          const error = new HoldfastSessionError(facts);
          refused = { token, error };
          if (isLast || !permits(facts, /refresh/)) refuse(error);
          token = await replacement(since).catch((cause) => {
            cause.sent = 1; // it is not given back
            throw cause;
          });
          answer = await exchange();
        }
        return accept(answer);
      })();
      /** @type {Promise<unknown>} */
      const mine = within(clock, REQUEST_TIMEOUT, () => result)
        .catch(ignore)
        .then(() => gate === mine && (gate = null));
      gate = mine;
      return result;
    },
  };
}

/**
 * `id` is the session's as the sign-in library names it.
 * @typedef {{
 *   user?: string,
 *   identity: string | null | undefined,
 *   id: string | null | undefined,
 * }} Owner
 */

/**
 * Whose token this is, unverified: used only to notice that it is somebody else's.
 * @param {string | null | undefined} token
 * @param {string | null} [id]
 * @returns {Owner}
 */
function ownerOf(token, id) {
  const claims = claimsIn(token);
  return { user: claims?.sub, identity: token && `${claims?.sub} ${claims?.sid}`, id };
}

/**
 * What a token says of itself, unverified.
 * @param {any} token none, or one that may be of another kind
 */
export function claimsIn(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    // Another kind of token, or none.
  }
}
