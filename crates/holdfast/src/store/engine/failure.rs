//! What an engine's error means: errors of sqlx and rusqlite are read here and nowhere else.
//!
//! SQLite: <https://www.sqlite.org/rescode.html>. Postgres:
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::store::StoreError;

/// A failed statement or unit of work.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    /// A constraint was violated.
    Violated(Violation),
    /// Certainly nothing was done, and another try may succeed: lost connection, deadlock,
    /// serialization.
    Again(StoreError),
    /// Anything else.
    Final(StoreError),
}

/// Which constraint was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Violation {
    /// The account is linked elsewhere.
    Account,
    /// Another unique constraint.
    Unique,
    /// The parent row is gone.
    ForeignKey,
}

/// Postgres' lock_not_available: the lock was not free within `lock_timeout`.
const LOCK_TIMEOUT: &str = "55P03";
/// Postgres' read_only_sql_transaction.
pub(super) const READ_ONLY: &str = "25006";

impl Failure {
    /// Whether a lock was not free in time.
    pub(in crate::store) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Final(StoreError::Busy(why)) if why.ends_with(LOCK_TIMEOUT))
    }

    pub(super) fn may_be_repeated(&self) -> bool {
        matches!(self, Self::Again(_))
    }

    /// The failure as callers see it. An unexpected violation means that a statement does not fit
    /// the schema.
    pub(in crate::store) fn into_error(self) -> StoreError {
        match self {
            Self::Violated(which) => {
                StoreError::Refused(format!("unexpected constraint violation ({which:?})"))
            }
            Self::Again(error) | Self::Final(error) => error,
        }
    }

    /// A failed commit. If the server refused it, it did not happen; if the connection broke, the
    /// outcome is unknown.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        match Self::from(error) {
            Self::Again(StoreError::Unavailable(_)) => Self::Final(StoreError::OutcomeUnknown),
            other => other,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = |why: &str| StoreError::Unavailable(why.to_owned());
        match error {
            sqlx::Error::Database(error) => of_database(&*error),
            // Its own text names what a certificate lacks; others may quote an address.
            sqlx::Error::Io(error) => Self::Again(unavailable(&match error.get_ref() {
                Some(inner) if inner.is::<rustls::Error>() => format!("TLS fails: {inner}"),
                _ => error.kind().to_string(),
            })),
            sqlx::Error::PoolTimedOut => Self::Final(unavailable("no connection within the time limit")),
            sqlx::Error::PoolClosed => Self::Final(unavailable("the store is closed")),
            sqlx::Error::WorkerCrashed => Self::Again(unavailable("the connection's worker ended")),
            sqlx::Error::Tls(_) => Self::Final(unavailable("TLS failed")),
            sqlx::Error::Protocol(_) => Self::Again(unavailable("a protocol error on the connection")),
            // sqlx's errors are not exhaustive. The rest are about values and columns; their texts
            // may quote values.
            _ => Self::Final(StoreError::Refused("a value or column does not fit".to_owned())),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, message) = error else {
            // The rest are about values and columns; their texts may quote values.
            return Self::Final(StoreError::Refused("a value or column does not fit".to_owned()));
        };
        let message = message.unwrap_or_default();
        match failure.extended_code {
            // Primary key, unique.
            1555 | 2067 => Self::Violated(unique(None, &message)),
            787 => Self::Violated(Violation::ForeignKey),
            code => of_sqlite(&code.to_string(), &message),
        }
    }
}

fn of_database(error: &dyn DatabaseError) -> Failure {
    match error.kind() {
        ErrorKind::UniqueViolation => return Failure::Violated(unique(error.constraint(), error.message())),
        ErrorKind::ForeignKeyViolation => return Failure::Violated(Violation::ForeignKey),
        _ => {}
    }
    let code = error.code().unwrap_or_default();
    // Postgres puts values into `detail`, never into the code; SQLite's messages name tables and
    // columns only.
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        of_postgres(&code)
    } else {
        of_sqlite(&code, error.message())
    }
}

/// Postgres names the constraint, SQLite its columns.
fn unique(constraint: Option<&str>, message: &str) -> Violation {
    let account = match constraint {
        Some(name) => name == "connections_account",
        None => message.contains("connections.account_id"),
    };
    if account { Violation::Account } else { Violation::Unique }
}

