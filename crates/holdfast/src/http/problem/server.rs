//! Codes for what is not the caller's fault: Clerk's keys, the database, this server.

use super::row::{Source, codes};

codes! {
    /// What we are waiting for, or what broke.
    ServerCode {
        KeysUnavailable = "keys-unavailable", SERVICE_UNAVAILABLE, Retry, "Cannot judge the session token" {
            meaning: "This server does not have the key for this session token, so it neither accepted nor \
                      refused the token.",
            causes: [
                "This server cannot reach Clerk's key server.",
                "The server has just started.",
                "Clerk has just changed its keys.",
            ],
            remedy: "Wait for Retry-After and send the request again with the same token; nobody needs to \
                     sign in again. If it lasts, run `holdfast doctor`.",
        }
        DatabaseUnavailable = "database-unavailable", SERVICE_UNAVAILABLE, Retry, "Database not available" {
            meaning: "The stored data cannot be read: the database did not answer in time, or this server \
                      may not use it, or cannot open what it holds.",
            causes: [
                "The database is restarting or cannot be reached.",
                "The database is busy.",
                "What a request deleted is still in SQLite's log, because a backup or another long read uses it: \
                 a deletion is not called done before that ends.",
                "The server has just started, and its database is not open yet.",
                "The database's role lacks a right on a table, or a table is missing: the database was emptied, or \
                 restored from another version.",
                "HOLDFAST_ENCRYPTION_KEYS of this server lacks a key that another server uses. The log names \
                 it.",
            ],
            remedy: "Wait for Retry-After and send the request again. If it lasts, run `holdfast doctor`.",
        }
        DatabaseFull = "database-full", SERVICE_UNAVAILABLE, Retry, "Database full" {
            meaning: "The database cannot take more data.",
            causes: ["The disk is full."],
            remedy: "The operator must make room on the disk; no stored data is lost.",
        }
        DeadlineExceeded = "deadline-exceeded", SERVICE_UNAVAILABLE, Retry, "Took too long" {
            meaning: "The request took longer than this server allows.",
            causes: ["A server that this request depends on answers very slowly."],
            remedy: "Wait for Retry-After and send the request again. POST and DELETE below \
                     /service/users/{user_id}/instagram/graph have the action look_first and no Retry-After: \
                     Instagram may have carried the call out, so look there first: a container that was published \
                     has the status_code PUBLISHED (GET …/graph/{container id}?fields=status_code).",
        }
        Overloaded = "overloaded", SERVICE_UNAVAILABLE, Retry, "Overloaded" {
            meaning: "This server is already working on as many requests as it accepts at a time.",
            causes: ["There is more traffic than this installation can serve."],
            remedy: "Wait for Retry-After and send the request again.",
        }
        NotSetUp = "not-set-up", SERVICE_UNAVAILABLE, ContactSupport, "Not set up" {
            meaning: "This part of the server is not configured.",
            causes: ["CLERK_WEBHOOK_SIGNING_SECRET or INSTAGRAM_APP_SECRET is not set."],
            remedy: "The operator must set it; `holdfast doctor` says which one is missing.",
        }
        Internal = "internal-error", INTERNAL_SERVER_ERROR, ContactSupport, "Internal error" {
            meaning: "Something is wrong on this server.",
            causes: [
                "Holdfast has a fault, or stored data is damaged. The log has the reason under the request \
                 id.",
            ],
            remedy: "Report the request id to the operator of this installation, whom `holdfast why` tells \
                     the reason.",
        }
    }
}

impl ServerCode {
    /// Whose fault it is.
    pub(super) fn source(self) -> Source {
        match self {
            Self::KeysUnavailable => Source::Clerk,
            Self::DatabaseUnavailable | Self::DatabaseFull => Source::Database,
            Self::DeadlineExceeded | Self::Overloaded | Self::NotSetUp | Self::Internal => Source::Server,
        }
    }
}
