//! Errors of the database, without bound values.

use std::path::PathBuf;
use std::time::Duration;

/// A statement or a unit of work failed. Nothing of it was stored, except possibly on
/// [`StoreError::OutcomeUnknown`].
///
/// Never carries a bound value: those may be personal or sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or answers that it is not ready.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// There is no room left to write.
    #[error("the database is full: {0}")]
    Full(String),
    /// A lock was held for too long, or the statement took too long.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// Too many reads wait for the database already.
    #[error("too many reads wait for the database")]
    Crowded,
    /// The connection broke during the commit, which may or may not have been made. Read before
    /// acting again.
    #[error("the connection to the database broke during a commit; it is unknown whether it was made")]
    OutcomeUnknown,
    /// The key of the ring that seals here was retired: nobody else may have it any more.
    #[error(
        "encryption key `{key_id}` was retired, so that nothing new may be sealed with it; give this server the key ring of the \
         others, with the key first that seals there"
    )]
    KeyRetired {
        /// The key.
        key_id: String,
    },
    /// A stored row is in a form that this version does not write.
    #[error("row {row} of table {table} cannot be read: {why}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// Its primary key; never a secret.
        row: String,
        /// What is wrong.
        why: String,
    },
    /// A file of the database is damaged, or not there.
    #[error("a file of the database is missing, damaged or unreadable: {0}")]
    Damaged(String),
    /// The role may not do what the statement asks for, or does not see the table.
    #[error("the database's role lacks a right: {0}; `holdfast doctor` says what to grant")]
    Denied(String),
    /// A table or a column is not there: the database was emptied or changed by hand, or is of
    /// another version.
    #[error("the database lacks a table or a column: {0}; `holdfast doctor` says what to do")]
    Missing(String),
    /// A statement does not fit the schema: changed by hand.
    #[error("the database refused a statement: {0}")]
    Refused(String),
}

/// What a database says that takes no writes.
const READ_ONLY: &str =
    "it takes no writes, as a standby, a former primary, or one with `default_transaction_read_only` on";

impl StoreError {
    /// The database answers, and takes no writes.
    pub(crate) fn read_only() -> Self {
        Self::Unavailable(READ_ONLY.to_owned())
    }

    /// Whether only one row is at fault: all others can be read and written.
    pub fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Whether the whole database is down or full, so that nothing can be stored.
    pub fn is_of_the_database(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full(_) => true,
            // About one part, while others may be whole.
            Self::Damaged(_)
            | Self::Busy(_)
            | Self::Crowded
            | Self::OutcomeUnknown
            | Self::KeyRetired { .. }
            | Self::Corrupt { .. }
            | Self::Denied(_)
            | Self::Missing(_)
            | Self::Refused(_) => false,
        }
    }

    /// How long a client should wait before it tries again; for `Retry-After`.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Busy(_) | Self::Crowded | Self::OutcomeUnknown => Duration::from_secs(1),
            Self::Unavailable(_) => Duration::from_secs(5),
            Self::Full(_)
            | Self::KeyRetired { .. }
            | Self::Corrupt { .. }
            | Self::Damaged(_)
            | Self::Denied(_)
            | Self::Missing(_)
            | Self::Refused(_) => Duration::from_secs(30),
        }
    }
}

