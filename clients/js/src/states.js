/** A snapshot as people read it. Used by `<InstagramConnection />`, by views of apps, and by the demo page. */
import { en } from "./locales/en.js";

/** @typedef {import("./holdfast-client.d.ts").AnyHoldfastError} AnyHoldfastError */

/** Errors behind which the browser is signed in at Instagram to the wrong account. */
const WRONG_ACCOUNT = ["different-account", "account-belongs-to-another-user"];

/**
 * Did the server understand, and say what is wrong with what was asked for?
 * @param {AnyHoldfastError} error
 */
const isJudged = ({ kind, status }) => kind === "request" || status === 424;

/** @type {typeof import("./states.d.ts").describeError} */
export function describeError(error, { errors, reasons } = en) {
  const { code, kind, message, problem } = error;
  const own = reasons[/** @type {keyof typeof reasons} */ (problem?.reason ?? code)];
  return errors[code] ?? own ?? errors[isJudged(error) ? "request" : kind] ?? message;
}

/** @type {typeof import("./states.d.ts").describe} */
export function describe({ phase, status, error, isCompleting }, locale = en) {
  const { states, completing, reasons, otherReason, actions, labels } = locale;
  if (isCompleting) return completing;
  const { title, sentence, ...button } = states[status?.state ?? /** @type {"idle"} */ (phase)] ?? {
    // A newer server may know a state that this file does not: say what is certain.
    title: states[status?.connected ? "connected" : "not_connected"].title,
  };
  const action = actions[/** @type {keyof typeof actions} */ (status?.action)];
  const { label, press } = phase === "session-refused" ? states[phase] : { ...action, ...button };
  const reason = status?.reason && (reasons[status.reason] ?? (status.error && otherReason));
  const isStale = status && error && !isJudged(error);
  return /** @type {import("./states.d.ts").Description} */ ({
    title: isStale ? labels.stale.replace("{title}", title) : title,
    sentence: reason ?? status?.error ?? sentence,
    label,
    press,
    another: error && WRONG_ACCOUNT.includes(error.code) ? labels.another : undefined,
  });
}

/** In milliseconds. Days are the largest: "in 57 days" says more than "next month". */
const UNITS = /** @type {const} */ ([
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
]);

/** @type {typeof import("./states.d.ts").relativeTime} */
export function relativeTime(at, now, locale = en) {
  const format = new Intl.RelativeTimeFormat(locale.lang, { numeric: "auto" });
  for (const [unit, ms] of UNITS) {
    const amount = Math.trunc((Date.parse(at) - now) / ms);
    if (amount) return format.format(amount, unit);
  }
  return format.format(0, "minute");
}
