//! Another driver for the same SQL: a simulation runs SQLite in its own thread.
//!
//! A statement through sqlx wakes another thread, which costs several times the statement itself. A
//! server does other work meanwhile; a simulation runs one task at a time and cannot.

use std::fmt::Debug;
use std::sync::Arc;

use super::Value;

/// Runs SQLite's statements, one at a time, on one connection.
pub trait Driver: Debug + Send + Sync + 'static {
    /// Runs one statement, with `$1` and on bound to `values`.
    fn run(&self, sql: &str, values: &[Value]) -> rusqlite::Result<Outcome>;

    /// Runs several, without values; `BEGIN`, `COMMIT` and `ROLLBACK` come here too.
    fn script(&self, sql: &str) -> rusqlite::Result<()>;
}

/// The result of a statement.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The names of its columns.
    pub columns: Arc<[String]>,
    /// The returned rows.
    pub rows: Vec<Vec<Value>>,
    /// How many rows it changed.
    pub changed: u64,
}

/// A shared driver.
pub type SharedDriver = Arc<dyn Driver>;
