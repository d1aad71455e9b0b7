//! What would mend a refusal, as a value, so that a server can word it in terms of its own
//! settings.

use std::fmt;

use crate::unwrapped::Wrapping;

/// The one thing that would mend it. [`Display`](fmt::Display) words it in terms of
/// [`Policy`](crate::Policy); a server whose operator knows other names matches on the value.
///
/// Texts inside come from the token. They are cut to 80 characters and escaped, so that they fit a
/// log line; they may name keys and parties, so they are for the operator.
///
/// ```
/// use clerk_session::Remedy;
///
/// /// Names this server's setting where it has one.
/// fn in_our_words(remedy: &Remedy) -> String {
///     match remedy {
///         Remedy::AcceptParty { party } => format!("Add {party} to APP_ORIGINS."),
///         other => other.to_string(),
///     }
/// }
///
/// assert_eq!(in_our_words(&Remedy::WriteBearer), "Send `Authorization: Bearer <session token>`.");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The front end sent the value before it was there, or while nobody was signed in.
    AwaitToken,
    /// Something else was sent in place of the session token.
    SendToken,
    /// The word `Bearer` is missing before the token.
    WriteBearer,
    /// The word `Bearer` stands there twice, or something follows the token.
    WriteBearerOnce,
    /// The token was sent with something around it.
    SendTokenAlone(Wrapping),
    /// A secret key left the server it belongs to.
    ReplaceSecretKey,
    /// One of [`Policy::other_credentials`](crate::Policy::other_credentials) was sent.
    SendTokenInsteadOf {
        /// Its name, from the policy.
        name: String,
    },
    /// A JWT template's token, or a machine's, was sent.
    DropTemplate,
    /// A token of ours that grew too long.
    ShortenToken {
        /// Its length in bytes.
        length: usize,
        /// The longest that is considered, in bytes.
        limit: usize,
    },
    /// The keys of the token and of the verifier do not belong together.
    CompareKeys {
        /// The `kid` that the token names.
        found: Option<String>,
        /// The key ids at hand.
        known: Vec<String>,
    },
    /// The token names another instance.
    UseOneInstance {
        /// Its `iss`. Not proven.
        issuer: String,
        /// The accepted issuers.
        accepted: Vec<String>,
    },
    /// Signed by the instance's key under an address that is not accepted yet: a proxy's, or a
    /// satellite domain's.
    AcceptIssuer {
        /// The `iss` to accept.
        issuer: String,
    },
    /// Minted for an origin that is not accepted yet.
    AcceptParty {
        /// The `azp` to accept.
        party: String,
    },
    /// Minted for something that is no origin, so that no list could hold it.
    UnlistableParty {
        /// The `azp`.
        party: String,
    },
    /// The token has no `azp`.
    AcceptMissingParty,
    /// The token is for an audience that is not accepted yet.
    AcceptAudience {
        /// Its `aud`.
        audience: String,
        /// The accepted audiences.
        accepted: Vec<String>,
    },
    /// The token's audience is neither text nor a list of texts, so that no list could hold it.
    UnlistableAudience {
        /// Its `aud`.
        audience: String,
    },
    /// An audience is asked for, and the token has none.
    DropAudience {
        /// The accepted audiences.
        accepted: Vec<String>,
    },
    /// A claim that every session token has is missing or odd.
    RestoreClaim {
        /// The claim's name.
        claim: &'static str,
    },
    /// The token is too old.
    RefreshToken,
    /// This server's clock and Clerk's differ.
    SynchronizeClock {
        /// By how much, in milliseconds.
        ahead_ms: i64,
    },
    /// The session is not active yet.
    FinishSessionTasks,
    /// The session has a status that is not known here.
    SignInAgain,
    /// The keys cannot be had.
    ReachKeys,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitToken => {
                f.write_str("Await `getToken()`, and send nothing while nobody is signed in.")
            }
            Self::SendToken => f.write_str("Send exactly what `await getToken()` returns."),
            Self::WriteBearer => f.write_str("Send `Authorization: Bearer <session token>`."),
            Self::WriteBearerOnce => {
                f.write_str("Send the word `Bearer` once, followed by the token alone.")
            }
            Self::SendTokenAlone(wrapping) => {
                write!(f, "Send the token alone, without {wrapping} around it.")
            }
            Self::ReplaceSecretKey => f.write_str(
                "Never send a secret key from a browser: replace this one in the Clerk dashboard, and send what \
                 `await getToken()` returns instead.",
            ),
            Self::SendTokenInsteadOf { name } => {
                write!(f, "Send what `await getToken()` returns instead of {name}.")
            }
            Self::DropTemplate => f.write_str(
                "Send the plain session token: call `getToken()` without a template. Clerk signs those with RS256 only.",
            ),
            Self::ShortenToken { length, limit } => write!(
                f,
                "The token has {length} bytes and at most {limit} are considered: take claims out of the customized \
                 session token (Clerk advises at most 1.2 KB of them), and read large metadata from the Backend API."
            ),
            Self::CompareKeys { found, known } => {
                if let Some(found) = found {
                    write!(f, "The token names the key {found}, and the keys at hand are {}. ", listed(known))?;
                }
                f.write_str("Use the keys of one Clerk instance in front end and backend.")
            }
            Self::UseOneInstance { issuer, accepted } => write!(
                f,
                "By its own account (not proven) this token is from another Clerk instance ({issuer}), and accepted \
                 are those of {}: use the publishable key of one instance in front end and backend.",
                listed(accepted)
            ),
            Self::AcceptIssuer { issuer } => write!(
                f,
                "The token is signed by your own instance under another address, as behind a proxy or on a satellite \
                 domain: add {issuer} to the accepted issuers."
            ),
            Self::AcceptParty { party } => {
                write!(f, "If this front end is yours, add {party} to the accepted parties.")
            }
            Self::UnlistableParty { party } => write!(
                f,
                "{party} is not an origin as browsers write it, so no list of parties can hold it: look for what \
                 rewrites the `Origin` header on the way to Clerk."
            ),
            Self::AcceptMissingParty => f.write_str(
                "Tokens from `getToken()` in a browser carry `azp`. Clerk's mobile SDKs (Expo, iOS, Android) and \
                 servers mint tokens without it: to admit those, accept tokens without a party \
                 (`AuthorizedPartiesMode::IfPresent`).",
            ),
            Self::AcceptAudience { audience, accepted } => write!(
                f,
                "Add {audience} to the accepted audiences ({}), or change `aud` in the customized session token.",
                listed(accepted)
            ),
            Self::UnlistableAudience { audience } => write!(
                f,
                "{audience} is neither text nor a list of texts: change `aud` in the customized session token."
            ),
            Self::DropAudience { accepted } => write!(
                f,
                "Your session tokens carry no audience: accept any audience instead of {}, or add the claim `aud` to \
                 the customized session token.",
                listed(accepted)
            ),
            Self::RestoreClaim { claim } => write!(
                f,
                "Every session token of Clerk has `{claim}`: look for a customized session token that overrides it."
            ),
            Self::RefreshToken => f.write_str(
                "Call `getToken({skipCache: true})` and send the request once more; do not keep tokens. If fresh \
                 tokens expire at once, the device's clock is slow or the server's is fast.",
            ),
            Self::SynchronizeClock { ahead_ms } => write!(
                f,
                "This server's clock differs from Clerk's by {}: synchronize it (NTP).",
                crate::times::seconds(*ahead_ms)
            ),
            Self::FinishSessionTasks => f.write_str(
                "Let the user finish the pending session tasks in the front end, then call `getToken()` again.",
            ),
            Self::SignInAgain => f.write_str(
                "Look up in Clerk's Dashboard what is wrong with the session. A new sign-in makes a new session.",
            ),
            Self::ReachKeys => f.write_str(
                "Check that this machine reaches Clerk's keys, or pin the instance's public key (PEM), which needs no \
                 network.",
            ),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
