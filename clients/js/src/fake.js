/** A client without a server, for tests and stories: the same surface, states set by hand, calls recorded. */

const START = { phase: "loading", status: null, error: null, isFetching: true, isConnecting: false, updatedAt: null, live: "off" };

const BASE = {
  connected: false,
  reason: null,
  account: null,
  scopes: [],
  missing_scopes: [],
  token_expires_at: null,
  next_refresh_at: null,
  since: null,
  retry_after: null,
  evidence: null,
  version: 1,
};

const ACCOUNT = {
  id: "25982752248032036",
  professional_id: "17841479677897649",
  username: "ada.makes",
  name: "Ada",
  account_type: "business",
  profile_picture_url: null,
};

const DAY = 86_400_000;
const hasAccount = (state) => !["not_connected", "connecting", "unavailable"].includes(state);

const ACTIONS = {
  not_connected: "connect",
  connecting: "none",
  connected: "none",
  degraded: "wait",
  action_required: "fix_at_instagram",
  reconnect_required: "reconnect",
  unavailable: "contact_support",
};

/** What the server says for a person where `connected` is false; held against its reference by a test. */
const ERRORS = {
  denied: "The connection was declined at Instagram.",
  attempt_expired: "The last attempt to connect ran out of time.",
  attempt_failed: "The last attempt to connect did not succeed.",
  checkpoint: "Instagram wants a security check: open Instagram and follow its instructions.",
  unconfirmed: "Instagram wants the account confirmed: open Instagram and follow its instructions.",
  restricted: "Instagram restricts this account: open Instagram and see what it asks for.",
  consent_blocked: "Instagram is waiting for its terms to be accepted: open Instagram.",
  expired: "The access to Instagram has expired: connect again.",
  revoked: "The access was removed at Instagram: connect again.",
  password_changed: "Instagram ended the access after a password or security change: connect again.",
  deauthorized: "This app was removed at Instagram: connect again.",
  token_invalid: "Instagram no longer accepts the access that it gave: connect again.",
  account_ineligible: "This Instagram account is no longer a professional account.",
  key_lost: "The stored access can no longer be opened: connect again.",
  not_configured: "Connecting Instagram is not set up on this server.",
};

/** @type {import("./fake.d.ts").fakeStatus} */
export function fakeStatus(state, { reason = null, now = Date.now(), ...rest } = {}) {
  const before = (days) => new Date(now - days * DAY).toISOString();
  return {
    ...BASE,
    connected: state === "connected" || state === "degraded",
    state,
    reason,
    action: reason === "scopes_missing" ? "reconnect" : ACTIONS[state],
    ...(hasAccount(state) && {
      account: ACCOUNT,
      scopes: ["instagram_business_basic"],
      token_expires_at: before(-57),
      next_refresh_at: before(-27),
      since: before(12),
      evidence: { source: "refresh", at: before(3) },
    }),
    ...(reason in ERRORS && { error: ERRORS[reason] }),
    ...rest,
  };
}

/** @type {import("./fake.d.ts").createFakeClient} */
export function createFakeClient(initial) {
  const listeners = new Set();
  const calls = [];
  const answers = {};
  const start = Object.freeze({ ...START });
  let snapshot = start;

  const set = (change) => {
    snapshot = Object.freeze({ ...snapshot, ...change });
    for (const listener of [...listeners]) listener(snapshot);
  };
  const setStatus = (status) =>
    set({ phase: "ready", status, error: null, isFetching: false, updatedAt: Date.now() });
  const setError = (error, phase = snapshot.status ? "ready" : "failed") => set({ phase, error, isFetching: false });

  const operation =
    (name, usual) =>
    async (...args) => {
      calls.push({ name, args });
      const answer = name in answers ? answers[name] : usual;
      try {
        return typeof answer === "function" ? await answer(...args) : answer;
      } catch (error) {
        setError(error);
        throw error;
      }
    };

  if (initial) setStatus(initial);
  return {
    calls,
    answers,
    set,
    setStatus,
    setError,
    sync: operation("sync", undefined),
    profile: operation("profile", undefined),
    history: operation("history", { entries: [], next: null }),
    status: operation("status", () => snapshot.status),
    check: operation("check", () => snapshot.status),
    connect: operation("connect", () => {
      setStatus(fakeStatus("connecting"));
      return { authorize_url: "https://www.instagram.com/oauth/authorize", attempt_id: "fake", expires_at: new Date(Date.now() + 600_000).toISOString() };
    }),
    completeFromUrl: operation("completeFromUrl", null),
    disconnect: operation("disconnect", () => {
      setStatus(fakeStatus("not_connected", { reason: "user_disconnected" }));
      return { disconnected: true, deleted_at: new Date().toISOString(), revoke_hint: "Remove the app in Instagram under Settings, Website permissions." };
    }),
    sessionChanged: () => void calls.push({ name: "sessionChanged", args: [] }),
    subscribe(listener) {
      const own = (next) => listener(next);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    getSnapshot: () => snapshot,
    getServerSnapshot: () => start,
  };
}
