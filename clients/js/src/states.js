/**
 * What a person reads: one table for every state and reason of the contract, and one for what can go wrong on the way.
 * Plain sentences, no codes; each says what is the matter and what, if anything, to do. Used by `<InstagramConnection />`
 * and by the demo page of `holdfast dev`.
 */

/** Label of the button for each `action` of a status; null where there is nothing to press. */
export const actionLabels = {
  none: null,
  connect: "Connect Instagram",
  reconnect: "Reconnect",
  wait: null,
  fix_at_instagram: "I have fixed it, check again",
  contact_support: null,
};

/** @type {import("./states.d.ts").StateTexts} */
export const stateTexts = {
  not_connected: {
    title: "Not connected",
    tone: "neutral",
    sentence: "Connect your Instagram account to use it here.",
    reasons: {
      user_disconnected: "You disconnected Instagram. Connect it again whenever you like.",
      denied: "You declined access at Instagram, so nothing was connected.",
      attempt_expired: "The last attempt was not finished within ten minutes. Please start again.",
      attempt_failed: "The last attempt did not succeed. Please try again.",
    },
  },
  connecting: {
    title: "Connecting",
    tone: "busy",
    sentence: "Finish at Instagram to complete this. If you closed that page, start again.",
    // The contract has no action here, but whoever came back by the back button needs a way on.
    label: "Start again",
    reasons: {},
  },
  connected: {
    title: "Connected",
    tone: "good",
    sentence: "Everything works.",
    reasons: {
      scopes_missing: "Some permissions are missing, so parts of it will not work. Reconnect and allow them all.",
    },
  },
  degraded: {
    title: "Connected, with delays",
    tone: "warning",
    sentence: "Instagram is not answering as it should. You need not do anything.",
    reasons: {
      refresh_failing: "We could not renew the connection yet and keep trying. You need not do anything.",
      rate_limited: "Instagram asks us to slow down for a while. You need not do anything.",
      provider_unavailable: "Instagram cannot be reached at the moment. You need not do anything.",
      provider_incident: "Instagram is having trouble with many accounts. Yours will recover by itself.",
      app_misconfigured: "Something is set up wrong on our side. It is not your fault, and you need not do anything.",
    },
  },
  action_required: {
    title: "Instagram needs you",
    tone: "warning",
    sentence: "Open Instagram and follow what it asks. Then check again here.",
    reasons: {
      checkpoint: "Instagram wants to make sure it is you. Log in to instagram.com and follow its steps.",
      unconfirmed: "Your Instagram account is not confirmed yet. Log in to instagram.com and confirm it.",
      restricted: "Instagram has restricted this account. Log in to instagram.com to see why.",
      consent_blocked: "Instagram is holding back access until you agree to something. Log in to instagram.com.",
    },
  },
  reconnect_required: {
    title: "Reconnect needed",
    tone: "bad",
    sentence: "The connection has ended. Reconnect to go on.",
    reasons: {
      expired: "The connection ran out. Reconnect to go on.",
      revoked: "Access was removed at Instagram. Reconnect to allow it again.",
      password_changed: "Your Instagram password was changed, which ends all connections. Please reconnect.",
      deauthorized: "You removed this app at Instagram. Reconnect to use it again.",
      token_invalid: "Instagram no longer accepts the connection. Please reconnect.",
      account_ineligible: "This needs a professional Instagram account. Switch yours in Instagram, then reconnect.",
      key_lost: "We can no longer read the stored connection. Please reconnect; nothing happened to your account.",
    },
  },
  unavailable: {
    title: "Not available",
    tone: "neutral",
    sentence: "Instagram has not been set up for this app yet. Please contact support.",
    reasons: {
      not_configured: "Instagram has not been set up for this app yet. Please contact support.",
    },
  },
};

/** What the phases of a client without a status say. */
export const phaseTexts = {
  idle: { title: "Instagram", tone: "busy", sentence: "Loading the connection." },
  loading: { title: "Instagram", tone: "busy", sentence: "Loading the connection." },
  failed: { title: "Not known right now", tone: "warning", sentence: "We could not find out the state of the connection." },
  "signed-out": { title: "Signed out", tone: "neutral", sentence: "Sign in to see your Instagram connection." },
  "session-refused": {
    title: "Cannot load this right now",
    tone: "warning",
    sentence: "You are still signed in, but the server did not accept your session. Reload the page to try again.",
  },
};

const errorTexts = {
  session: "The server did not accept your session. Reload the page to try again.",
  service: "The server has trouble at the moment. We keep trying.",
  network: "The server cannot be reached. Check your internet connection; we keep trying.",
  request: "That was not possible.",
};

const codeTexts = {
  "signed-out": "Sign in first.",
  "session-changed": "Another person signed in meanwhile, so nothing was changed.",
  "token-timeout": "Your sign-in could not be confirmed in time. We keep trying.",
  "token-failed": "Your sign-in could not be confirmed. Check your internet connection.",
  "session-pending": "Your sign-in is not finished. Complete its last step first.",
  "impersonation-not-allowed": "You are acting for somebody else and may look, but not change this.",
  "attempt-not-yours": "This attempt was begun by another person. Please start again yourself.",
  "account-belongs-to-another-user": "This Instagram account is already connected by somebody else here.",
  "different-account": "That is a different Instagram account from the one connected. Choose the same one.",
  "attempt-in-progress": "This is still being finished. Reload the page in a moment.",
  "attempt-expired": "That took more than ten minutes. Please start again.",
  "attempt-not-found": "That attempt is not known any more. Please start again.",
  "completion-invalid": "That link does not belong to an attempt of yours. Please start again.",
  "too-many-attempts": "You have begun several times already. Finish one of them, or wait ten minutes.",
};

const statusTexts = {
  424: "Instagram did not go along with it. Please try again.",
  429: "That was a bit much at once. Please wait a moment.",
};

/** @type {import("./states.d.ts").describeStatus} */
export function describeStatus(status) {
  const texts = stateTexts[status.state];
  // A newer server may know a state that this file does not: say what is certain.
  if (!texts) {
    return {
      title: status.connected ? "Connected" : "Not connected",
      tone: status.connected ? "good" : "neutral",
      sentence: status.error ?? "",
      action: null,
    };
  }
  return {
    title: texts.title,
    tone: texts.tone === "good" && status.reason ? "warning" : texts.tone,
    sentence: texts.reasons[status.reason] ?? status.error ?? texts.sentence,
    action: texts.label ?? actionLabels[status.action] ?? null,
  };
}

/** @type {import("./states.d.ts").describeError} */
export const describeError = (error) => codeTexts[error.code] ?? statusTexts[error.status] ?? errorTexts[error.kind];

const UNITS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** @type {import("./states.d.ts").relativeTime} */
export function relativeTime(at, now, locale) {
  const seconds = (Date.parse(at) - now) / 1_000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const amount = unit === "second" ? 0 : Math.trunc(seconds / length);
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(amount, unit);
}
