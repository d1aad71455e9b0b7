//! The schema: numbered migrations, embedded, each in one transaction, recorded with its checksum.

use std::time::Duration;

use super::engine::{Failure, Row, Unreadable, Violation, from_row, values};
use super::statements::{self, Sql};
use super::{MigrateError, Store, StoreError, engine, rows};
use crate::digest::sha256;

/// Pause before a migration that found a table locked is tried again: time for those who serve.
const LOCK_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Migration {
    version: i64,
    name: &'static str,
    pub(super) sql: Sql,
}

/// A migration, by the name of its files for both engines.
macro_rules! migration {
    ($version:literal, $number:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sql: Sql::each(
                include_str!(concat!("../../../../migrations/sqlite/", $number, "_", $name, ".sql")),
                include_str!(concat!("../../../../migrations/postgres/", $number, "_", $name, ".sql")),
            ),
        }
    };
}

/// All migrations, in order. Never changed once released; a new one goes to the end, for both
/// engines, with the same meaning.
pub(super) const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001", "initial"),
    migration!(2, "0002", "outbox"),
    migration!(3, "0003", "population_indexes"),
    migration!(4, "0004", "grant_time_indexes"),
    migration!(6, "0006", "sweep"),
    migration!(7, "0007", "listing_indexes"),
    migration!(8, "0008", "attempts_and_scopes"),
    migration!(9, "0009", "attempt_indexes"),
    migration!(12, "0012", "operator"),
    migration!(13, "0013", "notices"),
    migration!(14, "0014", "first_sync"),
    migration!(15, "0015", "grants_of_moved_accounts"),
    migration!(16, "0016", "open_attempts"),
    migration!(17, "0017", "withdrawals"),
    migration!(18, "0018", "unfinished_deletions"),
    migration!(19, "0019", "claims"),
    migration!(20, "0020", "consents"),
    migration!(21, "0021", "pauses"),
];

/// How the database's schema compares with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// So many migrations are missing.
    Behind(usize),
    /// A newer program has migrated it.
    Ahead {
        /// The newest applied migration.
        found: i64,
        /// The newest that this program has.
        known: i64,
    },
}

struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

