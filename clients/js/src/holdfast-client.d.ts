/**
 * Types of the browser client. Members of server answers keep the names they have on the wire;
 * times are RFC 3339 strings in UTC, durations of the client itself are milliseconds.
 */

export type Timestamp = string;

export interface User {
  id: string;
  email: string | null;
  email_verified: boolean | null;
  first_name: string | null;
  last_name: string | null;
  image_url: string | null;
  created_at: Timestamp;
  updated_at: Timestamp;
  last_seen_at: Timestamp | null;
}

export interface InstagramAccount {
  /** App-scoped id. Ids are strings: they exceed what a JavaScript number holds. */
  id: string;
  professional_id: string | null;
  username: string | null;
  name: string | null;
  /** "business" or "media_creator" so far. */
  account_type: string | null;
  profile_picture_url: string | null;
}

/** What our knowledge of a connection rests on, and since when. */
export interface Evidence {
  source: "oauth" | "refresh" | "use" | "callback" | "clock";
  at: Timestamp;
}

export type NotConnectedReason =
  | "user_disconnected"
  | "denied"
  | "attempt_expired"
  | "attempt_failed"
  /** Somebody else has shown that the account is theirs. */
  | "account_moved";
export type DegradedReason =
  | "refresh_failing"
  | "rate_limited"
  | "provider_unavailable"
  | "provider_incident"
  | "app_misconfigured";
export type ActionRequiredReason = "checkpoint" | "unconfirmed" | "restricted" | "consent_blocked";
export type ReconnectRequiredReason =
  | "expired"
  | "revoked"
  | "password_changed"
  | "deauthorized"
  | "token_invalid"
  | "account_ineligible"
  | "key_lost"
  | "grant_unreadable";

export interface OpenAttempt {
  id: string;
  expires_at: Timestamp;
}

interface StatusFacts {
  account: InstagramAccount | null;
  scopes: string[];
  missing_scopes: string[];
  token_expires_at: Timestamp | null;
  next_refresh_at: Timestamp | null;
  /** Since when the connection is in this state. */
  since: Timestamp | null;
  /** When another try makes sense. */
  retry_after: Timestamp | null;
  evidence: Evidence | null;
  /**
   * The connect attempt that is open now; beside what is known of a linked account, which it does
   * not hide.
   */
  attempt: OpenAttempt | null;
  /** Grows with every change of the connection. */
  version: number;
  /** One sentence for a person, where `connected` is false and something is wrong. */
  error?: string;
}

export interface NotConnectedStatus extends StatusFacts {
  state: "not_connected";
  connected: false;
  reason: NotConnectedReason | null;
  action: "connect";
}
/** Instagram does not let the app use this account: the app's operator has to do something. */
export interface NotAdmittedStatus extends StatusFacts {
  state: "not_connected";
  connected: false;
  reason: "account_not_admitted";
  action: "contact_support";
}
/** An attempt is open, and no account is linked. */
export interface ConnectingStatus extends StatusFacts {
  state: "connecting";
  connected: false;
  reason: null;
  action: "none";
}
export interface ConnectedStatus extends StatusFacts {
  state: "connected";
  connected: true;
  reason: "scopes_missing" | null;
  action: "none" | "reconnect";
}
export interface DegradedStatus extends StatusFacts {
  state: "degraded";
  connected: true;
  reason: DegradedReason;
  action: "wait";
}
export interface ActionRequiredStatus extends StatusFacts {
  state: "action_required";
  connected: false;
  reason: ActionRequiredReason;
  action: "fix_at_instagram";
}
export interface ReconnectRequiredStatus extends StatusFacts {
  state: "reconnect_required";
  connected: false;
  reason: ReconnectRequiredReason;
  action: "reconnect";
}
export interface UnavailableStatus extends StatusFacts {
  state: "unavailable";
  connected: false;
  reason: "not_configured";
  action: "contact_support";
}

/** Discriminated by `state`. */
export type InstagramStatus =
  | NotConnectedStatus
  | NotAdmittedStatus
  | ConnectingStatus
  | ConnectedStatus
  | DegradedStatus
  | ActionRequiredStatus
  | ReconnectRequiredStatus
  | UnavailableStatus;

