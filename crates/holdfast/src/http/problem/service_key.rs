//! Codes for a service key that is missing or refused.

use http::StatusCode;

use super::row::{Entry, Remedy, Source, codes_with_rows};

codes_with_rows! {
    /// Why a service key is not accepted.
    ServiceKeyCode {
        /// None was sent.
        Missing = Entry {
            code: "service-key-missing",
            status: StatusCode::UNAUTHORIZED,
            source: Source::ServiceKey,
            action: Remedy::ContactSupport,
            title: "Service key refused",
            meaning: "This route needs a service key.",
            causes: &["No Authorization header, or not of the form \"Bearer hf_sk_…\"."],
            remedy: "Send Authorization: Bearer hf_sk_…; make a key with holdfast service-key create.",
        },
        /// What was sent is not a service key of this server.
        Invalid = Entry {
            code: "service-key-invalid",
            status: StatusCode::UNAUTHORIZED,
            source: Source::ServiceKey,
            action: Remedy::ContactSupport,
            title: "Service key refused",
            meaning: "This service key is not accepted.",
            causes: &[
                "The key was revoked.",
                "The key is of another installation.",
                "A part of it was lost in copying.",
            ],
            remedy: "See holdfast service-key list, and make a new key where needed.",
        },
        /// A session token was sent.
        SessionTokenSent = Entry {
            code: "service-key-session-token",
            status: StatusCode::UNAUTHORIZED,
            source: Source::ServiceKey,
            action: Remedy::ContactSupport,
            title: "Service key refused",
            meaning: "This route takes a service key, and a session token was sent.",
            causes: &["A browser, or code that passes on the browser's token, called a /service route."],
            remedy: "Call /service routes from the app's own backend, with its service key.",
        },
    }
}
