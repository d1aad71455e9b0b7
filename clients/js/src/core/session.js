/**
 * Session tokens and refusals. The rule: a refused token is never sent twice; on a 401 there is one
 * fresh token and one more request, where a fresh token can help; after that nothing is sent until
 * the session changes, or a person asks.
 */
import { HoldfastSessionError, sessionChanged } from "./errors.js";
import { problemIn } from "./problem.js";
import { within } from "./timing.js";

/** @typedef {import("../holdfast-client.d.ts").ErrorFacts} ErrorFacts */
/** @typedef {import("./problem.js").Answer} Answer */
/** @typedef {ReturnType<typeof createSession>} Session */

/** How long `getToken` may take. Clerk's own retries go on for almost three minutes. */
const TOKEN_TIMEOUT = 8_000;

/**
 * Can a newly minted token mend this refusal? The server says so; one that says nothing is given
 * one try.
 * @param {ErrorFacts} facts
 */
const isMendable = ({ problem }) =>
  (problem?.action ?? "refresh_session_token") === "refresh_session_token";

const noop = () => {};

/**
 * @param {object} parts
 * @param {import("../holdfast-client.d.ts").GetToken} parts.getToken
 * @param {() => string | null | undefined} [parts.getSessionId]
 * @param {import("../holdfast-client.d.ts").Clock} parts.clock
 * @param {() => void} [parts.onChange] somebody else is signed in, or nobody
 * @param {() => void} [parts.onRefused]
 * @param {() => Promise<unknown>} [parts.probe] a quick request by which the session is proven
 *        before a slow one
 */
