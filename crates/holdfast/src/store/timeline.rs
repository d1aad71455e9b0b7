//! The database's timeline: each promotion of a standby begins another.

use super::engine::Engine;
use super::statements::Sql;
use super::{Store, StoreError};

/// The first eight digits of a WAL file's name are its timeline. Not among the statements that
/// `doctor` and the tests prepare: other databases with Postgres' protocol may not know it.
const TIMELINE: Sql = Sql::both("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline");

impl Store {
    /// The timeline that the server writes; `None` on SQLite, which has one only.
    pub async fn timeline(&self) -> Result<Option<String>, StoreError> {
        let Engine::Postgres(_) = &self.inner.engine else { return Ok(None) };
        self.total(TIMELINE, Vec::new(), "(server)", |row| row.get("timeline")).await
    }
}
