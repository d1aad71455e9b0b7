//! Codes for a session token that is missing or refused: one row each, with the words of this
//! server's settings.

use clerk_session::RefusalCode;
use http::StatusCode;

use super::row::{Entry, ProblemAction};

/// The row of a code. The verifier's crate may learn codes before this table does; a test finds
/// those.
pub(super) fn entry(code: RefusalCode) -> Entry {
    let known = ROWS.iter().find(|row| row.code == code);
    let title = if is_missing(code) { "Session token missing" } else { "Session token refused" };
    Entry {
        code: code.as_str(),
        status: StatusCode::UNAUTHORIZED,
        action: known.map_or(ProblemAction::ContactSupport, |row| row.action),
        title,
        meaning: known.map_or_else(|| code.meaning(), |row| row.meaning),
        causes: known.map_or(&[], |row| row.causes),
        remedy: known.map_or("`holdfast token explain` shows what was found.", |row| row.remedy),
    }
}

/// Whether nothing was presented at all: then the challenge names no error (RFC 6750, 3.1).
pub(super) fn is_missing(code: RefusalCode) -> bool {
    code == RefusalCode::SessionTokenMissing
}

/// What differs between the rows. A client acts on `action` without a person, so "refresh" stands
/// only where a fresh token may be judged otherwise.
struct Row {
    code: RefusalCode,
    action: ProblemAction,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
}

/// The rows of the codes that this version knows.
macro_rules! rows {
    ($($code:ident = $action:ident {
        meaning: $meaning:literal,
        causes: [$($cause:literal),+ $(,)?],
        remedy: $remedy:literal,
    })+) => {
        const ROWS: &[Row] = &[$(Row {
            code: RefusalCode::$code,
            action: ProblemAction::$action,
            meaning: $meaning,
            causes: &[$($cause),+],
            remedy: $remedy,
        },)+];
    };
}

rows! {
    SessionTokenMissing = RefreshSessionToken {
        meaning: "The request carried no session token.",
        causes: [
            "The front end did not send `Authorization: Bearer <session token>`.",
            "A cookie was sent instead: Clerk's `__session` cookie is not read.",
            "A proxy in between removed the header.",
        ],
        remedy: "Call `getToken()` for each request and send what it returns as `Authorization: Bearer …`.",
    }
    TokenInvalid = FixRequest {
        meaning: "The value that was sent does not have the form of a session token.",
        causes: [
            "The text `null`, `undefined` or `[object Promise]` was sent: `getToken()` was not awaited, or nobody was signed in.",
            "A publishable key, a secret key or another opaque value was sent.",
            "The token was cut off, re-encoded, or sent in quotation marks, in JSON or as a cookie.",
            "The token is longer than 8 KiB: too much was put into the customized session token.",
        ],
        remedy: "Send exactly what `await getToken()` returns. `holdfast token explain` shows where the form breaks.",
    }
    TokenTypeMismatch = FixRequest {
        meaning: "The token is of another kind, not a session token.",
        causes: [
            "A JWT template token (`getToken({template})`): it is not bound to a session and outlives its revocation.",
            "A machine-to-machine or OAuth token.",
        ],
        remedy: "Call `getToken()` without a template.",
    }
    TokenInvalidAlgorithm = FixRequest {
        meaning: "The token is not signed with RS256, the only algorithm of Clerk's session tokens.",
        causes: ["A JWT template with a custom signing key.", "A token that Clerk did not make."],
        remedy: "Call `getToken()` without a template.",
    }
    JwkKidMismatch = RefreshSessionToken {
        meaning: "The token names a signing key that this server's Clerk instance does not have.",
        causes: [
            "The front end uses another Clerk instance (development and production mixed up) than the backend.",
            "The instance's key was replaced a moment ago; the server looks for new keys by itself.",
        ],
        remedy: "Compare the front end's publishable key with this server's Clerk settings: both must belong to one Clerk \
                 instance.",
    }
    TokenInvalidSignature = RefreshSessionToken {
        meaning: "The token's signature does not match the signing key.",
        causes: [
            "The token was changed on its way.",
            "`CLERK_JWT_KEY` holds the key of another instance.",
            "The instance's key was replaced; the server looks for new keys by itself.",
        ],
        remedy: "Run `holdfast doctor`: it compares this server's keys with those of the Clerk instance.",
    }
    TokenVerificationFailed = ContactSupport {
        meaning: "The token is genuine, but a claim that every session token has is missing or of the wrong type.",
        causes: [
            "The session token was customized so that it overrides a standard claim.",
            "The token's audience (`aud`) is missing or is not one of `CLERK_AUDIENCE`.",
        ],
        remedy: "Run `holdfast token explain`: it names the claim.",
    }
    TokenInvalidAuthorizedParties = ContactSupport {
        meaning: "The token is genuine, but was issued to a front end that this server does not accept.",
        causes: [
            "The front end's origin is missing from `CLERK_AUTHORIZED_PARTIES` (by default the allowed origins): another port, `www.`, a preview address.",
            "The token carries no origin (`azp`): it was issued to a mobile SDK, to a server, or in a top-level navigation.",
        ],
        remedy: "Add the front end's origin, exactly as the browser shows it, to `CLERK_AUTHORIZED_PARTIES`. To admit tokens that carry none, set `CLERK_AUTHORIZED_PARTIES_MODE` to `if_present`.",
    }
    TokenInvalidIssuer = ContactSupport {
        meaning: "The token is genuine, but names an issuer that this server does not accept.",
        causes: [
            "The Clerk instance is used through a proxy or on a satellite domain: its tokens then carry that address as issuer.",
            "`CLERK_ISSUER` is set to another address than the instance's.",
        ],
        remedy: "Add the issuer that `holdfast token explain` shows to `CLERK_ISSUER`.",
    }
    TokenExpired = RefreshSessionToken {
        meaning: "The session token has expired. Session tokens live for 60 seconds.",
        causes: [
            "The front end kept the token and sent it again, instead of calling `getToken()` for each request.",
            "The device's clock is slow: Clerk's front end uses it to decide when a token is too old.",
            "The server's clock is fast.",
        ],
        remedy: "Call `getToken({skipCache: true})` and send the request once more.",
    }
    TokenNotActiveYet = RefreshSessionToken {
        meaning: "The session token is not valid yet.",
        causes: ["The server's clock is slow."],
        remedy: "Check the server's clock (NTP).",
    }
    TokenIatInTheFuture = RefreshSessionToken {
        meaning: "The session token was issued in the future, by this server's clock.",
        causes: ["The server's clock is slow."],
        remedy: "Check the server's clock (NTP).",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_row_with_causes() {
        for code in RefusalCode::ALL {
            assert!(ROWS.iter().any(|row| row.code == *code), "{code} has no row");
            assert!(!entry(*code).causes.is_empty(), "{code}");
        }
        assert_eq!(ROWS.len(), RefusalCode::ALL.len());
    }
}
