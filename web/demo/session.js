/**
 * The place of Clerk's browser SDK: signs in at the stand-in and hands out session tokens as
 * `session.getToken()` does. Same rules: a token is reused until shortly before its end,
 * `skipCache` mints another.
 */

const KEY = "holdfast-demo-session";
/** Clerk's SDK replaces a token that has less than this left. */
const RENEW_BEFORE_MS = 10_000;

export const people = [
  {
    user: "ada",
    name: "Ada Lovelace",
    about: "Writes the first program, posts the first reel",
    handle: "ada.makes",
  },
  {
    user: "grace",
    name: "Grace Hopper",
    about: "Finds bugs, has a picture of one",
    handle: "grace.hops",
  },
  {
    user: "edsger",
    name: "Edsger Dijkstra",
    about: "Always takes the shortest path",
    handle: "edsger.writes",
  },
];

/**
 * @param {string} clerkUrl where the stand-in answers
 * @param {() => void} onChange called after sign-in and sign-out
 */
export function createSession(clerkUrl, onChange) {
  /**
   * `{id, user}`; kept for the tab, so that it outlives the way to Instagram and back. Never a
   * token.
   */
  let session = null;
  try {
    session = JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    // The browser keeps nothing: a person back from Instagram then signs in again.
  }
  let cached = null;

  function become(next) {
    session = next;
    cached = null;
    try {
      if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
      else sessionStorage.removeItem(KEY);
    } catch {
      // For this page only.
    }
    onChange();
  }

  async function post(path, body) {
    const response = await fetch(clerkUrl + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
    return {
      ok: response.ok,
      status: response.status,
      body: response.ok ? await response.json() : null,
    };
  }

  return {
    current: () => session,
    person: () => people.find(({ user }) => user === session?.user) ?? null,

    async signIn(user) {
      const { ok, status, body } = await post("/v1/dev/sign-in", { user });
      if (!ok) throw new Error(`The stand-in for Clerk answered ${status} to the sign-in.`);
      become({ id: body.session_id, user });
    },

    signOut: () => become(null),

    /** The next `getToken` asks for a new one. */
    dropToken() {
      cached = null;
    },

    async getToken({ skipCache = false } = {}) {
      if (!session) return null;
      const { id } = session;
      if (!skipCache && cached?.renewAt > Date.now()) return cached.jwt;
      const { ok, status, body } = await post(
        `/v1/client/sessions/${encodeURIComponent(id)}/tokens`,
      );
      if (session?.id !== id) return null;
      if (status === 404 || status === 401) {
        // `holdfast dev` was started anew and knows nothing of this session.
        become(null);
        return null;
      }
      if (!ok) throw new Error(`The stand-in for Clerk answered ${status}.`);
      const { iat, exp } = factsOf(body.jwt);
      // By the token's own lifetime, not by its end: the stand-in's clock may be skewed on purpose.
      cached = { jwt: body.jwt, renewAt: Date.now() + (exp - iat) * 1_000 - RENEW_BEFORE_MS };
      return body.jwt;
    },
  };
}

/**
 * What a token says of itself, unverified: key and times (seconds since the epoch). Nothing that
 * could be replayed.
 */
export function factsOf(jwt) {
  const [header, claims] = jwt
    .split(".", 2)
    .map((part) => JSON.parse(atob(part.replace(/-/g, "+").replace(/_/g, "/"))));
  return { kid: header.kid, iat: claims.iat, nbf: claims.nbf, exp: claims.exp };
}
