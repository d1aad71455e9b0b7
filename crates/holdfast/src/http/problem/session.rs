//! Codes for a session token that is missing or refused: one row each, with the words of this
//! server's settings.

use clerk_session::RefusalCode;
use http::StatusCode;

use super::row::{Entry, Remedy, Source};

/// The row of a code. The verifier's crate may learn codes before this table does; a test finds
/// those.
pub(super) fn entry(code: RefusalCode) -> Entry {
    let known = ROWS.iter().find(|(each, _)| *each == code).map(|(_, entry)| *entry);
    known.unwrap_or_else(|| {
        let remedy = "`holdfast token explain` shows what was found.";
        row(code, Remedy::ContactSupport, code.meaning(), &[], remedy).1
    })
}

/// Whether nothing was presented at all: then the challenge names no error (RFC 6750, 3.1).
pub(super) fn is_missing(code: RefusalCode) -> bool {
    code == RefusalCode::SessionTokenMissing
}

/// A client acts on `action` without a person, so "refresh" stands only where a fresh token may be
/// judged otherwise.
const fn row(
    code: RefusalCode,
    action: Remedy,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
) -> (RefusalCode, Entry) {
    let title = match code {
        RefusalCode::SessionTokenMissing => "Session token missing",
        _ => "Session token refused",
    };
    let (status, source) = (StatusCode::UNAUTHORIZED, Source::Session);
    (code, Entry { code: code.as_str(), status, source, action, title, meaning, causes, remedy })
}

const ROWS: &[(RefusalCode, Entry)] = &[
    row(
        RefusalCode::SessionTokenMissing,
        Remedy::RefreshSessionToken,
        "The request carried no session token.",
        &[
            "The front end did not send `Authorization: Bearer <session token>`.",
            "A cookie was sent instead: Clerk's `__session` cookie does not reach a backend on another host.",
            "A proxy in between removed the header.",
        ],
        "Call `getToken()` for each request and send what it returns as `Authorization: Bearer …`.",
    ),
    row(
        RefusalCode::TokenInvalid,
        Remedy::FixRequest,
        "What was sent is not a session token: its form is wrong.",
        &[
            "The text `null`, `undefined` or `[object Promise]` was sent: `getToken()` was not awaited, or nobody was signed in.",
            "A publishable key, a secret key or another opaque value was sent.",
            "The token was cut off, re-encoded, or sent in quotation marks, in JSON or as a cookie.",
            "The token is longer than 8 KiB: too much was put into the customized session token.",
        ],
        "Send exactly what `await getToken()` returns. `holdfast token explain` shows where the form breaks.",
    ),
    row(
        RefusalCode::TokenTypeMismatch,
        Remedy::FixRequest,
        "It is a token of another kind than a session token.",
        &[
            "A JWT template token (`getToken({template})`): it is not bound to a session and outlives its revocation.",
            "A machine-to-machine or OAuth token.",
        ],
        "Call `getToken()` without a template.",
    ),
    row(
        RefusalCode::TokenInvalidAlgorithm,
        Remedy::FixRequest,
        "The token is not signed with RS256, the only algorithm of Clerk's session tokens.",
        &["A JWT template with a custom signing key.", "A token that Clerk did not make."],
        "Call `getToken()` without a template.",
    ),
    row(
        RefusalCode::JwkKidMismatch,
        Remedy::RefreshSessionToken,
        "The token names a signing key that this server's Clerk instance does not have.",
        &[
            "The front end uses another Clerk instance (development and production mixed up) than the backend.",
            "The instance's key was replaced a moment ago; the server looks for new keys by itself.",
        ],
        "Compare the publishable key of the front end with the backend's settings.",
    ),
    row(
        RefusalCode::TokenInvalidSignature,
        Remedy::RefreshSessionToken,
        "The signature does not fit the token and the key.",
        &[
            "The token was changed on its way.",
            "`CLERK_JWT_KEY` holds the key of another instance, or is mangled.",
            "The instance's key was replaced; the server looks for new keys by itself.",
        ],
        "Compare the backend's keys with the instance: `holdfast doctor`.",
    ),
    row(
        RefusalCode::TokenVerificationFailed,
        Remedy::ContactSupport,
        "The token is genuine, but a claim that every session token has is missing or of the wrong type.",
        &[
            "A customized token that overrides a standard claim.",
            "An audience that this server does not accept, or none where `CLERK_AUDIENCE` asks for one.",
        ],
        "`holdfast token explain` names the claim.",
    ),
    row(
        RefusalCode::TokenInvalidAuthorizedParties,
        Remedy::ContactSupport,
        "The token is genuine, but was minted for a front end that this server does not know.",
        &[
            "The front end's origin is missing from `CLERK_AUTHORIZED_PARTIES` (by default the allowed origins): another port, `www.`, a preview address.",
            "The token carries no origin at all: it was minted by a mobile SDK, on a server, or in a top-level navigation.",
        ],
        "Add the front end's origin, exactly as the browser shows it, to `CLERK_AUTHORIZED_PARTIES`.",
    ),
    row(
        RefusalCode::TokenInvalidIssuer,
        Remedy::ContactSupport,
        "The token is genuine, but names an issuer that this server does not accept.",
        &[
            "The Clerk instance is used through a proxy or on a satellite domain: its tokens then carry that address as issuer.",
            "`CLERK_ISSUER` is set to another address than the instance's.",
        ],
        "Add the issuer that `holdfast token explain` shows to `CLERK_ISSUER`.",
    ),
    row(
        RefusalCode::TokenExpired,
        Remedy::RefreshSessionToken,
        "The session token is too old. Session tokens live for 60 seconds.",
        &[
            "The token was kept and sent again, instead of calling `getToken()` for each request.",
            "The device's clock is slow: Clerk's front end ages tokens by it.",
            "The server's clock is fast.",
        ],
        "Call `getToken({skipCache: true})` and send the request once more.",
    ),
    row(
        RefusalCode::TokenNotActiveYet,
        Remedy::RefreshSessionToken,
        "The session token is not valid yet.",
        &["The server's clock is slow."],
        "Check the server's clock (NTP).",
    ),
    row(
        RefusalCode::TokenIatInTheFuture,
        Remedy::RefreshSessionToken,
        "The session token says that it was issued in the future.",
        &["The server's clock is slow."],
        "Check the server's clock (NTP).",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_row_with_causes() {
        for code in RefusalCode::ALL {
            assert!(ROWS.iter().any(|(each, _)| each == code), "{code} has no row");
            assert!(!entry(*code).causes.is_empty(), "{code}");
        }
        assert_eq!(ROWS.len(), RefusalCode::ALL.len());
    }
}
