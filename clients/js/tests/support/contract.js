/** What the contract says of a status: each state with its reasons, null where it may have none. */
export const contract = {
  not_connected: [
    null,
    "user_disconnected",
    "denied",
    "attempt_expired",
    "attempt_failed",
    "account_moved",
    "account_not_admitted",
  ],
  connecting: [null],
  connected: [null, "scopes_missing"],
  degraded: [
    "refresh_failing",
    "rate_limited",
    "provider_unavailable",
    "provider_incident",
    "app_misconfigured",
  ],
  action_required: ["checkpoint", "unconfirmed", "restricted", "consent_blocked"],
  reconnect_required: [
    "expired",
    "revoked",
    "password_changed",
    "deauthorized",
    "token_invalid",
    "account_ineligible",
    "key_lost",
    "grant_unreadable",
  ],
  unavailable: ["not_configured"],
};
