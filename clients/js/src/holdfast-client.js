/**
 * The browser's side of Holdfast: one dependency-free ES module, used as it is.
 *
 * Three promises shape everything here:
 *
 * 1. It cannot loop. A refused session token is never sent twice; a second refusal in a row is final until the
 *    session changes; every repetition waits for a back-off or for the server's `Retry-After`.
 * 2. It cannot sign anyone out. It knows no sign-out, stores nothing, and navigates to `authorize_url` alone.
 * 3. It throws typed errors only (`HoldfastError` and its kinds), and never leaves a rejection unhandled.
 *
 * Types: `holdfast-client.d.ts`.
 */

/** How long `getToken` may take. Clerk's own retries go on for almost three minutes. Milliseconds, as all below. */
const TOKEN_TIMEOUT = 8_000;
const REQUEST_TIMEOUT = 10_000;
/** Silence on the event stream after which it counts as dead; the server's heartbeat is far more frequent. */
const HEARTBEAT_TIMEOUT = 45_000;
const POLL_EVERY = 30_000;
const POLL_EVERY_HIDDEN = 300_000;
const BACKOFF_MAX = 60_000;
/** A stream that ends sooner was not a stream: some proxy answers and hangs up. */
const STREAM_MIN_LIFE = 5_000;
/** Polls after which a stream is tried again, once streams have failed. */
const POLLS_PER_STREAM_TRIAL = 10;
const STREAM_TRIALS = 2;
/** Trials over some 50 s: so long an attempt may be in progress when a server was lost in the middle of it. */
const COMPLETE_TRIALS = 7;
const RETRY_AFTER_MAX = 3_600_000;
/** The page is leaving for `authorize_url`; a second click must not start a second attempt meanwhile. */
const NAVIGATION_GRACE = 10_000;
const EVENT_MAX_CHARS = 65_536;

/** Refusals that a newly minted token can mend. All others would be refused again in the same way. */
const MENDABLE_REFUSALS = [
  "token-expired",
  "token-not-active-yet",
  "token-iat-in-the-future",
  "jwk-kid-mismatch",
  "token-invalid-signature",
  "unspecified",
];

const PAGE_EVENTS = ["visibilitychange", "online", "pageshow", "pagehide"];

const CALLBACK_PARAMETERS = ["instagram", "attempt", "completion", "reason"];

export class HoldfastError extends Error {
  constructor(facts) {
    super(facts.message ?? facts.code);
    Object.assign(this, facts);
  }
}

/** Nobody is signed in, or the server refuses the session token and a fresh one did not help. */
export class HoldfastSessionError extends HoldfastError {
  name = "HoldfastSessionError";
  kind = "session";
}

/** The server, or something it depends on, could not do its work; the caller did nothing wrong. */
export class HoldfastServiceError extends HoldfastError {
  name = "HoldfastServiceError";
  kind = "service";
}

/** No answer: offline, unreachable, reset, timed out. */
export class HoldfastNetworkError extends HoldfastError {
  name = "HoldfastNetworkError";
  kind = "network";
}

/** The server understood and declined: 400 to 429 with a problem document, 401 and 424 excepted. */
export class HoldfastRequestError extends HoldfastError {
  name = "HoldfastRequestError";
  kind = "request";
}

const STATUS = "/user/instagram/status";
const READ = "read";
const ACTION = "action";
const CHANGED = "session-changed";

const noop = () => {};

const INITIAL = Object.freeze({
  phase: "idle",
  status: null,
  error: null,
  isFetching: false,
  isConnecting: false,
  updatedAt: null,
  live: "off",
});

