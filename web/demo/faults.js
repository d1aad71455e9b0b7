/**
 * The catalogue of the "break it" panel: what each button is called, what it does, and how it is
 * done.
 */

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
 * @property {(controls: {clerk: object, instagram: object, session: object, accountId: string}) =>
 *   Promise<unknown>} apply
 */

const atInstagram = (id, label, does) => ({
  id,
  label,
  does,
  needsAccount: true,
  apply: ({ instagram, accountId }) => instagram.breakWith(accountId, id),
});

/**
 * Ids of faults at Instagram are the stand-in's names for them.
 *
 * @type {{title: string, faults: Fault[]}[]}
 */
export const faultGroups = [
  {
    title: "The person, at Instagram",
    faults: [
      atInstagram("revoked", "Remove the app", "Access is withdrawn in their settings."),
      atInstagram("password_changed", "Change password", "That ends every grant of the account."),
      atInstagram("checkpoint", "Security check", "Instagram wants proof that it is them."),
      atInstagram("expired", "Let it expire", "Sixty days passed without a refresh."),
    ],
  },
  {
    title: "Instagram itself",
    faults: [
      atInstagram("app_rate_limit", "Too many calls", "403, “Application request limit reached”."),
      atInstagram("server_error_json", "Server error", "500, “Please retry your request later”."),
      atInstagram("bare_unauthorized", "A 401 of its own", "Without a word on the reason."),
      atInstagram("hang", "Hang", "Takes the request and never answers."),
      atInstagram("html_ok", "HTML", "200, and a web page where JSON belongs."),
      atInstagram("lost_reply", "Lost reply", "Does the work, then drops the connection."),
    ],
  },
  {
    title: "Clerk",
    faults: [
      {
        id: "rotate_keys",
        label: "Rotate the keys",
        does: "The browser's token was signed by one that is gone.",
        apply: ({ clerk }) => clerk.rotate(),
      },
      {
        id: "jwks_down",
        label: "JWKS down",
        does: "The public keys cannot be fetched.",
        apply: ({ clerk }) => clerk.breakJwks(),
      },
      {
        id: "expired_token",
        label: "Expired token",
        does: "The laptop slept, and wakes with an old one.",
        apply: ({ clerk, session }) =>
          clerk.inThePast(TOKEN_AGE, () => session.getToken({ skipCache: true })),
      },
      {
        id: "skew_small",
        label: "Clock 4 s ahead",
        does: "Tokens come from the near future.",
        apply: skewBy(SKEW_SMALL),
      },
      {
        id: "skew_large",
        label: "Clock 1 min ahead",
        does: "Too far. Two refusals, then quiet: no loop.",
        apply: skewBy(SKEW_LARGE),
      },
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
