/**
 * English: what people read. Why something is wrong is said by the server, in the `error` of a
 * status and of a problem, so that each reason is worded in one place; here is what the server does
 * not say.
 */

const SIGN_IN = "Sign in to see your Instagram connection.";

/** @type {import("../states.d.ts").Locale} */
export const en = {
  lang: "en",
  states: {
    not_connected: {
      title: "Not connected",
      sentence: "Connect your Instagram account to use it here.",
    },
    connecting: { title: "Connecting", sentence: "Finish at Instagram, or start again." },
    connected: { title: "Connected" },
    degraded: {
      title: "Connected, with delays",
      sentence: "Instagram is having trouble; we keep trying. You need not do anything.",
    },
    action_required: { title: "Instagram needs you" },
    reconnect_required: { title: "Reconnect needed" },
    unavailable: { title: "Not available, please contact support" },
    idle: { title: "Loading…" },
    loading: { title: "Loading…" },
    failed: { title: "Not known right now" },
    "session-refused": { title: "Not known right now" },
    "signed-out": { title: "Signed out", sentence: SIGN_IN },
    completing: { title: "Finishing", sentence: "You are back from Instagram. One moment." },
  },
  /** By the reason of a status, by the code of an error, by its kind. */
  sentences: {
    scopes_missing: "Some permissions are missing.",
    app_misconfigured: "Something is set up wrong on our side. You need not do anything.",
    denied: "The connection was declined at Instagram.",
    attempt_expired: "The last attempt to connect ran out of time.",
    attempt_failed: "The last attempt to connect did not succeed.",
    "signed-out": SIGN_IN,
    "session-changed": "Somebody else signed in meanwhile.",
    "token-failed": "Your sign-in cannot be confirmed right now.",
    "token-timeout": "Your sign-in cannot be confirmed right now.",
    "too-many-attempts": "You have started too often. Try again later.",
    "window-blocked": "The browser has blocked Instagram's window.",
    session: "You are still signed in, but your requests are refused.",
    service: "The server is having trouble.",
    network: "The server cannot be reached.",
  },
  labels: {
    connect: "Connect Instagram",
    restart: "Start again",
    reconnect: "Reconnect",
    check: "Check again",
    retry: "Try again",
    another: "Use another account",
    replace: "Yes, replace the account shown",
    disconnect: "Disconnect",
    confirm: "Yes, disconnect Instagram",
    busy: "One moment…",
    open: "Open Instagram",
    stale: "{title}, when last heard",
    confirmed: "Last confirmed",
    noticed: "Noticed",
  },
};
