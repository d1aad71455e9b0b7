//! Another driver for the same SQL: where a simulation runs SQLite in its own thread.
//!
//! A statement through sqlx wakes a thread and is waited for, which costs several times what the
//! statement does. A server has other things to do meanwhile; a simulation hands out one turn at a
//! time and has not.

use std::fmt::Debug;
use std::sync::Arc;

use super::Value;

/// Runs SQLite's statements, one at a time, on one connection.
pub trait Driver: Debug + Send + Sync + 'static {
    /// Runs one statement, with `$1` and on bound to `values`.
    fn run(&self, sql: &str, values: &[Value]) -> Result<Outcome, Rejected>;

    /// Runs several, without values; `BEGIN`, `COMMIT` and `ROLLBACK` come here too.
    fn script(&self, sql: &str) -> Result<(), Rejected>;
}

/// What a statement came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The names of its columns.
    pub columns: Arc<[String]>,
    /// What it returned.
    pub rows: Vec<Vec<Value>>,
    /// How many rows it changed.
    pub changed: u64,
}

/// SQLite said no.
#[derive(Debug)]
pub struct Rejected {
    /// SQLite's extended result code: <https://www.sqlite.org/rescode.html>.
    pub code: i32,
    /// Names tables and columns, never values.
    pub message: String,
}

/// A driver shared by all that goes through it.
pub type SharedDriver = Arc<dyn Driver>;