/// The database could not be opened. Each says in one sentence what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not of a known form.
    #[error(
        "HOLDFAST_DATABASE_URL: {0}; give `sqlite://path/to/holdfast.db` or `postgres://user@host/database`"
    )]
    Address(String),
    /// A file that the address names cannot be read.
    #[error(
        "HOLDFAST_DATABASE_URL: {option}={path} cannot be read ({why}); name a file that this process may read"
    )]
    AddressFile {
        /// The option of the address.
        option: String,
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file's directory does not exist.
    #[error(
        "the directory {0} of the database file does not exist; create it, or correct HOLDFAST_DATABASE_URL"
    )]
    NoDirectory(PathBuf),
    /// There is no such file, and it was not to be created.
    #[error("there is no database file {0}; start `holdfast serve` or `holdfast migrate` once to make it")]
    NoFile(PathBuf),
    /// The file or its directory cannot be written.
    #[error(
        "the database file {path} cannot be written ({why}); give this process write access to it and to its directory"
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// There is no room left on the file's disk.
    #[error("the disk of the database file {0} is full; make room on it, or move the database to another")]
    NoRoom(PathBuf),
    /// The file is not a SQLite database.
    #[error("{0} is not a SQLite database; move it away, or correct HOLDFAST_DATABASE_URL")]
    NotADatabase(PathBuf),
    /// Another process serves from this file.
    #[error(
        "another process uses {0}, and a SQLite database serves only one: stop the other process, or use Postgres for several \
         replicas"
    )]
    InUse(PathBuf),
    /// The database server cannot be reached, or does not let us in.
    #[error("the database server cannot be used: {why}; {remedy}")]
    Unreachable {
        /// What is wrong; never a password.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The database server, the role or the database has too few connections.
    #[error(
        "{host} has no connection left for role {role}; raise max_connections, or the CONNECTION LIMIT of the role or the \
         database, to thirteen for each replica and five for commands, or close other connections"
    )]
    TooFewConnections {
        /// Where the server is.
        host: String,
        /// Who connects.
        role: String,
    },
    /// The file exists, but SQLite cannot use it.
    #[error("the database file cannot be used ({0}); run `holdfast doctor`, and check the file and its disk")]
    Unusable(StoreError),
    /// A setting that durability needs could not be made.
    #[error("the database's `{name}` is `{got}` and must be `{want}`, or acknowledged writes could be lost")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it must be.
        want: &'static str,
        /// What it is.
        got: String,
    },
    /// A newer version has migrated the database.
    #[error(
        "the database has schema {found}, this program knows up to {known}; use the newer program, or restore a backup from before its migration"
    )]
    SchemaNewer {
        /// The newest applied migration.
        found: i64,
        /// The newest that this program has.
        known: i64,
    },
    /// The schema could not be read.
    #[error("the state of the database's schema cannot be read: {0}")]
    Schema(#[from] StoreError),
}

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version has migrated the database.
    #[error("the database has schema {found}, this program knows up to {known}; use the newer program")]
    Newer {
        /// The newest applied migration.
        found: i64,
        /// The newest that this program has.
        known: i64,
    },
    /// An applied migration differs from the one that this program has under its number.
    #[error(
        "migration {version} in the database differs from this program's; use the program that migrated this database"
    )]
    Changed {
        /// Its number.
        version: i64,
    },
    /// Another program's tables are in the way.
    #[error(
        "the database has tables of another program under names that Holdfast uses: {tables}; give Holdfast a database of its \
         own, and name it in HOLDFAST_DATABASE_URL"
    )]
    Foreign {
        /// Their names.
        tables: String,
    },
    /// The encoding of the Postgres database lacks most characters.
    #[error("{}; {}", lacks_characters(.encoding), with_every_character(.role))]
    Encoding {
        /// As `server_encoding`, such as `LATIN1`.
        encoding: String,
        /// Who owns the tables.
        role: String,
    },
    /// A migration failed; it was rolled back.
    #[error("migration {version} failed and was rolled back: {source}")]
    Failed {
        /// Its number.
        version: i64,
        /// Why.
        source: StoreError,
    },
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a Postgres database of such an encoding cannot do.
pub fn lacks_characters(encoding: &str) -> String {
    format!(
        "{encoding} lacks most characters: a name with one of those, such as an emoji, cannot be stored, and each \
         request that would store it fails"
    )
}

/// How to get a Postgres database that stores every character. The locale goes with every encoding.
pub fn with_every_character(role: &str) -> String {
    format!(
        "as a superuser: CREATE DATABASE holdfast_utf8 OWNER {role} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0; \
         move the tables there (docs/guides/database.md#restoring), and name it in HOLDFAST_DATABASE_URL"
    )
}
