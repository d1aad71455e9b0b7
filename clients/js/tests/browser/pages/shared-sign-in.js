/**
 * Stands in for Clerk's session on the stand-in of `holdfast dev`: one session for all tabs of the
 * browser, in a cookie, and a tab hears of another's change when it is looked at, or when it needs
 * a token.
 */

/** Clerk hands out a cached token while more than this is left of its life. */
const LEEWAY_MS = 5_000;

const cookie = () => document.cookie.match(/(?:^|; )session=(\w+)/)?.[1] ?? null;

export function createSharedSignIn(clerk) {
  const listeners = new Set();
  let cached = null;
  let state = stateOf(cookie());

  function stateOf(sessionId) {
    return { isLoaded: true, isSignedIn: !!sessionId, sessionId };
  }

  function look() {
    const sessionId = cookie();
    if (sessionId === state.sessionId) return;
    state = stateOf(sessionId);
    cached = null;
    for (const listener of listeners) listener();
  }
  addEventListener("focus", look);

  async function post(path, body = {}) {
    const answer = await fetch(clerk + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`Clerk answered with status ${answer.status}.`);
    return answer.json();
  }

  return {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async become(user) {
      const { session_id: id } = await post("/v1/dev/sign-in", { user });
      document.cookie = `session=${id}; path=/`;
      look();
    },
    leave() {
      document.cookie = "session=; path=/; max-age=0";
      look();
    },
    async getToken({ skipCache = false } = {}) {
      look();
      const { sessionId } = state;
      if (!sessionId) return null;
      if (cached && !skipCache && performance.now() < cached.staleAt) return cached.jwt;
      const { jwt } = await post(`/v1/client/sessions/${sessionId}/tokens`);
      const { iat, exp } = JSON.parse(atob(jwt.split(".")[1]));
      cached = { jwt, staleAt: performance.now() + (exp - iat) * 1_000 - LEEWAY_MS };
      return jwt;
    },
  };
}
