//! Whether the database answered at all.

use super::code::{self, Code};
use super::report::Check;
use crate::store::{OpenError, Store, StoreError};

/// The database stopped answering, or lacks a file; that is no fault of what it was asked for.
pub(super) struct Unanswered(pub(super) StoreError);

/// What the database answered, if it did.
pub(super) fn answered<T>(result: Result<T, StoreError>) -> Result<Result<T, StoreError>, Unanswered> {
    match result {
        Err(error @ (StoreError::Unavailable(_) | StoreError::Busy(_) | StoreError::Damaged(_))) => {
            Err(Unanswered(error))
        }
        answer => Ok(answer),
    }
}

/// What it was asked for is not at fault either where the database refuses a statement.
pub(super) fn refused(code: Code, error: &StoreError) -> Check {
    code.failed(error.to_string()).mended_by(code::DATABASE.remedy)
}

/// It was opened, so the address is right.
pub(super) async fn unanswered(store: &Store, error: StoreError) -> Check {
    if let StoreError::Unavailable(why) = &error {
        let is_crowded = matches!(store.unanswered(error.clone()).await, OpenError::TooFewConnections { .. });
        if is_crowded {
            let what = format!("the database opens, but then grants no further connection: {why}");
            return code::DATABASE_POOL.failed(what).mended_by(
                "raise max_connections, or the CONNECTION LIMIT of the role or the database, to thirteen for each replica and five \
                 for commands",
            );
        }
        return code::DATABASE.failed(format!("it opens, but then answers no more: {why}")).mended_by(
            "look whether the server still runs, into its log, and at what is between: a firewall, or a pool of PgBouncer that \
             is used up",
        );
    }
    if let StoreError::Damaged(_) = &error {
        return code::DATABASE.failed(format!("it opens, but {error}")).mended_by(
            "where it is an index (XX002), run `REINDEX DATABASE`; else mend or mount the disk that the file is on; where it is lost, restore a backup \
             (docs/guides/database.md#restoring)",
        );
    }
    code::DATABASE.failed(format!("it opens, but does not answer in time: {error}")).mended_by(
        "somebody locks its tables, or it is overloaded: look at pg_stat_activity of Postgres, or for another program \
         that writes the SQLite file",
    )
}
