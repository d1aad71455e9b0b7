/**
 * English: what people read. Why something is wrong is said by the server, in the `error` of a status and of a problem, so
 * that each reason is worded in one place; here is what the server does not say.
 */

/** @type {import("../states.d.ts").Locale} */
export const en = {
  lang: "en",
  states: {
    not_connected: {
      title: "Not connected",
      sentence: "Connect your Instagram account to use it here.",
    },
    // The contract has no action here, but whoever came back by the back button needs a way on.
    connecting: {
      title: "Connecting",
      sentence: "Finish at Instagram, or start again.",
      label: "Start again",
      press: "connect",
    },
    connected: { title: "Connected" },
    degraded: {
      title: "Connected, with delays",
      sentence: "Instagram is having trouble. We keep trying; you need not do anything.",
    },
    action_required: { title: "Instagram needs you" },
    reconnect_required: { title: "Reconnect needed" },
    unavailable: { title: "Not available, please contact support" },
    idle: { title: "Loading…" },
    loading: { title: "Loading…" },
    failed: { title: "Not known right now", label: "Try again", press: "retry" },
    "session-refused": { title: "Not known right now", label: "Try again", press: "retry" },
    "signed-out": { title: "Signed out", sentence: "Sign in to see your Instagram connection." },
  },
  completing: { title: "Finishing", sentence: "You are back from Instagram. One moment." },
  /** Where the sentence of the state is not true, or not enough. */
  reasons: {
    scopes_missing: "Some permissions are missing.",
    app_misconfigured: "Something is set up wrong on our side. You need not do anything.",
  },
  actions: {
    connect: { label: "Connect Instagram", press: "connect" },
    reconnect: { label: "Reconnect", press: "reconnect" },
    fix_at_instagram: { label: "Check again", press: "check" },
  },
  /** By code and by kind. */
  errors: {
    "signed-out": "Sign in to see your Instagram connection.",
    "session-changed": "Somebody else signed in; nothing was changed.",
    "token-failed": "Your sign-in cannot be confirmed right now; we keep trying.",
    "token-timeout": "Your sign-in cannot be confirmed right now; we keep trying.",
    session: "You are still signed in, but the server refuses your session.",
    service: "The server is having trouble; we keep trying.",
    network: "The server cannot be reached; we keep trying.",
  },
  labels: {
    stale: "{title}, when last heard",
    confirmed: "Last confirmed {time}",
    noticed: "Noticed {time}",
    opening: "Opening Instagram…",
    checking: "Checking…",
    open: "Open Instagram",
    another: "Use another account",
    disconnect: "Disconnect",
    confirm: "Yes, disconnect Instagram",
  },
};
