/**
 * Who is calling, as Holdfast judges it: asks `/forward-auth` and remembers accepted tokens until
 * they expire. Knows no framework: `request` is a Fetch `Request` or Node's `IncomingMessage`.
 */
"use strict";
const { createHash } = require("node:crypto");
const { readRequirements } = require("./requirements.js");

/** The headers of an answer that a refused caller is given. */
const PASSED_ON = ["www-authenticate", "retry-after", "x-request-id"];
/**
 * Clerk's session tokens live for a minute; no verdict is remembered for longer, even if a token
 * says more.
 */
const LONGEST_MEMORY_MS = 60_000;
/**
 * Questions at a time: each has a connection of its own, and a Holdfast that hangs must not have
 * all of the app's.
 */
const MOST_QUESTIONS = 256;
/** Between two warnings that there are no verdicts. */
const WARN_EVERY_MS = 60_000;
/** Headers from which something further in may take another method than the request's own. */
const OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override"];
/** RFC 9110, 11.1: the name of a scheme has no case. */
const BEARER = /^\s*bearer\b/i;
const NOBODY = Object.freeze({ ok: true, caller: null });

/**
 * @param {{send: Function, judgeEveryMethod?: boolean, capacity: number, timeout: number}} options
 */
function createVerify({ send, judgeEveryMethod = false, capacity, timeout }) {
  /** Insertion order is age: the oldest is forgotten first. */
  const accepted = new Map();
  /** What is being asked, by the same keys: one question for all who come while it is under way. */
  const asking = new Map();
  let warnedAt = -Infinity;

  const remember = (key, caller, forMs) => {
    if (forMs <= 0 || capacity < 1) return;
    if (accepted.size >= capacity) accepted.delete(accepted.keys().next().value);
    accepted.set(key, { caller, until: clocks().map((now) => now + forMs) });
  };

  const recall = (key) => {
    const entry = accepted.get(key);
    if (entry && clocks().every((now, each) => now < entry.until[each])) return entry;
    accepted.delete(key);
    return undefined;
  };

  return async function verify(request, requirements = {}) {
    const { optional, query } = readRequirements(requirements);
    if (!judgeEveryMethod && isPreflight(request)) return NOBODY;
    const [credential, second] = credentialsOf(request);
    if (second !== undefined) return MULTIPLE_CREDENTIALS;
    if (credential === undefined && optional) return NOBODY;
    const headers = credential === undefined ? cookieOf(request) : { authorization: credential };
    const key = createHash("sha256")
      .update(query + JSON.stringify(headers))
      .digest("base64");
    const remembered = recall(key);
    if (remembered) return { ok: true, caller: remembered.caller };

    const until = performance.now() + timeout;
    const joined = asking.get(key);
    if (!joined && asking.size >= MOST_QUESTIONS) {
      const why = `this backend has ${MOST_QUESTIONS} questions under way`;
      warn(why);
      return cannotJudge(why, LIMITED);
    }
    const begun = () => asking.get(key) ?? begin(key, headers, query, optional);
    let verdict = await within(joined ?? begun(), timeout);
    // Another's question may have begun, and failed, long before this request's time is over.
    if (!verdict && joined) verdict = await within(begun(), until - performance.now());
    return verdict ?? cannotJudge(NO_ANSWER);
  };

  function begin(key, ...question) {
    const answer = ask(key, ...question)
      // No error of `fetch` quotes what was sent.
      .catch(({ name, cause }) => warn(`${NO_ANSWER} (${cause?.code ?? cause?.message ?? name})`))
      .finally(() => asking.delete(key));
    asking.set(key, answer);
    return answer;
  }

  function warn(why) {
    if (performance.now() - warnedAt < WARN_EVERY_MS) return;
    warnedAt = performance.now();
    const warning = `Callers get 503: ${why}`;
    // Some runtimes besides Node lack it; a warning must not become an error.
    if (process.emitWarning) process.emitWarning(warning, { code: "HOLDFAST_UNREACHABLE" });
    else console.warn(warning);
  }

  /** For an answer that something else gave in Holdfast's place, or that says "not now". */
  function noVerdict({ status, headers }, about = `status ${status}`) {
    const isLimit = status === 429;
    const why = isLimit
      ? "Holdfast limits the requests of this backend"
      : `the answer from Holdfast's address is no verdict (${about})`;
    warn(isLimit ? `${why} (HOLDFAST_REQUESTS_PER_ADDRESS, or a limit in front of it)` : why);
    return cannotJudge(why, isLimit ? LIMITED : undefined, headers.get("retry-after"));
  }

  /** The verdict; rejects where no answer came. */
  async function ask(key, headers, query, optional) {
    const credential = headers.authorization;
    const answer = await send(`forward-auth${query}`, { headers, timeout });
    if (answer.status !== 200) return refusal(answer) ?? noVerdict(answer);
    const caller = callerOf(answer.headers);
    if (!caller) {
      // Holdfast passes over another scheme, such as a staging site's `Basic`, where credentials
      // are optional. To a session token a 200 that names nobody is not its answer: perhaps the
      // address leads elsewhere.
      return optional && !BEARER.test(credential) ? NOBODY : noVerdict(answer, "it names nobody");
    }
    const claims = credential === undefined ? { sub: null } : claimsOf(credential);
    // The answer to somebody else's question: what lies between mixes answers up, or keeps them.
    if ((claims.sub === undefined ? caller.userId : claims.sub) !== caller.userId)
      return noVerdict(answer, "it names somebody else");
    remember(key, caller, remainingMs(claims, answer.headers.get("date")));
    return Object.freeze({ ok: true, caller });
  }
}