export function createSession({
  getToken,
  getSessionId,
  clock,
  onChange = noop,
  onRefused = noop,
  probe = async () => {},
}) {
  let epoch = 0;
  /** Whose token was seen last; null before the first. */
  let owner = /** @type {Owner | null} */ (null);
  /** The last token that was refused, and what the server said of it. */
  let refused = /** @type {{ token: string, facts: ErrorFacts } | null} */ (null);
  let refusal = /** @type {HoldfastSessionError | null} */ (null);
  /** Has the server accepted a token of this session, or failed to judge it? */
  let isProven = false;
  /** A person asked in spite of a refusal: one request with a fresh token, and no second. */
  let isOnTrial = false;
  /** Settles when the one request that finds out whether the session is accepted has ended. */
  let gate = /** @type {Promise<void> | null} */ (null);
  let minting = /** @type {Promise<string | null> | null} */ (null);

  function forget() {
    epoch += 1;
    owner = refused = refusal = null;
    isProven = isOnTrial = false;
    onChange();
  }

  /** @param {{ skipCache?: boolean }} [options] */
  const askForToken = (options) => within(clock, TOKEN_TIMEOUT, () => getToken(options), "token");

  /** Concurrent forced mints are not merged by Clerk, so they are merged here. */
  const mint = () =>
    (minting ??= askForToken({ skipCache: true }).finally(() => {
      minting = null;
    }));

  /**
   * Throws where nobody is signed in, or somebody else than before: what A pressed must not be done
   * as B.
   * @param {string | null} token
   */
  function meet(token) {
    const next = ownerOf(token, getSessionId?.());
    const isOther = owner && owner.identity !== next.identity;
    if (isOther) forget();
    if (!token) throw new HoldfastSessionError({ code: "signed-out" });
    owner = next;
    if (isOther) throw sessionChanged();
    return token;
  }

  /** @param {ErrorFacts} facts @returns {never} */
  function refuse(facts) {
    refusal = new HoldfastSessionError(facts);
    isOnTrial = false;
    onRefused();
    throw refusal;
  }

  /** A token other than the refused one, or the end of the matter. */
  async function replacement() {
    const { token, facts } = /** @type {NonNullable<typeof refused>} */ (refused);
    const next = meet(await mint());
    if (next === token && !isOnTrial) refuse(facts);
    return next;
  }

  /** @param {string | null} [user] throws where somebody else is signed in */
  async function currentToken(user) {
    const id = owner?.id;
    if (refusal && id && id === getSessionId?.()) throw refusal; // without even asking for a token
    const token = meet(await askForToken());
    if (user && user !== owner?.user) throw sessionChanged();
    if (refusal) throw refusal;
    return token === refused?.token ? replacement() : token;
  }

  /**
   * @template T
   * @param {() => Promise<T>} work
   */
  async function alone(work) {
    while (gate) await gate;
    const result = work();
    gate = result.then(noop, noop).then(() => {
      gate = null;
    });
    return result;
  }

  /**
   * @template {Answer} A
   * @param {string} token
   * @param {(token: string) => Promise<A>} send
   * @param {A} answer to the first time that it was sent
   */
  async function settle(token, send, answer) {
    for (let isLast = isOnTrial; answer.response.status === 401; isLast = true) {
      if (answer.epoch !== epoch) throw sessionChanged();
      const facts = problemIn(answer, clock.now());
      refused = { token, facts };
      if (isLast || !isMendable(facts)) refuse(facts);
      token = await replacement();
      answer = await send(token);
    }
    return accept(answer);
  }

  /**
   * @template {Answer} A
   * @param {A} answer
   */
  function accept(answer) {
    if (answer.epoch !== epoch) return answer;
    if (isOnTrial) refused = null; // the server was mended, and takes even that token
    isProven = true;
    isOnTrial = false;
    return answer;
  }

  return {
    /** Changes with the session; what an older epoch still receives is dropped. */
    epoch: () => epoch,
    /** Why nothing is sent any more, or null. */
    refusal: () => refusal,
    /** The user and the whole session of the last token: to be compared, not to be trusted. */
    user: () => owner?.user,
    identity: () => owner?.identity ?? "",
    /** Part of the keys of caches: differs between two sessions. */
    key: () => String((getSessionId ? getSessionId() : epoch) ?? ""),

    /** Somebody signed in, out or over. False where the session is known to be the same. */
    change() {
      const id = getSessionId?.();
      if (id && id === owner?.id) return false;
      forget();
      return true;
    },

    /** A person asks again in spite of the refusal. */
    pardon() {
      isOnTrial = !!refusal;
      refusal = null;
    },

    /**
     * Sends with a token, by the rule above.
     * @template {Answer} A
     * @param {(token: string) => Promise<A>} send
     * @param {{ mayProve?: boolean, user?: string | null }} [options] `mayProve`: the answer comes
     *        soon enough for others to wait for it; `user`: see `currentToken`
     * @returns {Promise<A>}
     */
    async authorize(send, { mayProve, user } = {}) {
      while (gate) await gate;
      // A slow request must not hold back a quick one: the quick one goes first and proves the session for both.
      if (!isProven && !mayProve && !refusal) await probe().catch(noop);
      while (gate) await gate;
      let token = await currentToken(user);
      const answer = await send(token);
      if (answer.response.status !== 401) return accept(answer);
      // Others in flight may hear the same 401: one of them asks for a fresh token, the rest wait for its outcome.
      return alone(async () => {
        if (refusal) throw refusal;
        if (refused?.token !== token || isOnTrial) return settle(token, send, answer);
        token = await currentToken(user);
        return settle(token, send, await send(token));
      });
    },
  };
}

/**
 * `id` is the session's as the sign-in library names it.
 * @typedef {{ user: string, identity: string, id?: string | null }} Owner
 */

/**
 * Whose token this is, unverified: used only to notice that it is somebody else's.
 * @param {string | null} token
 * @param {string | null} [id]
 * @returns {Owner}
 */
function ownerOf(token, id) {
  if (!token) return { user: "", identity: "", id };
  try {
    const claims = token.split(".")[1] ?? "";
    const { sub, sid } = JSON.parse(atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
    return { user: sub, identity: `${sub} ${sid}`, id };
  } catch {
    return { user: "", identity: "?", id };
  }
}
