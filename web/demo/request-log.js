/**
 * Records what this page asks Holdfast and what came back. Headers and bodies of requests, and so
 * tokens, stay out.
 */
import { factsOf } from "./session.js";

const KEEP = 60;

/**
 * @typedef {object} Entry
 * @property {number} at milliseconds since the epoch
 * @property {string} method
 * @property {string} path without the query
 * @property {number | null} status null where there was no answer
 * @property {string} statusText
 * @property {object | null} body the answer's JSON
 * @property {string | null} says the code of an error, or the state in a status
 * @property {number} ms until the head of the answer
 * @property {ReturnType<typeof factsOf> | null} token facts of the token that was presented
 * @property {Entry | null} retryOf the refused request that this one repeats with another token
 */

/** @param {(entry: Entry) => void} onEntry called once an answer, or its absence, is known */
export function recordingFetch(onEntry) {
  /**
   * The last refusal by method and path; the client repeats such a request at most once, and at
   * once.
   */
  const refused = new Map();

  return async function record(url, options) {
    const { pathname: path } = new URL(url);
    const method = options.method ?? "GET";
    const at = Date.now();
    const began = performance.now();
    const key = `${method} ${path}`;
    const retryOf = refused.get(key) ?? null;
    refused.delete(key);
    const entry = {
      at,
      method,
      path,
      status: null,
      statusText: "",
      body: null,
      says: null,
      ms: 0,
      token: tokenFacts(options),
      retryOf,
    };
    try {
      const response = await fetch(url, options);
      entry.ms = performance.now() - began;
      entry.status = response.status;
      entry.statusText = STATUS_TEXTS[response.status] ?? response.statusText;
      // A copy: the client reads the answer itself. An event stream has no end to wait for.
      if (/[/+]json\b/.test(response.headers.get("content-type"))) {
        entry.body = await response
          .clone()
          .json()
          .catch(() => null);
        entry.says = entry.body?.code ?? stateIn(entry.body);
      }
      if (response.status === 401) refused.set(key, entry);
      return response;
    } catch (error) {
      entry.ms = performance.now() - began;
      entry.says = error.name === "AbortError" ? "given up" : "no answer";
      throw error;
    } finally {
      onEntry(entry);
    }
  };
}

const stateIn = (body) =>
  body?.state && (body.reason ? `${body.state} / ${body.reason}` : body.state);

function tokenFacts({ headers }) {
  const token = /^Bearer (.+)$/.exec(headers?.authorization)?.[1];
  return token ? factsOf(token) : null;
}

/** HTTP/2 and 3 have no reason phrases; these are the ones that this API sends (RFC 9110 §15). */
const STATUS_TEXTS = {
  200: "OK",
  201: "Created",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  410: "Gone",
  424: "Failed Dependency",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

export const statusLine = ({ status, statusText }) =>
  status === null ? "no answer" : `${status} ${statusText}`.trim();

const toneOf = (status) =>
  status === null || status >= 500 ? "warning" : status >= 400 ? "bad" : "good";

/** An attempt's id in full would push the answer out of the table. */
const shortened = (path) => path.replace(/([0-9a-f]{8})-[0-9a-f-]{27}/, "$1…");

/** The table of requests, newest first. */
export function createLogView({ body, tally }) {
  let total = 0;
  let refusals = 0;
  return function show(entry) {
    total += 1;
    refusals += entry.status === 401;
    tally.textContent = `${total} ${total === 1 ? "request" : "requests"}, ${refusals || "no"} ${refusals === 1 ? "refusal" : "refusals"}`;
    const row = body.insertRow(0);
    const cell = (text, className) => {
      const each = row.insertCell();
      each.textContent = text;
      if (className) each.className = className;
      return each;
    };
    cell(new Date(entry.at).toLocaleTimeString());
    cell(`${entry.method} ${shortened(entry.path)}`, "path").title = entry.path;
    cell(statusLine(entry), "status").dataset.tone = toneOf(entry.status);
    cell(entry.says ?? (entry.status === 304 ? "unchanged" : ""));
    cell(`${Math.round(entry.ms)} ms`);
    if (body.rows.length > KEEP) body.deleteRow(-1);
  };
}