impl Store {
    /// How the database's schema compares with this program's.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        let applied = self.applied().await?;
        let (known, found) = (newest(), applied.last().map_or(0, |last| last.version));
        Ok(if found > known {
            SchemaState::Ahead { found, known }
        } else {
            match MIGRATIONS.iter().filter(|migration| migration.version > found).count() {
                0 => SchemaState::Current,
                missing => SchemaState::Behind(missing),
            }
        })
    }

    /// The first applied migration that is not the one that this program has under its number; the
    /// server does not start on such a schema.
    pub async fn changed_migration(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.first_changed(&self.applied().await?))
    }

    fn first_changed(&self, applied: &[Applied]) -> Option<i64> {
        let both = MIGRATIONS.iter().zip(applied);
        let mut changed = both.filter(|(migration, applied)| {
            migration.version != applied.version || self.checksum(migration) != applied.checksum
        });
        changed.next().map(|(_, applied)| applied.version)
    }

    /// Tables of another program under our names, where no migration was applied.
    pub async fn foreign_tables(&self) -> Result<Vec<String>, StoreError> {
        let found = self.read(statements::TABLES_OF_OUR_NAMES, Vec::new()).await?;
        let names = rows::read_all(&found, "(tables)", |row| row.get("name"))?;
        // Asked last: tables and record of a migration appear together, and another replica may
        // have applied it meanwhile.
        if names.is_empty() || self.is_migrated().await? {
            return Ok(Vec::new());
        }
        Ok(names)
    }

    /// Whether any migration was applied; if not, the database is empty or not ours.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        Ok(!self.applied().await?.is_empty())
    }

    /// Brings the schema up to date and returns how many migrations that took. Safe for several
    /// replicas at once: the first to record a migration applies it, the others wait and find it
    /// done.
    pub async fn migrate(&self) -> Result<usize, MigrateError> {
        self.require_encoding().await?;
        self.create_migrations_table().await?;
        let mut done = 0;
        loop {
            let applied = self.applied().await?;
            let known = newest();
            if let Some(last) = applied.last().filter(|last| last.version > known) {
                return Err(MigrateError::Newer { found: last.version, known });
            }
            if let Some(version) = self.first_changed(&applied) {
                return Err(MigrateError::Changed { version });
            }
            if applied.is_empty() {
                let foreign = self.foreign_tables().await?;
                if !foreign.is_empty() {
                    return Err(MigrateError::Foreign { tables: foreign.join(", ") });
                }
            }
            let Some(next) = MIGRATIONS.get(applied.len()) else { return Ok(done) };
            done += usize::from(self.apply(next).await?);
        }
    }

    /// Refuses a Postgres database that cannot store every name. SQL_ASCII can: it takes any bytes.
    async fn require_encoding(&self) -> Result<(), MigrateError> {
        let read = |row: &Row| Ok((row.get::<String>("encoding")?, row.get("role")?));
        let found = self.total(statements::ENCODING, Vec::new(), "(server)", read).await?;
        let Some((encoding, role)) = found else { return Ok(()) };
        match encoding.as_str() {
            "UTF8" | "SQL_ASCII" => Ok(()),
            _ => Err(MigrateError::Encoding { encoding, role }),
        }
    }

    /// Applies a migration; `false` if another process was first. Waits for its locks a moment at a
    /// time, because replicas that serve meanwhile wait behind it.
    async fn apply(&self, migration: &Migration) -> Result<bool, MigrateError> {
        let mut is_told = false;
        loop {
            let tried = engine::retrying(|| async {
                match self.apply_migration(migration).await {
                    Ok(()) => Ok(Some(true)),
                    Err(Failure::Violated(Violation::Unique)) => Ok(Some(false)),
                    Err(failure) if failure.is_lock_timeout() => Ok(None),
                    Err(failure) => Err(failure),
                }
            });
            match tried.await {
                Ok(Some(is_ours)) => return Ok(is_ours),
                Ok(None) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(
                            migration = migration.version,
                            "the migration waits for a lock that another session holds: a backup, a long query, or another \
                             process that migrates (see pg_stat_activity); it is tried again every few seconds"
                        );
                    }
                    self.inner.clock.sleep(LOCK_PAUSE).await;
                }
                Err(source) => return Err(MigrateError::Failed { version: migration.version, source }),
            }
        }
    }

    async fn apply_migration(&self, migration: &Migration) -> Result<(), Failure> {
        let mut unit = self.begin().await?;
        let values = values![
            migration.version,
            migration.name,
            self.checksum(migration).as_slice(),
            self.inner.clock.now(),
        ];
        unit.run(statements::MIGRATION_SETTINGS, Vec::new()).await?;
        unit.run(statements::MIGRATION_RECORD, values).await?;
        unit.script(migration.sql).await?;
        unit.commit().await
    }

    /// Makes the table of applied migrations where it is missing. Postgres wants the right to
    /// create also for a table that is there, which the server's role need not have.
    async fn create_migrations_table(&self) -> Result<(), StoreError> {
        if self.has_migrations_table().await? {
            return Ok(());
        }
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            match unit.script(statements::MIGRATIONS_TABLE).await {
                Ok(()) => unit.commit().await,
                // Postgres' IF NOT EXISTS can lose a race against another process that makes the
                // same table; then it is there.
                Err(Failure::Violated(Violation::Unique)) => Ok(()),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    async fn has_migrations_table(&self) -> Result<bool, StoreError> {
        Ok(!self.read(statements::MIGRATIONS_TABLE_EXISTS, Vec::new()).await?.is_empty())
    }

    async fn applied(&self) -> Result<Vec<Applied>, StoreError> {
        if !self.has_migrations_table().await? {
            return Ok(Vec::new());
        }
        self.read(statements::MIGRATIONS_APPLIED, Vec::new())
            .await?
            .iter()
            .map(|row| {
                let read = || Ok(from_row!(row => Applied { version, checksum }));
                read().map_err(|error: Unreadable| error.at("schema_migrations", ""))
            })
            .collect()
    }

    /// SHA-256 of the text for this engine.
    fn checksum(&self, migration: &Migration) -> Vec<u8> {
        sha256(self.inner.engine.text(migration.sql).as_bytes()).to_vec()
    }
}

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_tables_are_those_of_the_migrations() {
        let engines: [fn(&Sql) -> &'static str; 2] = [|sql| sql.sqlite, |sql| sql.postgres];
        for text in engines {
            let known = text(&statements::TABLES_OF_OUR_NAMES);
            for migration in MIGRATIONS {
                let created = text(&migration.sql).split("CREATE TABLE ").skip(1);
                for name in created.filter_map(|rest| rest.split([' ', '(']).next()) {
                    assert!(known.contains(&format!("'{name}'")), "{name} of {}", migration.name);
                }
            }
        }
    }
}
