/**
 * What a failed answer says: a problem document, or what a proxy put in its place.
 */
import { LONGEST_RETRY_AFTER } from "./limits.js";

/** @typedef {import("../holdfast-client.d.ts").Problem} Problem */

/**
 * @typedef {object} Answer
 * @property {Response} response
 * @property {string} text its body; empty where it is a stream
 * @property {boolean} [isFinal] a 401 about something else than the token
 */

/**
 * What JSON says; undefined for HTML, for half a document, for anything that a proxy may have put
 * in its place.
 * @param {string | undefined} text
 * @returns {any}
 */
export function valueIn(text) {
  try {
    return JSON.parse(/** @type {string} */ (text));
  } catch {
    // Not JSON.
  }
}

/**
 * `Retry-After` in milliseconds, from seconds or from a date (RFC 9110 §10.2.3); undefined where
 * absent.
 * @param {Headers} headers
 * @param {number} now
 */
function retryAfter(headers, now) {
  const value = /** @type {string} */ (headers.get("retry-after"));
  // Counted from the server's own `Date` where it can be read: this computer's clock may be minutes
  // off.
  const since = Date.parse(/** @type {string} */ (headers.get("date"))) || now;
  const ms = Number(value) * 1_000 || Date.parse(value) - since;
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER) : undefined;
}

/**
 * @param {Answer} answer
 * @param {number} now
 */
export function problemIn({ response: { status, headers }, text }, now) {
  const body = /** @type {Partial<Problem> | undefined} */ (valueIn(text));
  return {
    status,
    // What is no text has no `trim`. A gateway's `error` may be an object, and a page that is to
    // show that as a text breaks.
    code: body?.code?.trim?.() ?? "unspecified",
    message: body?.error?.trim?.() ?? `status ${status}`,
    problem: /** @type {Problem | undefined} */ (body),
    retryAfterMs: retryAfter(headers, now),
  };
}

/**
 * Is what the server says may be done one of these? One that says nothing, or a proxy in its place,
 * is given a try.
 * @param {{ problem?: Problem | undefined }} facts
 * @param {RegExp} actions
 */
export const permits = ({ problem }, actions) => !problem?.action || actions.test(problem.action);
