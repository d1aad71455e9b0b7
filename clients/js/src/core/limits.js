/** Every limit of the client, in one place. Durations are milliseconds. */

// --- One request ---------------------------------------------------------------------------

/** How long `getToken` may take. Clerk's own retries go on for almost three minutes. */
export const TOKEN_TIMEOUT = 8_000;
export const REQUEST_TIMEOUT = 10_000;
/** A server that asks for more is not believed. */
export const LONGEST_RETRY_AFTER = 3_600_000;

// --- What is asked unbidden ----------------------------------------------------------------

/** A back-off begins and ends here. */
export const SHORTEST_PAUSE = 1_000;
export const LONGEST_PAUSE = 60_000;
/** So many failures that a back-off has become that long. */
export const LONG_SINCE = 9;
/** So many requests at once without a person's asking, and how long until there may be one more. */
export const MOST_AT_ONCE = 6;
export const ONE_MORE_EVERY = 30_000;
/** The same where an app asks a server that is well. */
export const ONE_MORE_WHILE_WELL = 1_000;

// --- Live updates --------------------------------------------------------------------------

export const POLL_EVERY = 30_000;
export const POLL_EVERY_HIDDEN = 300_000;
/** A tab looked away from for a moment keeps its stream, where tabs can share one. */
export const HIDDEN_GRACE = 30_000;
/** The server speaks at once. What has delivered nothing by then is no stream. */
export const FIRST_BYTES = 10_000;
/** Silence after which a stream counts as dead; the server's heartbeat comes every 15 s. */
export const SILENCE = 45_000;
/** A stream that ends sooner may have been cut by a proxy. */
export const STREAM_MIN_LIFE = 15_000;
/** After so many failures in a row there is polling, and after so many polls another trial. */
export const STREAM_TRIALS = 2;
export const POLLS_PER_STREAM_TRIAL = 10;
/** Characters. A line without end is not collected for ever. */
export const LONGEST_EVENT = 65_536;

// --- Connecting ----------------------------------------------------------------------------

/** The page is leaving; a second press must not start a second attempt meanwhile. */
export const NAVIGATION_GRACE = 10_000;
/** An attempt lives 10 minutes from its beginning; what is older is of no use. */
export const ATTEMPT_LIFE = 600_000;
/** A completion is tried again by then, even against `Retry-After`: its attempt does not wait. */
export const HAND_IN_WITHIN = 120_000;
/** When a router may have written back the address that it had read before it was cleaned. */
export const LOOK_AGAIN_AFTER = 1_000;
export const LOOK_ONCE_MORE_AFTER = 5_000;
