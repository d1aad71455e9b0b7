/**
 * A client without a server, for tests and stories: the same surface, states set by hand, calls
 * recorded.
 */

/** @typedef {import("./fake.d.ts").FakeClient} FakeClient */
/** @typedef {import("./holdfast-client.d.ts").HoldfastSnapshot} HoldfastSnapshot */
/** @typedef {import("./holdfast-client.d.ts").InstagramReason} InstagramReason */
/** @typedef {import("./holdfast-client.d.ts").InstagramState} InstagramState */
/** @typedef {import("./holdfast-client.d.ts").InstagramStatus} InstagramStatus */

const START = /** @type {import("./holdfast-client.d.ts").HoldfastSnapshot} */ ({
  phase: "loading",
  status: null,
  error: null,
  isStale: false,
  isFetching: true,
  isConnecting: false,
  isCompleting: false,
  updatedAt: null,
  live: false,
});

/** @typedef {import("./holdfast-client.d.ts").NotConnectedStatus} NotConnectedStatus */

const BASE = /** @satisfies {Omit<NotConnectedStatus, "state" | "action">} */ ({
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
  attempt: null,
  version: 1,
});

const ACCOUNT = /** @satisfies {import("./holdfast-client.d.ts").InstagramAccount} */ ({
  id: "25982752248032036",
  professional_id: "17841479677897649",
  username: "ada.makes",
  name: "Ada",
  account_type: "business",
  profile_picture_url: null,
});

const USER = /** @satisfies {import("./holdfast-client.d.ts").User} */ ({
  id: "user_2ada1815aNaLyticaLengiNe0aA",
  email: "ada@example.com",
  email_verified: true,
  first_name: "Ada",
  last_name: "Lovelace",
  image_url: null,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  last_seen_at: null,
});

const DAY = 86_400_000;
const ATTEMPT_LIVES = 600_000;
const hasAccount = (/** @type {InstagramState} */ state) =>
  !["not_connected", "connecting", "unavailable"].includes(state);

const ACTIONS = {
  not_connected: "connect",
  connecting: "none",
  connected: "none",
  degraded: "wait",
  action_required: "fix_at_instagram",
  reconnect_required: "reconnect",
  unavailable: "contact_support",
};

/** Where the reason asks for something else than the state does. */
const REASON_ACTIONS = { scopes_missing: "reconnect", account_not_admitted: "contact_support" };

/**
 * What the server says for a person where `connected` is false; held against its reference by a
 * test.
 */
const ERRORS = {
  denied: "The connection was declined at Instagram.",
  attempt_expired: "The last attempt to connect ran out of time.",
  attempt_failed: "The last attempt to connect did not succeed.",
  account_moved: "The Instagram account is connected to another user now.",
  account_not_admitted:
    "Instagram does not let this app use this account yet; that is not your doing. Contact support.",
  checkpoint: "Instagram wants a security check: open Instagram and follow its instructions.",
  unconfirmed: "Instagram wants the account confirmed: open Instagram and follow its instructions.",
  restricted: "Instagram restricts this account: open Instagram and see what it asks for.",
  consent_blocked: "Instagram is waiting for its terms to be accepted: open Instagram.",
  expired: "The access to Instagram has expired: connect again.",
  revoked: "The access was removed at Instagram: connect again.",
  password_changed:
    "Instagram ended the access after a password or security change: connect again.",
  deauthorized: "This app was removed at Instagram: connect again.",
  token_invalid: "Instagram no longer accepts the access that it gave: connect again.",
  account_ineligible: "This Instagram account is no longer a professional account.",
  key_lost: "The stored access can no longer be opened: connect again.",
  grant_unreadable: "The stored access is damaged and cannot be opened: connect again.",
  not_configured: "Connecting Instagram is not set up on this server.",
};

/**
 * @param {InstagramState} state
 * @param {{ reason?: InstagramReason | null, now?: number } & Partial<InstagramStatus>} [options]
 */
