/** The catalogue of the "break it" panel: what each button is called, what it does, and how it is done. */

/** Within the five seconds that Holdfast allows, and beyond them. */
const SKEW_SMALL = 4;
const SKEW_LARGE = 60;
/** A session token lives for a minute. */
const TOKEN_AGE = 90;

/**
 * @typedef {object} Fault
 * @property {string} id
 * @property {string} label
 * @property {string} does one line: what becomes true at the stand-in
 * @property {boolean} [needsAccount] it happens to the linked account
 * @property {(controls: {clerk: object, instagram: object, session: object, accountId: string}) => Promise<unknown>} apply
 */

const instagramEvent = (id, label, does, event = id) => ({
  id,
  label,
  does,
  needsAccount: true,
  apply: ({ instagram, accountId }) => instagram.happen(accountId, event),
});

const instagramAnswer = (id, label, does, fault = id) => ({
  id,
  label,
  does,
  needsAccount: true,
  apply: ({ instagram, accountId }) => instagram.answerWith(accountId, fault),
});

/** @type {{title: string, faults: Fault[]}[]} */
export const faultGroups = [
  {
    title: "The person, at Instagram",
    faults: [
      instagramEvent("revoke", "Remove the app", "Access is taken back under “Apps and websites”."),
      instagramEvent("password_change", "Change the password", "Which ends every grant of the account."),
      instagramEvent("checkpoint", "Security check", "Instagram wants to be sure that it is really them."),
      instagramEvent("expire", "Let it expire", "The sixty days are over, and nobody refreshed."),
    ],
  },
  {
    title: "Instagram itself",
    faults: [
      instagramAnswer("rate_limit", "Too many calls", "“Application request limit reached”."),
      instagramAnswer("server_error", "Server error", "500, “please retry your request later”."),
      instagramAnswer("hang", "Hang", "Takes the request and never answers."),
      instagramAnswer("html", "HTML", "A web page where JSON belongs."),
      instagramAnswer("lost_reply", "Lost reply", "Does the work, then drops the connection."),
    ],
  },
  {
    title: "Clerk",
    faults: [
      { id: "rotate_keys", label: "Rotate the keys", does: "The browser's token is signed with a key that is gone.", apply: ({ clerk }) => clerk.rotate() },
      { id: "jwks_down", label: "JWKS down", does: "The public keys cannot be fetched.", apply: ({ clerk }) => clerk.breakJwks() },
      {
        id: "expired_token",
        label: "Expired token",
        does: "The browser slept, and sends a token of yesterday's kind.",
        apply: ({ clerk, session }) => clerk.inThePast(TOKEN_AGE, () => session.getToken({ skipCache: true })),
      },
      { id: "skew_small", label: "Clock 4 s ahead", does: "As clocks are. Tokens come from the near future.", apply: skewBy(SKEW_SMALL) },
      { id: "skew_large", label: "Clock 1 min ahead", does: "Too much for anybody. Two refusals, then quiet: no loop.", apply: skewBy(SKEW_LARGE) },
    ],
  },
];

function skewBy(seconds) {
  return async ({ clerk, session }) => {
    await clerk.skew(seconds);
    session.dropToken();
  };
}

/** Which buttons are true at this moment, judged by what the stand-ins answer. */
export function activeFaults({ keyIds, skewSeconds, instagram }) {
  const active = new Set();
  if (keyIds === null) active.add("jwks_down");
  // A second or two is the way of the answer, or a test's patience.
  if (skewSeconds >= SKEW_LARGE / 2) active.add("skew_large");
  else if (skewSeconds >= SKEW_SMALL / 2) active.add("skew_small");
  if (instagram?.fault) active.add(instagram.fault);
  return active;
}