fn of_postgres(code: &str) -> Failure {
    let text = format!("SQLSTATE {code}");
    match code {
        // The last two, duplicate_object and duplicate_table: `IF NOT EXISTS` lost a race against
        // another replica; the next try finds it there.
        "40001" | "40P01" | "42710" | "42P07" => Failure::Again(StoreError::Busy(text)),
        // The server ended the session: it is shutting down or not up yet, the database was
        // dropped, or the session or its transaction was idle or took longer than is set there.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04" => {
            Failure::Again(StoreError::Unavailable(text))
        }
        "53100" => Failure::Final(StoreError::Full(text)),
        "42501" => Failure::Final(StoreError::Denied(text)),
        // undefined_table, undefined_column.
        "42P01" | "42703" => Failure::Final(StoreError::Missing(text)),
        "3F000" => {
            Failure::Final(StoreError::Missing(format!("search_path names no schema that exists ({text})")))
        }
        "57014" | LOCK_TIMEOUT => Failure::Final(StoreError::Busy(format!(
            "another session may hold a lock that is waited for, see pg_stat_activity; {text}"
        ))),
        "XX002" => Failure::Final(StoreError::Damaged(format!(
            "{text}; an index is damaged: `REINDEX DATABASE` mends it"
        ))),
        // A page that is no page; a file that is not there, is another, or cannot be read.
        "XX001" | "58P01" | "58P02" | "58030" => Failure::Final(damaged(&text)),
        // Poolers use these codes, too.
        _ if code.starts_with("08") || code.starts_with("58") => {
            Failure::Again(StoreError::Unavailable(text))
        }
        READ_ONLY => Failure::Final(StoreError::read_only()),
        "28P01" => Failure::Final(StoreError::Unavailable(format!("it rejects the password ({text})"))),
        // Insufficient resources, wrong credentials, unknown database.
        _ if code.starts_with("53") || code.starts_with("28") || code.starts_with("3D") => {
            Failure::Final(StoreError::Unavailable(text))
        }
        _ => Failure::Final(StoreError::Refused(text)),
    }
}

fn damaged(text: &str) -> StoreError {
    StoreError::Damaged(format!("{text}; Postgres' own log says which"))
}

/// `SQLITE_IOERR_SHMSIZE`: there is no room for the shared memory beside the file.
const NO_ROOM_FOR_MEMORY: u32 = 4874;

fn of_sqlite(code: &str, message: &str) -> Failure {
    let text = format!("SQLite {code}: {message}");
    let code = code.parse::<u32>().unwrap_or(0);
    // The low byte is the primary code of an extended one.
    Failure::Final(match code & 0xff {
        5 | 6 => StoreError::Busy(text),
        13 => StoreError::Full(text),
        _ if code == NO_ROOM_FOR_MEMORY => StoreError::Full(text),
        8 | 10 | 14 | 15 => StoreError::Unavailable(text),
        11 | 26 => StoreError::Damaged(text),
        1 if message.starts_with("no such table") || message.starts_with("no such column") => {
            StoreError::Missing(text)
        }
        _ => StoreError::Refused(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_the_server_ended_is_tried_again() {
        for code in ["57P01", "57P04", "57P05", "25P03", "25P04", "08006"] {
            let failure = of_postgres(code);
            assert!(matches!(failure, Failure::Again(StoreError::Unavailable(_))), "{code}: {failure:?}");
        }
    }

    #[test]
    fn what_keeps_us_out_while_running_is_told_in_words() {
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let failed = std::io::Error::new(std::io::ErrorKind::InvalidData, expired);
        let told = Failure::from(sqlx::Error::Io(failed)).into_error().to_string();
        assert!(told.contains("TLS fails") && told.contains("Expired"), "{told}");
        assert!(of_postgres("28P01").into_error().to_string().contains("rejects the password"));
        assert!(of_postgres("3F000").into_error().to_string().contains("search_path"));
    }

    #[test]
    fn a_table_without_its_file_is_a_fault_of_the_database() {
        for (code, remedy) in [
            ("58P01", "Postgres' own log"),
            ("58030", "Postgres' own log"),
            ("XX001", "Postgres' own log"),
            ("XX002", "REINDEX"),
        ] {
            let error = of_postgres(code).into_error();
            assert!(matches!(&error, StoreError::Damaged(why) if why.contains(remedy)), "{error}");
        }
        // A pooler that has no server.
        assert!(matches!(of_postgres("58000"), Failure::Again(StoreError::Unavailable(_))));
    }

    #[test]
    fn a_lock_that_is_not_free_is_told_in_words() {
        let failure = of_postgres(LOCK_TIMEOUT);
        assert!(failure.is_lock_timeout());
        assert!(failure.into_error().to_string().contains("pg_stat_activity"));
    }

    #[test]
    fn a_database_that_takes_no_writes_is_told_in_words() {
        assert_eq!(of_postgres("25006").into_error(), StoreError::read_only());
    }
}
