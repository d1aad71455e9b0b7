//! Codes for a session token that is missing or refused. The words about each are the verifier's own.

use clerk_session::{Page, RefusalCode};
use http::StatusCode;

use super::row::{Entry, Remedy, Source};

/// The row of a code.
pub(super) fn entry(code: RefusalCode) -> Entry {
    let Page { meaning, causes, remedy } = code.page();
    Entry {
        code: code.as_str(),
        status: StatusCode::UNAUTHORIZED,
        source: Source::Session,
        action: action(code),
        title: if is_missing(code) { "Session token missing" } else { "Session token refused" },
        meaning,
        causes,
        remedy,
    }
}

/// Whether nothing was presented at all: then the challenge names no error (RFC 6750, 3.1).
pub(super) fn is_missing(code: RefusalCode) -> bool {
    code == RefusalCode::SessionTokenMissing
}

/// A client acts on this without a person, so "refresh" stands only where a fresh token may be judged otherwise.
fn action(code: RefusalCode) -> Remedy {
    match code {
        RefusalCode::SessionTokenMissing
        | RefusalCode::TokenExpired
        | RefusalCode::TokenNotActiveYet
        | RefusalCode::TokenIatInTheFuture
        | RefusalCode::JwkKidMismatch
        | RefusalCode::TokenInvalidSignature => Remedy::RefreshSessionToken,
        RefusalCode::TokenInvalid | RefusalCode::TokenTypeMismatch | RefusalCode::TokenInvalidAlgorithm => {
            Remedy::FixRequest
        }
        RefusalCode::TokenVerificationFailed
        | RefusalCode::TokenInvalidAuthorizedParties
        | RefusalCode::TokenInvalidIssuer => Remedy::ContactSupport,
    }
}
