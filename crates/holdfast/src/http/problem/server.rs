//! Codes for what is not the caller's fault: Clerk's keys, the database, this server.

use http::StatusCode;

use super::row::{Entry, Remedy, Source, codes};

codes! {
    /// What we are waiting for, or what broke.
    ServerCode {
        /// No key to judge a session token with.
        KeysUnavailable,
        /// Clerk's Backend API does not answer.
        ClerkUnavailable,
        /// The database does not answer.
        DatabaseUnavailable,
        /// The database cannot take more.
        DatabaseFull,
        /// The request took too long here.
        DeadlineExceeded,
        /// More requests than we serve at a time.
        Overloaded,
        /// The feature is not configured.
        NotSetUp,
        /// A fault of ours.
        Internal,
    }
}

/// The row of a code.
pub(super) fn entry(code: ServerCode) -> Entry {
    let row = |status, source, action, code, title, meaning, causes, remedy| Entry {
        code,
        status,
        source,
        action,
        title,
        meaning,
        causes,
        remedy,
    };
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match code {
        ServerCode::KeysUnavailable => row(
            unavailable,
            Source::Clerk,
            Remedy::Retry,
            "keys-unavailable",
            "Cannot judge the session token",
            "The key that this session token needs is not at hand, so it was neither accepted nor refused.",
            &[
                "Clerk's key server is not reachable from here.",
                "The server has just started.",
                "Clerk has just changed its keys.",
            ],
            "Wait for Retry-After and ask again with the same token; nobody needs to sign in anew. If it lasts: holdfast doctor.",
        ),
        ServerCode::ClerkUnavailable => row(
            unavailable,
            Source::Clerk,
            Remedy::Retry,
            "clerk-unavailable",
            "Clerk does not answer",
            "Clerk's Backend API did not answer usefully.",
            &["An outage at Clerk, or a network fault.", "CLERK_SECRET_KEY is not accepted."],
            "Wait for Retry-After and ask again. If it lasts: holdfast doctor.",
        ),
        ServerCode::DatabaseUnavailable => row(
            unavailable,
            Source::Database,
            Remedy::Retry,
            "database-unavailable",
            "Database not available",
            "The database did not answer in time, or what it holds cannot be opened here, so we cannot say what is stored.",
            &[
                "The database is restarting or not reachable.",
                "It is busy.",
                "This server's HOLDFAST_ENCRYPTION_KEYS lacks a key that another server seals with. The log names it.",
            ],
            "Wait for Retry-After and ask again. If it lasts: holdfast doctor.",
        ),
        ServerCode::DatabaseFull => row(
            unavailable,
            Source::Database,
            Remedy::Retry,
            "database-full",
            "Database full",
            "The database cannot take more data.",
            &["The disk is full."],
            "Whoever runs this installation must make room; nothing that was stored is lost.",
        ),
        ServerCode::DeadlineExceeded => row(
            unavailable,
            Source::Server,
            Remedy::Retry,
            "deadline-exceeded",
            "Took too long",
            "The request was not done within the time that this server gives it.",
            &["A server that we need answers very slowly."],
            "Wait for Retry-After and ask again; asking again is safe on every route.",
        ),
        ServerCode::Overloaded => row(
            unavailable,
            Source::Server,
            Remedy::Retry,
            "overloaded",
            "Overloaded",
            "This server is at work on as many requests as it takes at a time.",
            &["More traffic than this installation is made for."],
            "Wait for Retry-After and ask again.",
        ),
        ServerCode::NotSetUp => row(
            unavailable,
            Source::Server,
            Remedy::ContactSupport,
            "not-set-up",
            "Not set up",
            "This part of the server has not been configured.",
            &["CLERK_WEBHOOK_SIGNING_SECRET or INSTAGRAM_APP_SECRET is not set."],
            "Whoever runs this installation must set it; holdfast config check says what is missing.",
        ),
        ServerCode::Internal => row(
            StatusCode::INTERNAL_SERVER_ERROR,
            Source::Server,
            Remedy::ContactSupport,
            "internal-error",
            "Internal error",
            "Something is wrong on this server.",
            &["A fault in Holdfast, or damaged stored data. The log has the reason under the request id."],
            "Tell whoever runs this installation, with the request id.",
        ),
    }
}
