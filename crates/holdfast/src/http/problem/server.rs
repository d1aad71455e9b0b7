//! Codes for what is not the caller's fault: Clerk's keys, the database, this server.

use http::StatusCode;

use super::row::{Entry, Remedy, Source, codes_with_rows};

codes_with_rows! {
    /// What we are waiting for, or what broke.
    ServerCode {
        /// No key to judge a session token with.
        KeysUnavailable = Entry {
            code: "keys-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Clerk,
            action: Remedy::Retry,
            title: "Cannot judge the session token",
            meaning: "The key that this session token needs is not at hand, so it was neither accepted nor refused.",
            causes: &[
                "Clerk's key server is not reachable from here.",
                "The server has just started.",
                "Clerk has just changed its keys.",
            ],
            remedy: "Wait for Retry-After and ask again with the same token; nobody needs to sign in anew. If it lasts: holdfast doctor.",
        },
        /// Clerk's Backend API does not answer.
        ClerkUnavailable = Entry {
            code: "clerk-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Clerk,
            action: Remedy::Retry,
            title: "Clerk does not answer",
            meaning: "Clerk's Backend API did not answer usefully.",
            causes: &["An outage at Clerk, or a network fault.", "CLERK_SECRET_KEY is not accepted."],
            remedy: "Wait for Retry-After and ask again. If it lasts: holdfast doctor.",
        },
        /// The database does not answer.
        DatabaseUnavailable = Entry {
            code: "database-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Database,
            action: Remedy::Retry,
            title: "Database not available",
            meaning: "The database did not answer in time, or what it holds cannot be opened here, so we cannot say what is stored.",
            causes: &[
                "The database is restarting or not reachable.",
                "It is busy.",
                "This server's HOLDFAST_ENCRYPTION_KEYS lacks a key that another server seals with. The log names it.",
            ],
            remedy: "Wait for Retry-After and ask again. If it lasts: holdfast doctor.",
        },
        /// The database cannot take more.
        DatabaseFull = Entry {
            code: "database-full",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Database,
            action: Remedy::Retry,
            title: "Database full",
            meaning: "The database cannot take more data.",
            causes: &["The disk is full."],
            remedy: "Whoever runs this installation must make room; nothing that was stored is lost.",
        },
        /// The request took too long here.
        DeadlineExceeded = Entry {
            code: "deadline-exceeded",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Server,
            action: Remedy::Retry,
            title: "Took too long",
            meaning: "The request was not done within the time that this server gives it.",
            causes: &["A server that we need answers very slowly."],
            remedy: "Wait for Retry-After and ask again. That is safe on every route but POST and DELETE below /service/users/{user_id}/instagram/graph, where Instagram may have carried the call out: look first.",
        },
        /// More requests than we serve at a time.
        Overloaded = Entry {
            code: "overloaded",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Server,
            action: Remedy::Retry,
            title: "Overloaded",
            meaning: "This server is at work on as many requests as it takes at a time.",
            causes: &["More traffic than this installation is made for."],
            remedy: "Wait for Retry-After and ask again.",
        },
        /// The feature is not configured.
        NotSetUp = Entry {
            code: "not-set-up",
            status: StatusCode::SERVICE_UNAVAILABLE,
            source: Source::Server,
            action: Remedy::ContactSupport,
            title: "Not set up",
            meaning: "This part of the server has not been configured.",
            causes: &["CLERK_WEBHOOK_SIGNING_SECRET or INSTAGRAM_APP_SECRET is not set."],
            remedy: "Whoever runs this installation must set it; holdfast config check says what is missing.",
        },
        /// A fault of ours.
        Internal = Entry {
            code: "internal-error",
            status: StatusCode::INTERNAL_SERVER_ERROR,
            source: Source::Server,
            action: Remedy::ContactSupport,
            title: "Internal error",
            meaning: "Something is wrong on this server.",
            causes: &["A fault in Holdfast, or damaged stored data. The log has the reason under the request id."],
            remedy: "Tell whoever runs this installation, with the request id.",
        },
    }
}
