/**
 * A snapshot as people read it. Used by `<InstagramConnection />`, by views of apps, and by the
 * demo page.
 */
import { en } from "./locales/en.js";

/** @typedef {import("./holdfast-client.d.ts").AnyHoldfastError} AnyHoldfastError */
/** @typedef {keyof typeof en.labels} Name of a button, by which its label is found */

/**
 * What texts are looked up by, of a status. Without a status all are undefined: nothing is found.
 * @typedef {{
 *   [F in "state" | "action" | "reason" | "error"]: string
 * } & { connected: boolean }} Facts
 */

/**
 * The button that helps: by phase, by state, by the server's `action`; and beside it one by the
 * code of an error.
 */
const BUTTONS = /** @type {Record<string, Name>} */ ({
  failed: "retry",
  "session-refused": "retry",
  // The server asks for nothing, but a person who came back by "back" needs a way on.
  connecting: "restart",
  // Whatever the reason: only another try shows that an account has been admitted meanwhile.
  not_connected: "connect",
  connect: "connect",
  reconnect: "reconnect",
  fix_at_instagram: "check",
  "different-account": "another",
  "account-belongs-to-another-user": "another",
});

/**
 * Did the server understand, and say what is wrong with what was asked for?
 * @param {AnyHoldfastError} error
 */
const isJudged = ({ kind, status }) => kind === "request" || status === 424;

/** @type {typeof import("./states.d.ts").describeError} */
export function describeError(error, { sentences } = en) {
  const { code, kind, message, problem } = error;
  const reason = /** @type {string} */ (problem?.reason);
  return (
    sentences[code] ?? sentences[reason] ?? sentences[isJudged(error) ? "request" : kind] ?? message
  );
}

/** @type {typeof import("./states.d.ts").describe} */
export function describe({ phase, status, error, isCompleting, isStale = true }, locale = en) {
  const { states, sentences, labels } = locale;
  const failure = error && describeError(error, locale);
  if (isCompleting)
    return failure
      ? { ...states.completing, alert: failure, label: labels.retry, press: "retry" }
      : states.completing;
  const {
    state = phase,
    action,
    reason,
    connected,
    error: why,
  } = /** @type {Facts} */ (status ?? {});
  // A newer server may know a state that this file does not: say what is certain.
  const { title, sentence } =
    states[/** @type {"idle"} */ (state)] ?? states[connected ? "connected" : "not_connected"];
  const said = sentences[reason] ?? (why ? (sentences.reason ?? why) : sentence);
  const button = /** @type {Name} */ (BUTTONS[phase] ?? BUTTONS[state] ?? BUTTONS[action]);
  const isLastHeard = isStale && status && error && !isJudged(error);
  return /** @type {import("./states.d.ts").Description} */ ({
    title: isLastHeard ? labels.stale.replace("{title}", title) : title,
    sentence: said,
    alert: failure !== said && failure,
    label: labels[button],
    press: button === "restart" ? "connect" : button,
    another: labels[/** @type {Name} */ (BUTTONS[/** @type {string} */ (error?.code)])],
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