export type InstagramState = InstagramStatus["state"];
export type InstagramReason = NonNullable<InstagramStatus["reason"]>;
export type InstagramAction = InstagramStatus["action"];

export interface SyncResult {
  user: User;
  created: boolean;
}

export interface Profile extends User {
  connections: { instagram: InstagramStatus };
}

export interface ConnectAttempt {
  authorize_url: string;
  attempt_id: string;
  expires_at: Timestamp;
}

export interface DisconnectReceipt {
  disconnected: boolean;
  deleted_at: Timestamp | null;
  /** How to take back the permission at Instagram as well: one sentence for a person. */
  revoke_hint: string;
}

/** A connect attempt that began or ended. */
export interface HistoryAttempt {
  id: string;
  /**
   * `connected`, `denied`, `expired`, `failed`, `different_account`, `account_taken` or
   * `disconnected`; null where it began.
   */
  outcome: string | null;
  reason: InstagramReason | null;
}

export interface HistoryEntry {
  state: InstagramState;
  reason: InstagramReason | null;
  at: Timestamp;
  evidence: Evidence | null;
  version: number;
  /** The attempt that began or ended with it. */
  attempt: HistoryAttempt | null;
}

export interface HistoryPage {
  /** Newest first. */
  entries: HistoryEntry[];
  /** The `cursor` of the next call; null on the last page. */
  next: string | null;
}

/**
 * `application/problem+json` (RFC 9457) as the server sends it. `type` is a page about the code.
 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** The same as `detail`. */
  error: string;
  source: "session" | "service_key" | "request" | "instagram" | "clerk" | "database" | "server";
  code: string;
  /** What may be done about it without a person. */
  action?:
    | "refresh_session_token"
    | "sign_in"
    | "retry"
    | "look_first"
    | "fix_request"
    | "connect"
    | "reconnect"
    | "fix_at_instagram"
    | "contact_support"
    | null;
  /** On 424: the reason of the connection's status. */
  reason?: InstagramReason | null;
  request_id: string;
}

