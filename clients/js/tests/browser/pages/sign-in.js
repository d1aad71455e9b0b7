/**
 * Stands in for Clerk's session: mints on the server, caches by this computer's clock, may load
 * late.
 */

/** Clerk hands out a cached token while more than this is left of its life, by the local clock. */
const LEEWAY_MS = 5_000;

const claimsIn = (token) => JSON.parse(atob(token.split(".")[1]));

export function createSignIn(api, isSlow) {
  const listeners = new Set();
  let cached = null;
  let state = isSlow
    ? { isLoaded: false, isSignedIn: undefined, sessionId: undefined }
    : { isLoaded: true, isSignedIn: true, sessionId: "sess_1" };

  const set = (next) => {
    state = next;
    cached = null;
    for (const listener of listeners) listener();
  };

  return {
    calls: [],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    getState: () => state,
    loadAnew: () => set({ isLoaded: false, isSignedIn: undefined, sessionId: undefined }),
    finishLoading: () => set({ isLoaded: true, isSignedIn: true, sessionId: "sess_1" }),
    become: (sessionId) => set({ isLoaded: true, isSignedIn: !!sessionId, sessionId }),
    async getToken({ skipCache = false } = {}) {
      this.calls.push(skipCache ? "mint" : "cached");
      if (!state.sessionId) return null;
      if (cached && !skipCache) {
        const { iat, exp } = claimsIn(cached);
        if ((exp - iat) * 1_000 - (Date.now() - iat * 1_000) > LEEWAY_MS) return cached;
      }
      const answer = await fetch(`${api}/token`, {
        method: "POST",
        body: JSON.stringify({ sid: state.sessionId }),
      });
      return (cached = (await answer.json()).jwt);
    },
  };
}
