/**
 * What a naive backend and its front end would have done at this moment: a model, pure and small
 * enough to check by reading. It is modelled on a production failure in which
 * `GET /user/instagram/status` answered `401 {"error": "Invalid or expired token"}` to a session
 * token that `/auth/sync` and `/user/profile` accepted, the page said "please sign out and sign
 * back in", and asked again without end.
 *
 * Its inputs are observed, not assumed: what the stand-ins answer now, and the facts of the very
 * token that this page sent. The backend follows four rules, each common in code that is in
 * production:
 *
 * 1. It fetches Clerk's keys for each verification, and allows no clock skew.
 * 2. One `catch` around the verification: whatever goes wrong there is a 401.
 * 3. It calls Instagram to answer a status request.
 * 4. What goes wrong there falls into the same `catch`, with the same answer.
 */

const REFUSAL = { error: "Invalid or expired token" };
const refuse = (because) => ({ status: 401, body: REFUSAL, because });

/**
 * The backend's answer to `GET /user/instagram/status`.
 *
 * @param {object} observed
 * @param {{kid: string, iat: number, nbf: number, exp: number}} observed.token times in seconds
 *   since the epoch
 * @param {string[] | null} observed.keyIds the keys that Clerk publishes; null where its JWKS
 *   cannot be had
 * @param {number} observed.now milliseconds since the epoch
 * @param {{username: string | null} | null} observed.account the linked account; null where there
 *   is none
 * @param {{status: number | null, readable: boolean, code: number | null} | null}
 *   observed.instagram what `/me` answers: its status (null: no complete answer), whether its body
 *   is JSON, and an error's `code` in it
 * @returns {{status: number, body: object, because: string}}
 */
export function naiveBackend({ token, keyIds, now, account, instagram }) {
  const seconds = now / 1_000;
  if (keyIds === null)
    return refuse("It could not fetch Clerk's keys, and takes that for a bad token.");
  if (!keyIds.includes(token.kid))
    return refuse("The token was signed before Clerk rotated its keys.");
  if (token.exp <= seconds)
    return refuse("The session token has expired. A fresh one was there for the asking.");
  if (token.iat > seconds || token.nbf > seconds)
    return refuse("Clerk's clock is ahead of its own.");
  if (!account)
    return {
      status: 200,
      body: { connected: false },
      because: "No Instagram account is linked, so it called nobody.",
    };
  if (instagram === null || instagram.status === null)
    return refuse("Instagram gave no proper answer. Passed on as the caller's fault.");
  const { status, readable, code } = instagram;
  if (status !== 200 || code) {
    const said = code ? `${status}, error ${code}` : String(status);
    return refuse(`Instagram answered ${said}. Passed on as the caller's fault.`);
  }
  if (!readable)
    return refuse(
      "Instagram answered no JSON, and reading it threw. Passed on as the caller's fault.",
    );
  return {
    status: 200,
    body: { connected: true, username: account.username },
    because: "It called Instagram, and Instagram was well.",
  };
}

/**
 * The front end has no back-off: its effect runs again as soon as its state has changed. Once a
 * second is kind.
 */
export const LOOP_EVERY_MS = 1_000;

/** The front end before its first answer. `requests` counts those that ended in a 401. */
export const FRONT_END = Object.freeze({ signedIn: true, looping: false, requests: 0 });

/** What the front end makes of an answer: 401 means "signed out", and it asks again. */
export function naiveFrontEnd(before, { status }) {
  if (status === 401) return { signedIn: false, looping: true, requests: before.requests + 1 };
  // The loop ends, but a person who was told to sign in again still has to.
  return { ...before, looping: false };
}
