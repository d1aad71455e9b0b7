//! Codes for a service key that is missing or refused.

use http::StatusCode;

use super::row::{Entry, Remedy, Source, codes};

codes! {
    /// Why a service key is not accepted.
    ServiceKeyCode {
        /// None was sent.
        Missing,
        /// What was sent is not a service key of this server.
        Invalid,
        /// A session token was sent.
        SessionTokenSent,
    }
}

/// The row of a code.
pub(super) fn entry(code: ServiceKeyCode) -> Entry {
    let row = |code, meaning, causes, remedy| Entry {
        code,
        status: StatusCode::UNAUTHORIZED,
        source: Source::ServiceKey,
        action: Remedy::ContactSupport,
        title: "Service key refused",
        meaning,
        causes,
        remedy,
    };
    match code {
        ServiceKeyCode::Missing => row(
            "service-key-missing",
            "This route needs a service key.",
            &["No Authorization header, or not of the form \"Bearer hf_sk_…\"."],
            "Send Authorization: Bearer hf_sk_…; make a key with holdfast service-key create.",
        ),
        ServiceKeyCode::Invalid => row(
            "service-key-invalid",
            "This service key is not accepted.",
            &[
                "The key was revoked.",
                "The key is of another installation.",
                "A part of it was lost in copying.",
            ],
            "See holdfast service-key list, and make a new key where needed.",
        ),
        ServiceKeyCode::SessionTokenSent => row(
            "service-key-session-token",
            "This route takes a service key, and a session token was sent.",
            &["A browser, or code that passes on the browser's token, called a /service route."],
            "Call /service routes from the app's own backend, with its service key.",
        ),
    }
}