/** @type {import("./holdfast-client.d.ts").createHoldfastClient} */
export function createHoldfastClient({
  baseUrl,
  getToken,
  getSessionId,
  fetch: send = (...request) => fetch(...request),
  clock = { now: Date.now, setTimeout, clearTimeout },
  random = Math.random,
  navigate: leaveTo = (url) => location.assign(url),
}) {
  const { now, setTimeout, clearTimeout } = clock;
  const base = String(baseUrl).replace(/\/+$/, "");
  const listeners = new Set();
  /** What `Retry-After` closed, by method and path: until when, and the error that said so. */
  const holds = new Map();

  let snapshot = INITIAL;
  let errorIsOfAction = false;
  /** Changes with the session; what an older epoch still receives is dropped. */
  let epoch = 0;
  /** Changes with every write; a read that began before it must not overwrite its outcome. */
  let writes = 0;
  let etag = null;

  let session; // identity behind the last token seen; undefined before the first
  let refusal = null; // the final refusal: {error, sessionId}
  let refused = null; // the last token refused, and why: {token, facts}
  let proven = false; // has the server accepted a token of this session?
  let gate = null; // promise while one request alone finds out whether the session is accepted
  let minting = null;

  let reading = null; // {promise, writes}
  let connecting = null;
  let completing = null;
  let unfinished = null; // a completion that waits for somebody to sign in

  let turn = 0; // identity of the running live loop
  let running = false;
  let wake = noop;
  let closeStream = noop;

  // --- State -------------------------------------------------------------------------------------------------

  function set(change) {
    snapshot = Object.freeze({ ...snapshot, ...change });
    for (const listener of [...listeners]) {
      try {
        listener(snapshot);
      } catch (error) {
        globalThis.reportError?.(error);
      }
    }
  }

  /** Takes in a status. A mere read leaves the error of an action standing: the person has yet to see it. */
  function learn(next, isRead) {
    if (!next?.state) throw unreadable();
    const known = snapshot.status;
    // What is said again stays the same object; the answer to an action may have been overtaken by a notice.
    const stands = JSON.stringify(next) === JSON.stringify(known) || (!isRead && next.version < known?.version);
    const status = stands ? known : next;
    const error = isRead && errorIsOfAction ? snapshot.error : null;
    set({ phase: "ready", status, error, updatedAt: now() });
    start();
    return status;
  }

  function fail(error, isOfAction) {
    errorIsOfAction = isOfAction;
    const phase = refusal
      ? "session-refused"
      : error.code === "signed-out"
        ? "signed-out"
        : snapshot.status
          ? "ready"
          : "failed";
    set({ phase, error });
  }

  function forgetSession() {
    epoch += 1;
    etag = refusal = refused = reading = connecting = null;
    session = undefined;
    proven = false;
    holds.clear();
    closeStream();
    set({ ...INITIAL, live: snapshot.live });
  }

  // --- Waiting -----------------------------------------------------------------------------------------------

  /** `work` with a time limit; whatever goes wrong comes out as a `HoldfastNetworkError`. */
  function within(ms, work, what, onTimeout = noop) {
    return new Promise((resolve, reject) => {
      const fails = (how, cause) => reject(new HoldfastNetworkError({ code: `${what}-${how}`, cause }));
      const timer = setTimeout(() => {
        fails("timeout");
        onTimeout();
      }, ms);
      (async () => resolve(await work()))()
        .catch((cause) => fails("failed", cause))
        .finally(() => clearTimeout(timer));
    });
  }

  /** Doubles from 1 s to a minute, half of it random, so that a thousand tabs do not return in one instant. */
  const backoff = (failures) => Math.min(BACKOFF_MAX, 1_000 * 2 ** failures) * (0.5 + random() / 2);

  const pauseAfter = (error, failures) => Math.max(error.retryAfterMs ?? 0, backoff(failures));

  // --- Session tokens ----------------------------------------------------------------------------------------

  const askForToken = (options) => within(TOKEN_TIMEOUT, () => getToken(options), "token");

  /** Concurrent forced mints are not merged by Clerk, so they are merged here. */
  const mintToken = () =>
    (minting ??= askForToken({ skipCache: true }).finally(() => {
      minting = null;
    }));

  async function currentToken() {
    if (refusal && getSessionId && getSessionId() === refusal.sessionId) throw refusal.error;
    const token = await askForToken();
    meet(token);
    if (refusal) throw refusal.error;
    return token === refused?.token ? replacement() : token;
  }

  /** Throws where nobody is signed in, or somebody else than before: what A clicked must not be done as B. */
  function meet(token) {
    const identity = token && identityIn(token);
    const isOther = session !== undefined && identity !== session;
    if (isOther) forgetSession();
    if (!token) throw new HoldfastSessionError({ code: "signed-out" });
    session = identity;
    if (isOther) throw changed();
  }

  /** A token other than the refused one, or the end of the matter. */
  async function replacement() {
    const { token, facts } = refused;
    const next = await mintToken();
    meet(next);
    if (next === token) refuse(facts);
    return next;
  }

  function refuse(facts) {
    closeStream();
    refusal = { error: new HoldfastSessionError(facts), sessionId: getSessionId?.() };
    throw refusal.error;
  }

  // --- Requests ----------------------------------------------------------------------------------------------

  function exchange(token, method, path, { headers, body, stream }) {
    const abort = new AbortController();
    const began = epoch;
    const close = () => abort.abort();
    if (stream) closeStream = close; // from here on: it can be told to stop before it has answered
    return within(
      REQUEST_TIMEOUT,
      async () => {
        const response = await send(base + path, {
          method,
          headers: {
            authorization: `Bearer ${token}`,
            ...(body && { "content-type": "application/json" }),
            ...headers,
          },
          body: body && JSON.stringify(body),
          signal: abort.signal,
          cache: "no-store",
          credentials: "omit",
          redirect: "error", // the token goes to this server and to no other
        });
        return { epoch: began, close, response, text: stream && response.ok ? "" : await response.text() };
      },
      "request",
      close,
    );
  }

  /** Sends with a token; on 401 once more with a fresh one, if that can help; then never again in this session. */
  async function authorized(...request) {
    while (gate) await gate;
    if (!proven) return alone(async () => settle(await currentToken(), request));
    const token = await currentToken();
    const answer = await exchange(token, ...request);
    if (answer.response.status !== 401) return answer;
    // Others in flight may hear the same 401: one of them asks for a fresh token, the rest wait for its outcome.
    return alone(async () => {
      if (refusal) throw refusal.error;
      return refused?.token === token ? settle(await currentToken(), request) : settle(token, request, answer);
    });
  }

  async function alone(work) {
    while (gate) await gate;
    const result = work();
    gate = result.catch(noop).then(() => {
      gate = null;
    });
    return result;
  }

  async function settle(token, request, first) {
    let answer = first ?? (await exchange(token, ...request));
    for (let isLast = false; answer.response.status === 401; isLast = true) {
      if (answer.epoch !== epoch) throw changed();
      const facts = problem(answer);
      refused = { token, facts };
      if (isLast || !MENDABLE_REFUSALS.includes(facts.code)) refuse(facts);
      token = await replacement();
      answer = await exchange(token, ...request);
    }
    proven = true;
    return answer;
  }

  /** One call of the API: parsed JSON, `null` for 304, or a typed error. */
  async function call(method, path, options = {}) {
    const key = method + path;
    const hold = holds.get(key);
    if (hold?.until > now()) throw hold.error;
    const answer = await authorized(method, path, options);
    if (answer.epoch !== epoch) throw changed();
    const { response, text } = answer;
    if (response.status === 304) return null;
    if (response.ok) {
      if (options.stream) return answer;
      const value = valueIn(text);
      if (!value) throw unreadable();
      if (path === STATUS) etag = response.headers.get("etag");
      return value;
    }
    const facts = problem(answer);
    const isOurs = response.status < 500 && response.status !== 424 && facts.code !== "unspecified";
    const error = new (isOurs ? HoldfastRequestError : HoldfastServiceError)(facts);
    if (facts.retryAfterMs) holds.set(key, { until: now() + facts.retryAfterMs, error });
    throw error;
  }

  function problem({ response, text }) {
    const body = valueIn(text);
    const { status, headers } = response;
    return {
      status,
      code: body?.code ?? "unspecified",
      message: body?.error ?? `The server answered with status ${status}.`,
      problem: body,
      retryAfterMs: retryAfter(headers, now()),
    };
  }

  /**
   * Runs one operation. Its promise may be ignored without an unhandled rejection, since the snapshot tells as well;
   * `about` says what a failure concerns: the state we show ("read"), what the person did ("action"), or neither.
   */
  function operation(about, work) {
    const promise = work()
      .catch((error) => {
        // Whoever it is now may ask; only what a person did is theirs alone.
        if (error.code === CHANGED && about !== ACTION) return work();
        throw error;
      })
      .catch((cause) => {
        const error = cause instanceof HoldfastError ? cause : new HoldfastServiceError({ code: "unexpected", cause });
        if (about || error.kind === "session") fail(error, about === ACTION);
        throw error;
      });
    promise.catch(noop);
    return promise;
  }

  // --- Operations --------------------------------------------------------------------------------------------

  function status() {
    if (reading?.writes === writes) return reading.promise;
    const mine = { writes };
    reading = mine;
    set({ isFetching: true, phase: snapshot.phase === "idle" ? "loading" : snapshot.phase });
    return (mine.promise = operation(READ, async () => {
      try {
        const answer = await call("GET", STATUS, { headers: snapshot.status && etag && { "if-none-match": etag } });
        // Overtaken by a write or a notice: what those brought is newer than this.
        if (mine.writes !== writes) {
          etag = null;
          return snapshot.status ?? status();
        }
        return learn(answer ?? snapshot.status, true);
      } finally {
        if (reading === mine) {
          reading = null;
          set({ isFetching: false });
        }
      }
    }));
  }

  /** A request that changes the connection. Reads begun before its end are overtaken. */
  async function write(method, path, body) {
    try {
      return await call(method, path, { body });
    } finally {
      writes += 1;
      etag = null;
    }
  }

  const ask = (...request) => operation(null, () => call(...request));

  function connect({ returnTo, forceReauth, expect, navigate = true } = {}) {
    if (connecting) return connecting;
    set({ isConnecting: true, error: null });
    const promise = operation(ACTION, async () => {
      let grace = 0;
      try {
        const attempt = await write("POST", "/user/instagram/connect", {
          return_to: returnTo ?? (globalThis.location && withoutCallback(location.href)),
          force_reauth: forceReauth,
          expect,
        });
        if (!/^https?:\/\//.test(attempt.authorize_url)) throw unreadable();
        if (navigate) {
          grace = NAVIGATION_GRACE;
          leaveTo(attempt.authorize_url);
        }
        return attempt;
      } finally {
        setTimeout(() => {
          if (connecting === promise) connecting = null;
          set({ isConnecting: !!connecting });
        }, grace);
      }
    });
    return (connecting = promise);
  }

  /** Finishes the attempt that the address speaks of, having cleaned the address before anything asynchronous. */
  function completeFromUrl(address = globalThis.location) {
    const url = address && new URL(address.href ?? address);
    const [outcome, attempt, completion, reason] = CALLBACK_PARAMETERS.map((name) => url?.searchParams.get(name));
    if (!/^(complete|denied|failed|expired)$/.test(outcome)) return completing ?? Promise.resolve(null);
    if (globalThis.location?.href === url.href) history.replaceState(history.state, "", withoutCallback(url));
    if (completion && attempt) return (completing ??= complete(attempt, completion));
    status();
    return Promise.resolve({ outcome, attempt, reason, status: null });
  }

  function complete(attempt, completion) {
    unfinished = null;
    return operation(ACTION, async () => {
      const path = `/user/instagram/connect/${encodeURIComponent(attempt)}/complete`;
      try {
        for (let failures = 0; ; failures += 1) {
          try {
            const status = learn(await write("POST", path, { completion }));
            return { outcome: "complete", attempt, reason: null, status };
          } catch (error) {
            // The server answers the owner of a finished attempt alike each time, so that repeating is safe.
            if (error.kind === "session") unfinished = [attempt, completion];
            const isPassing = error.kind === "network" || error.status === 503 || error.code === "attempt-in-progress";
            if (!isPassing || failures + 1 >= COMPLETE_TRIALS) throw error;
            await new Promise((resolve) => setTimeout(resolve, pauseAfter(error, failures)));
          }
        }
      } finally {
        completing = null;
      }
    });
  }

  function sessionChanged() {
    forgetSession();
    if (unfinished) completing = complete(...unfinished);
    stop();
    start();
  }

  // --- Live updates ------------------------------------------------------------------------------------------

  const isHidden = () => globalThis.document?.hidden;

  /** Holds one event stream open until it ends or `mine` is no longer the running loop; resolves to how long it lived. */
  async function stream(mine) {
    const { response, close, epoch: began } = await ask("GET", "/user/events", {
      stream: true,
      headers: { accept: "text/event-stream" },
    });
    const opened = now();
    try {
      if (!/event-stream/.test(response.headers.get("content-type"))) throw unreadable();
      set({ live: "stream" });
      // The first event is the state as it is now, so that nothing falls between two streams.
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let buffer = "";
      for (;;) {
        const { done, value } = await within(HEARTBEAT_TIMEOUT, () => reader.read(), "stream");
        if (done || mine !== turn || began !== epoch) return now() - opened;
        buffer += decoder.decode(value, { stream: true });
        const blocks = buffer.split(/\r?\n\r?\n/);
        buffer = blocks.pop();
        blocks.forEach(hear);
        if (buffer.length > EVENT_MAX_CHARS) throw unreadable();
      }
    } finally {
      close();
    }
  }

  function hear(block) {
    const field = (name) =>
      [...block.matchAll(new RegExp(`^${name}: ?(.*)`, "gm"))].map(([, value]) => value).join("");
    if (field("event") !== "instagram.status") return;
    const next = valueIn(field("data"));
    // An older or unreadable notice still says that something happened: ask.
    if (!(next?.version >= (snapshot.status?.version ?? 0))) return void status();
    writes += 1;
    etag = null;
    learn(next, true);
  }

  async function live(mine) {
    let failures = 0;
    let streamFailures = 0;
    let polls = 0;
    let isRead = false;
    while (mine === turn) {
      let pause = POLL_EVERY;
      try {
        if (!isRead) await status();
        isRead = false;
        if (isHidden()) pause = POLL_EVERY_HIDDEN;
        else if (mine === turn && (streamFailures < STREAM_TRIALS || ++polls % POLLS_PER_STREAM_TRIAL === 0)) {
          streamFailures += 1; // until it has lived
          if ((await stream(mine)) < STREAM_MIN_LIFE) throw unreadable();
          streamFailures = 0;
          isRead = true;
          pause = backoff(0);
        }
        failures = 0;
      } catch (error) {
        isRead = false;
        if (error.kind === "session" && error.code !== CHANGED) break;
        // A 403 can end by itself (a pending session becomes active), but not soon.
        pause = error.status === 403 ? BACKOFF_MAX : pauseAfter(error, failures);
        failures += 1;
      }
      if (mine !== turn) break;
      if (!isRead) set({ live: "polling" });
      await new Promise((resolve) => setTimeout((wake = resolve), pause));
    }
    if (mine === turn) stop();
  }

  function onPageEvent({ type }) {
    if (type === "pagehide") {
      // Put away, perhaps to be thawed by the back button: with no stream open, and free to connect again.
      closeStream();
      connecting = null;
      set({ isConnecting: false });
    } else if (!isHidden()) wake();
  }

  function listen(verb) {
    // "visibilitychange" bubbles up from the document.
    for (const type of PAGE_EVENTS) globalThis[verb]?.(type, onPageEvent);
  }

  function start() {
    if (running || refusal || !listeners.size) return;
    running = true;
    listen("addEventListener");
    live((turn += 1));
  }

  function stop() {
    if (!running) return;
    running = false;
    turn += 1;
    listen("removeEventListener");
    closeStream();
    wake();
    set({ live: "off" });
  }

  function subscribe(listener) {
    const own = (next) => listener(next); // the same function subscribed twice counts twice
    listeners.add(own);
    // Put off by a moment, so that a double mount (React's StrictMode) neither starts nor stops anything twice.
    queueMicrotask(start);
    return () => {
      listeners.delete(own);
      queueMicrotask(() => listeners.size || stop());
    };
  }

  return {
    sync: () => ask("POST", "/auth/sync"),
    profile: () => ask("GET", "/user/profile"),
    status,
    connect,
    completeFromUrl,
    disconnect: () =>
      operation(ACTION, async () => {
        const receipt = await write("DELETE", "/user/instagram");
        await status().catch(noop); // it is disconnected, whether or not that can be read now
        return receipt;
      }),
    check: () => operation(ACTION, async () => learn(await write("POST", "/user/instagram/check"))),
    history: ({ cursor } = {}) =>
      ask("GET", "/user/instagram/history" + (cursor ? `?before=${encodeURIComponent(cursor)}` : "")),
    sessionChanged,
    subscribe,
    getSnapshot: () => snapshot,
    getServerSnapshot: () => INITIAL,
  };
}

// --- Pure parts ------------------------------------------------------------------------------------------------

const unreadable = () => new HoldfastServiceError({ code: "unreadable-answer" });

const changed = () =>
  new HoldfastSessionError({ code: CHANGED });

/** What JSON says; undefined for HTML, for half a document, for anything else that a proxy may have put in its place. */
function valueIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `Retry-After` in milliseconds, from seconds or from a date (RFC 9110 §10.2.3); undefined where absent. */
function retryAfter(headers, now) {
  const value = headers.get("retry-after");
  if (!value) return undefined;
  // Counted from the server's own `Date` where it can be read: this computer's clock may be minutes off.
  const ms = /^\d+$/.test(value) ? value * 1_000 : Date.parse(value) - (Date.parse(headers.get("date")) || now);
  return ms >= 0 ? Math.min(ms, RETRY_AFTER_MAX) : undefined;
}

/** Whose token this is, unverified: used only to notice that it is somebody else's. */
function identityIn(token) {
  try {
    const { sub, sid } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return sub + sid;
  } catch {
    return "";
  }
}

function withoutCallback(url) {
  const clean = new URL(url);
  for (const name of CALLBACK_PARAMETERS) clean.searchParams.delete(name);
  return clean.href.replace(/#_$/, ""); // Meta appends it
}