/**
 * A preflight carries no credentials, and what it asks about is not done by it. Anybody can send
 * OPTIONS, though: a handler that runs for it too must look at the caller.
 */
const isPreflight = (request) =>
  request.method === "OPTIONS" && !OVERRIDES.some((name) => headerOf(request, name));

/** One that is never set back, and one that goes on while the machine sleeps. */
const clocks = () => [performance.now(), Date.now()];

/** What `promise` gives, or null once `ms` have passed. */
function within(promise, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, null);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Every value of `Authorization`: which of several a proxy on the way has judged cannot be known.
 */
function credentialsOf(request) {
  if (typeof request.headers.get === "function") {
    // Several come joined by commas, and a session token has none.
    return request.headers.get("authorization")?.split(",") ?? [];
  }
  const distinct = request.headersDistinct?.authorization ?? [];
  // A middleware before this one may have put another in its place.
  return distinct.length > 1 ? distinct : [request.headers.authorization ?? []].flat();
}

/**
 * Clerk's cookie is not read, because a browser sends it also with requests that another site
 * caused. Its name alone is passed on, so that Holdfast's refusal says what came instead of a
 * header.
 */
function cookieOf(request) {
  const isThere = /(^|;)\s*__session/.test(headerOf(request, "cookie") ?? "");
  return isThere ? { cookie: "__session=" } : {};
}

function headerOf({ headers }, name) {
  return typeof headers.get === "function" ? headers.get(name) : headers[name];
}

/** What Holdfast says about an accepted caller; null where it names nobody. */
function callerOf(headers) {
  const userId = headers.get("x-auth-user");
  if (!userId) return null;
  return Object.freeze({
    userId,
    sessionId: headers.get("x-auth-session"),
    orgId: headers.get("x-auth-org"),
    orgRole: headers.get("x-auth-org-role"),
    orgPermissions: Object.freeze(headers.get("x-auth-org-permissions")?.split(",") ?? []),
    impersonator: headers.get("x-auth-impersonator"),
  });
}

/** What the token says of itself; nothing, where that cannot be read. */
function claimsOf(credential) {
  try {
    const payload = credential.slice(credential.indexOf(" ") + 1).split(".")[1];
    return JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) ?? {};
  } catch {
    return {};
  }
}

/** How long the token is still good, by the clock of the server that accepted it. */
function remainingMs({ exp }, date) {
  const now = Date.parse(date) || Date.now();
  return Math.min(exp * 1000 - now, LONGEST_MEMORY_MS) || 0;
}

/**
 * Holdfast's own refusal, to be passed on; undefined for an answer that something else gave in its
 * place.
 */
function refusal(answer) {
  const isProblem = answer?.headers.get("content-type")?.startsWith("application/problem+json");
  if (!isProblem || ![400, 401, 403, 429, 431, 503].includes(answer.status)) return undefined;
  try {
    const document = JSON.parse(answer.body);
    if (typeof document.code !== "string" || typeof document.source !== "string") return undefined;
    if (answer.status === 401 && document.source !== "session") return undefined;
    // Any other limit is one on this backend's own address.
    if (answer.status === 429 && document.code !== "stop-repeating") return undefined;
    const headers = PASSED_ON.map((name) => [name, answer.headers.get(name)]).filter(
      ([, value]) => value !== null,
    );
    return problem(answer.status, document, Object.fromEntries(headers));
  } catch {
    return undefined;
  }
}

/** A refusal as the caller sees it, RFC 9457. */
function problem(status, members, headers = {}) {
  const document = { type: "about:blank", status, error: members.detail, ...members };
  return Object.freeze({
    ok: false,
    status,
    problem: document,
    body: JSON.stringify(document),
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...headers,
    },
  });
}

const NO_ANSWER = "Holdfast does not answer";
const LIMITED = "backend-limited";

/** The cause is never the caller's fault. */
const cannotJudge = (why, code = "holdfast-unreachable", retryAfter) =>
  problem(
    503,
    {
      title: "Cannot judge the session token",
      detail: `The session token could not be judged: ${why}.`,
      source: "server",
      code,
      action: "retry",
    },
    { "retry-after": retryAfter || "2" },
  );

const MULTIPLE_CREDENTIALS = problem(400, {
  title: "Several credentials",
  detail: "The request has more than one Authorization header.",
  source: "request",
  code: "multiple-credentials",
  action: "fix_request",
});

module.exports = { createVerify, headerOf, isPreflight, problem };