export interface ErrorFacts {
  message?: string | undefined;
  code: string;
  status?: number | undefined;
  problem?: Problem | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

declare abstract class ErrorOfKind extends Error {
  constructor(facts: ErrorFacts);
  /** The problem's `code`, or one of the client's own, named at the classes. */
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** The problem document, where the server sent one. */
  readonly problem?: Problem | undefined;
  /**
   * What `Retry-After` asked for. Until it has passed, the same call is answered with this error,
   * unsent, unless a person asks by `retry()`.
   */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The session itself. Own codes: `signed-out` (`getToken` had none), `session-changed` (somebody
 * else signed in meanwhile: what was asked for is not done, unless it was on its way already).
 * Otherwise a refusal of the server that a fresh token did not mend: final until the session
 * changes, or a person asks by `retry()`. `unspecified` is a 401 without a problem document: not
 * the server's, but of something in front of it, such as a proxy with a password of its own.
 */
export class HoldfastSessionError extends ErrorOfKind {
  readonly kind: "session";
}

/**
 * The server or what it depends on: 5xx, 424 (`problem.reason` is Instagram's), and answers that
 * are not the server's: own codes `unspecified` (an error without a problem document),
 * `unreadable-answer`, `unexpected`.
 */
export class HoldfastServiceError extends ErrorOfKind {
  readonly kind: "service";
}

/**
 * No answer. Codes: `request-failed`, `request-timeout`, `token-failed`, `token-timeout`
 * (`getToken` threw, gave no string although there is a session, or took more than 8 s),
 * `stream-failed`, `stream-timeout`; `window-blocked` (a page in a frame leaves for Instagram in a
 * new window, which the browser forbids).
 */
export class HoldfastNetworkError extends ErrorOfKind {
  readonly kind: "network";
}

/**
 * Understood and declined: 400, 403, 404, 409, 410, 413, 415, 422, 429 with the problem's `code`.
 */
export class HoldfastRequestError extends ErrorOfKind {
  readonly kind: "request";
  readonly status: number;
}

/** Discriminated by `kind`. */
export type AnyHoldfastError =
  HoldfastSessionError | HoldfastServiceError | HoldfastNetworkError | HoldfastRequestError;

/**
 * Everything the client throws: `error instanceof HoldfastError` narrows to the four kinds, told
 * apart by `kind`.
 */
export const HoldfastError: { readonly prototype: AnyHoldfastError } & (abstract new (
  facts: ErrorFacts,
) => AnyHoldfastError);
export type HoldfastError = AnyHoldfastError;

/** Clerk's `getToken`, or anything that behaves like it: null where nobody is signed in. */
export type GetToken = (options?: { skipCache?: boolean }) => Promise<string | null>;

/** The functions are called on their own, as `setTimeout` is: they must not need a `this`. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

export interface AuthorizedFetchOptions {
  /**
   * Where the server answers: `https://api.example.com`, or a path of the page's own site, such as
   * `/holdfast`.
   */
  baseUrl: string | URL;
  getToken: GetToken;
  /**
   * Id of the present session, if it is at hand. By it, a change of session is noticed without
   * asking for a token, and a library that gives none although there is a session (offline, for
   * example) is not taken to say that nobody is signed in. Without it every `sessionChanged()` is a
   * change, and what was known is dropped with the last listener: the next one starts anew. Where
   * it throws, there is no session.
   */
  getSessionId?: (() => string | null | undefined) | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  clock?: Clock | undefined;
}

export interface HoldfastClientOptions extends AuthorizedFetchOptions {
  /**
   * How to leave for `authorize_url`; if not given `location.assign`, and a new window from within
   * a frame. Required where there is no address bar.
   */
  navigate?: ((authorizeUrl: string) => unknown) | undefined;
  /**
   * Somebody is back from Instagram, and this is how it ended. Called once for each return; once
   * more where it was another person's (`attempt-not-yours`), who signs in in this tab later.
   */
  onReturn?: ((outcome: ConnectOutcome) => void) | undefined;
}

export interface ConnectOptions {
  /** Where to come back to; this page if not given. Must be on the server's allow-list. */
  returnTo?: string | undefined;
  /**
   * Makes Instagram ask for the password, so that another account can be chosen there. If not
   * given: where the error is `different-account`.
   */
  forceReauth?: boolean | undefined;
  /**
   * Which account may come back where one is connected already: that one alone, if not given
   * (another is refused as `different-account`, and nothing changes), or any, which then takes its
   * place.
   */
  expect?: "same_account" | "any_account" | undefined;
  /** False: do not leave, only resolve to the attempt. */
  navigate?: boolean | undefined;
}

/** What came back from Instagram in the address. */
export type ConnectOutcome =
  | { outcome: "complete"; attempt: string; reason: null; status: InstagramStatus; error?: never }
  | {
      outcome: "denied" | "failed" | "expired" | "complete";
      attempt: string | null;
      reason: string | null;
      status: null;
      /** What the server answered to the completion; that of a `reason` where it came to none. */
      error: AnyHoldfastError;
    };

export type HoldfastPhase =
  "idle" | "loading" | "ready" | "failed" | "signed-out" | "session-refused";

interface SnapshotFacts {
  /**
   * The status is what was last heard: reading it has failed since. An `error` without this is of
   * an action alone.
   */
  readonly isStale: boolean;
  readonly isFetching: boolean;
  /** Between the press on "connect" and the departure of the page. */
  readonly isConnecting: boolean;
  /** Back from Instagram, and not yet finished. */
  readonly isCompleting: boolean;
  /** When the status was last read or heard: milliseconds since the epoch. */
  readonly updatedAt: number | null;
  /**
   * How changes are learnt: at once, every half minute (every five for a hidden tab), or not at
   * all.
   */
  readonly live: "stream" | "poll" | false;
}

/** Nothing asked yet, or the first answer is awaited. */
interface UnknownSnapshot extends SnapshotFacts {
  readonly phase: "idle" | "loading";
  readonly status: null;
  readonly error: null;
}
/** `status` is what was last known; an `error` beside it says that something failed since. */
interface ReadySnapshot extends SnapshotFacts {
  readonly phase: "ready";
  readonly status: InstagramStatus;
  readonly error: AnyHoldfastError | null;
}
/** No status is known; `error` says why. */
interface FailedSnapshot extends SnapshotFacts {
  readonly phase: "failed";
  readonly status: null;
  readonly error: AnyHoldfastError;
}
interface SignedOutSnapshot extends SnapshotFacts {
  readonly phase: "signed-out";
  readonly status: null;
  readonly error: null;
}
/** Nothing is sent until the session changes or a person asks by `retry()`. */
interface RefusedSnapshot extends SnapshotFacts {
  readonly phase: "session-refused";
  readonly status: InstagramStatus | null;
  readonly error: AnyHoldfastError;
}

/** Discriminated by `phase`. */
export type HoldfastSnapshot =
  UnknownSnapshot | ReadySnapshot | FailedSnapshot | SignedOutSnapshot | RefusedSnapshot;

export interface HoldfastClient {
  /**
   * Creates or refreshes the user's record. Idempotent. Like `profile()` and `history()` it has the
   * limits of `status()`, for itself: called too often it gives, unsent, the last answer.
   */
  sync(): Promise<SyncResult>;
  /**
   * Reads answer about the person who is signed in when the answer comes. Before you keep one under
   * the id of a person or of a session, see that `getSessionKey()` is the same before and after.
   * The adapters do.
   */
  profile(): Promise<Profile>;
  /**
   * Concurrent calls share one request; so there is no `AbortSignal` here: what one caller gives
   * up, another awaits. Every operation ends by itself, after 8 s for the token and 10 s for each
   * answer.
   *
   * Called again and again it is no loop. While reading fails it draws on what an open page may
   * ask, from a server that is well it reads six times at once and once a second; beyond that it
   * gives, unsent, what the last read gave.
   */
  status(): Promise<InstagramStatus>;
  /**
   * For a button: reads the status, also after a refusal, which it forgives for one request with a
   * fresh token, and before a `Retry-After` has passed. Not for effects and timers: those have
   * `subscribe`.
   */
  retry(): Promise<InstagramStatus>;
  /**
   * Begins an attempt and leaves for Instagram: the only navigation there is. A second click joins
   * the first.
   */
  connect(options?: ConnectOptions): Promise<ConnectAttempt>;
  /**
   * Call once when the page opens. Cleans the address before it returns, then finishes the attempt,
   * and goes on trying for as long as attempts live (10 minutes): also after a reload or a sign-in
   * in between, for which this tab's session storage keeps the completion. Null where nothing is to
   * be finished.
   */
  completeFromUrl(address?: string | URL | Location | null): Promise<ConnectOutcome | null>;
  disconnect(): Promise<DisconnectReceipt>;
  /** Asks Instagram now, at most once a minute. */
  check(): Promise<InstagramStatus>;
  history(options?: { cursor?: string | null | undefined }): Promise<HistoryPage>;
  /**
   * Tell the client that somebody signed in, out or over. It notices by itself whenever it is given
   * a token. Does nothing where `getSessionId` says that the session is the same; without that,
   * everything known is dropped and read anew, within what an open page may ask.
   */
  sessionChanged(): void;
  /**
   * Shows what a person did elsewhere, such as in a popup, as failed: it becomes the `error` of the
   * snapshot.
   */
  showError(error: AnyHoldfastError): void;
  /** Live updates run while somebody listens. Returns how to stop. */
  subscribe(listener: (snapshot: HoldfastSnapshot) => void): () => void;
  getSnapshot(): HoldfastSnapshot;
  /** The snapshot before anything is known; what a server renders. */
  getServerSnapshot(): HoldfastSnapshot;
  /**
   * Differs between two sessions: part of the keys of caches, so that nobody sees what was another
   * person's.
   */
  getSessionKey(): string;
}

export function createHoldfastClient(options: HoldfastClientOptions): HoldfastClient;

/**
 * `fetch` for a server that judges session tokens as Holdfast does, with the rule for 401: one
 * fresh token and one more request, if the code is one that a fresh token can mend; after that the
 * same 401, unsent, until the session changes. A 401 without a problem of `source: "session"` is an
 * endpoint's own: the answer to that request alone, after one fresh token where its own had expired
 * or does not say, and the same path is asked again, with any query, six times at once and once a
 * second. Takes paths of `baseUrl` only, so that the token
 * goes nowhere else. Where somebody else signs in meanwhile, what was read is read again for them,
 * and what was done rejects with `session-changed`. A body that is a stream (`duplex: "half"`) is
 * sent once: its 401 is the answer.
 */
export function authorizedFetch(
  options: AuthorizedFetchOptions,
): (path: string, init?: RequestInit) => Promise<Response>;
