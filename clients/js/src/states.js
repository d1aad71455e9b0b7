/**
 * What a person reads. Why something is wrong is said by the server, in the `error` of a status and of a problem, so that
 * each reason is worded in one place. Here is what the server does not say: titles, labels, what to do, why a connection
 * works only in part (what is connected carries no `error`), and what can go wrong on the way. Used by
 * `<InstagramConnection />` and by the demo page of `holdfast dev`.
 */

const SIGNED_OUT = "Sign in to see your Instagram connection.";

/**
 * By state, and by phase for a client without a status. `press` names the operation of the button.
 * @type {import("./states.d.ts").stateTexts}
 */
export const stateTexts = {
  not_connected: { title: "Not connected", sentence: "Connect your Instagram account to use it here." },
  // The contract has no action here, but whoever came back by the back button needs a way on.
  connecting: { title: "Connecting", sentence: "Finish at Instagram, or start again.", label: "Start again", press: "connect" },
  connected: { title: "Connected" },
  degraded: { title: "Connected, with delays", sentence: "Instagram has trouble; we keep trying. You need not do anything." },
  action_required: { title: "Instagram needs you" },
  reconnect_required: { title: "Reconnect needed" },
  unavailable: { title: "Not available, please contact support" },
  idle: { title: "Loading…" },
  loading: { title: "Loading…" },
  failed: { title: "Not known right now", label: "Try again", press: "refetch" },
  "session-refused": { title: "Not known right now" },
  "signed-out": { title: "Signed out", sentence: SIGNED_OUT },
};

/** Where the sentence of the state is not true, or not enough. */
const reasonTexts = {
  scopes_missing: "Some permissions are missing.",
  app_misconfigured: "Something is set up wrong on our side. You need not do anything.",
};

const actionTexts = {
  connect: { label: "Connect Instagram", press: "connect" },
  reconnect: { label: "Reconnect", press: "reconnect" },
  fix_at_instagram: { label: "Check again", press: "check" },
};

/** By code and by kind. */
const errorTexts = {
  "signed-out": SIGNED_OUT,
  "session-changed": "Somebody else signed in; nothing was changed.",
  session: "You are still signed in, but the server refuses your session. Reload to try again.",
  service: "The server has trouble; we keep trying.",
  network: "The server cannot be reached; we keep trying.",
};

/** Did the server understand, and say what is wrong with what was asked for? */
const isJudged = ({ kind, status }) => kind === "request" || status === 424;

/** @type {import("./states.d.ts").describeError} */
export const describeError = (error) =>
  errorTexts[error.code] ?? (isJudged(error) ? error.message : errorTexts[error.kind]);

/** @type {import("./states.d.ts").describe} */
export function describe({ phase, status, error }) {
  // A newer server may know a state that this file does not: say what is certain.
  const texts = stateTexts[status?.state ?? phase] ?? { title: status.connected ? "Connected" : "Not connected" };
  const isStale = status && error && !isJudged(error);
  return {
    ...actionTexts[status?.action],
    ...texts,
    title: texts.title + (isStale ? ", when last heard" : ""),
    sentence: reasonTexts[status?.reason] ?? status?.error ?? texts.sentence,
  };
}

/** In milliseconds. Days are the largest: "in 57 days" says more than "next month". */
const UNITS = { day: 86_400_000, hour: 3_600_000, minute: 60_000 };

/** @type {import("./states.d.ts").relativeTime} */
export function relativeTime(at, now, locale) {
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  for (const unit in UNITS) {
    const amount = Math.trunc((Date.parse(at) - now) / UNITS[unit]);
    if (amount || unit === "minute") return format.format(amount, unit);
  }
}