function statusOf(state, { reason = null, now = Date.now(), ...rest } = {}) {
  const before = (/** @type {number} */ days) => new Date(now - days * DAY).toISOString();
  return {
    ...BASE,
    connected: state === "connected" || state === "degraded",
    state,
    reason,
    action: REASON_ACTIONS[/** @type {keyof typeof REASON_ACTIONS} */ (reason)] ?? ACTIONS[state],
    ...(hasAccount(state) && {
      account: ACCOUNT,
      scopes: ["instagram_business_basic"],
      token_expires_at: before(-57),
      next_refresh_at: before(-27),
      since: before(12),
      evidence: { source: "refresh", at: before(3) },
    }),
    ...(state === "connecting" && {
      attempt: { id: "fake", expires_at: new Date(now + ATTEMPT_LIVES).toISOString() },
    }),
    ...(reason === "scopes_missing" && { missing_scopes: ["instagram_business_content_publish"] }),
    ...(reason &&
      reason in ERRORS && { error: ERRORS[/** @type {keyof typeof ERRORS} */ (reason)] }),
    ...rest,
  };
}

export const fakeStatus = /** @type {typeof import("./fake.d.ts").fakeStatus} */ (
  /** @type {unknown} */ (statusOf)
);

/** @type {typeof import("./fake.d.ts").createFakeClient} */
export function createFakeClient(initial) {
  const listeners = /** @type {Set<(snapshot: HoldfastSnapshot) => void>} */ (new Set());
  const calls = /** @type {FakeClient["calls"]} */ ([]);
  const answers = /** @type {FakeClient["answers"]} */ ({});
  const start = Object.freeze({ ...START });
  let snapshot = start;

  /** @type {FakeClient["set"]} */
  const set = (change) => {
    snapshot = Object.freeze(/** @type {HoldfastSnapshot} */ ({ ...snapshot, ...change }));
    for (const listener of [...listeners]) listener(snapshot);
  };
  /** @type {FakeClient["setStatus"]} */
  const setStatus = (status) =>
    set({
      phase: "ready",
      status,
      error: null,
      isStale: false,
      isFetching: false,
      updatedAt: Date.now(),
    });
  /** @type {FakeClient["setError"]} */
  const setError = (error, phase = snapshot.status ? "ready" : "failed") =>
    set(
      /** @type {Partial<HoldfastSnapshot>} */ ({ phase, error, isStale: true, isFetching: false }),
    );

  /**
   * @template {keyof FakeClient["answers"]} O
   * @param {O} name
   * @param {unknown} usual what it resolves to, or a function that gives it
   * @returns {FakeClient[O]}
   */
  const operation = (name, usual) =>
    /** @type {any} */ (
      async (/** @type {unknown[]} */ ...args) => {
        calls.push({ name, args });
        const answer = name in answers ? answers[name] : usual;
        try {
          return typeof answer === "function" ? await answer(...args) : answer;
        } catch (error) {
          setError(/** @type {import("./holdfast-client.d.ts").AnyHoldfastError} */ (error));
          throw error;
        }
      }
    );

  if (initial) setStatus(initial);
  return {
    calls,
    answers,
    set,
    setStatus,
    setError,
    sync: operation("sync", { user: USER, created: false }),
    profile: operation("profile", () => ({
      ...USER,
      connections: { instagram: snapshot.status ?? fakeStatus("not_connected") },
    })),
    history: operation("history", { entries: [], next: null }),
    status: operation("status", () => snapshot.status),
    retry: operation("retry", () => snapshot.status),
    check: operation("check", () => snapshot.status),
    connect: operation("connect", () => {
      const status = fakeStatus("connecting");
      setStatus(status);
      return {
        authorize_url: "https://www.instagram.com/oauth/authorize",
        attempt_id: "fake",
        expires_at: status.attempt?.expires_at,
      };
    }),
    completeFromUrl: operation("completeFromUrl", null),
    disconnect: operation("disconnect", () => {
      setStatus(fakeStatus("not_connected", { reason: "user_disconnected" }));
      return {
        disconnected: true,
        deleted_at: new Date().toISOString(),
        revoke_hint: "Remove the app in Instagram under Settings, Website permissions.",
      };
    }),
    showError: (error) => set({ phase: snapshot.status ? "ready" : "failed", error }),
    sessionChanged: () => void calls.push({ name: "sessionChanged", args: [] }),
    subscribe(listener) {
      const own = (/** @type {HoldfastSnapshot} */ next) => listener(next);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    getSnapshot: () => snapshot,
    getServerSnapshot: () => start,
    getSessionKey: () => "0",
  };
}
