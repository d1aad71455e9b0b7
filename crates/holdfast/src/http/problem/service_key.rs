//! Codes for a service key that is missing or refused.

use super::row::codes;

codes! {
    /// Why a service key is not accepted.
    ServiceKeyCode {
        Missing = "service-key-missing", UNAUTHORIZED, ContactSupport, "Service key refused" {
            meaning: "This route needs a service key.",
            causes: ["The Authorization header is missing or does not have the form \"Bearer hf_sk_…\"."],
            remedy: "Send `Authorization: Bearer hf_sk_…`. `holdfast service-key create` makes a key.",
        }
        Invalid = "service-key-invalid", UNAUTHORIZED, ContactSupport, "Service key refused" {
            meaning: "This service key is not accepted.",
            causes: [
                "The key was revoked.",
                "The key belongs to another installation.",
                "The key was not copied in full.",
            ],
            remedy: "Run `holdfast service-key list`: it shows the keys and which are revoked. `holdfast \
                     service-key create` makes a new one.",
        }
        SessionTokenSent = "service-key-session-token", UNAUTHORIZED, ContactSupport, "Service key refused" {
            meaning: "This route takes a service key, and a session token was sent.",
            causes: ["A browser, or code that passes the browser's token on, called a /service route."],
            remedy: "Call /service routes from the app's own backend, with its service key.",
        }
    }
}
