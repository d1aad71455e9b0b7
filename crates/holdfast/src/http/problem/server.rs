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
            action: Remedy::Retry,
            title: "Cannot judge the session token",
            meaning: "This server does not have the key for this session token, so it neither accepted nor refused the token.",
            causes: &[
                "This server cannot reach Clerk's key server.",
                "The server has just started.",
                "Clerk has just changed its keys.",
            ],
            remedy: "Wait for Retry-After and send the request again with the same token; nobody needs to sign in again. If \
                     it lasts, run `holdfast doctor`.",
        },
        /// Clerk's Backend API does not answer.
        ClerkUnavailable = Entry {
            code: "clerk-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::Retry,
            title: "Clerk does not answer",
            meaning: "Clerk's Backend API did not give a usable answer.",
            causes: &["Clerk has an outage, or the network a fault.", "Clerk does not accept CLERK_SECRET_KEY."],
            remedy: "Wait for Retry-After and send the request again. If it lasts, run `holdfast doctor`.",
        },
        /// The database does not answer.
        DatabaseUnavailable = Entry {
            code: "database-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::Retry,
            title: "Database not available",
            meaning: "The stored data cannot be read: the database did not answer in time, or this server cannot open what it \
                      holds.",
            causes: &[
                "The database is restarting or cannot be reached.",
                "The database is busy.",
                "HOLDFAST_ENCRYPTION_KEYS of this server lacks a key that another server uses. The log names it.",
            ],
            remedy: "Wait for Retry-After and send the request again. If it lasts, run `holdfast doctor`.",
        },
        /// The database cannot take more.
        DatabaseFull = Entry {
            code: "database-full",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::Retry,
            title: "Database full",
            meaning: "The database cannot take more data.",
            causes: &["The disk is full."],
            remedy: "The operator must make room on the disk; no stored data is lost.",
        },
        /// The request took too long here.
        DeadlineExceeded = Entry {
            code: "deadline-exceeded",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::Retry,
            title: "Took too long",
            meaning: "The request took longer than this server allows.",
            causes: &["A server that this request depends on answers very slowly."],
            remedy: "Wait for Retry-After and send the request again. That is safe on every route but POST and DELETE below /service/users/{user_id}/instagram/graph, where Instagram may have carried the call out: check that first.",
        },
        /// More requests than we serve at a time.
        Overloaded = Entry {
            code: "overloaded",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::Retry,
            title: "Overloaded",
            meaning: "This server is already working on as many requests as it accepts at a time.",
            causes: &["There is more traffic than this installation can serve."],
            remedy: "Wait for Retry-After and send the request again.",
        },
        /// The feature is not configured.
        NotSetUp = Entry {
            code: "not-set-up",
            status: StatusCode::SERVICE_UNAVAILABLE,
            action: Remedy::ContactSupport,
            title: "Not set up",
            meaning: "This part of the server is not configured.",
            causes: &["CLERK_WEBHOOK_SIGNING_SECRET or INSTAGRAM_APP_SECRET is not set."],
            remedy: "The operator must set it; `holdfast doctor` says which one is missing.",
        },
        /// A fault of ours.
        Internal = Entry {
            code: "internal-error",
            status: StatusCode::INTERNAL_SERVER_ERROR,
            action: Remedy::ContactSupport,
            title: "Internal error",
            meaning: "Something is wrong on this server.",
            causes: &["Holdfast has a fault, or stored data is damaged. The log has the reason under the request id."],
            remedy: "Report the request id to the operator of this installation.",
        },
    }
}

impl ServerCode {
    /// Whose fault it is.
    pub(super) fn source(self) -> Source {
        match self {
            Self::KeysUnavailable | Self::ClerkUnavailable => Source::Clerk,
            Self::DatabaseUnavailable | Self::DatabaseFull => Source::Database,
            Self::DeadlineExceeded | Self::Overloaded | Self::NotSetUp | Self::Internal => Source::Server,
        }
    }
}
