//! Finds missing indexes. Without one that was dropped by hand, or left invalid by an interrupted
//! `REINDEX`, requests read whole tables.

use std::collections::BTreeMap;

use super::migrate::MIGRATIONS;
use super::statements::{Sql, statements};
use super::{Store, StoreError, rows};

statements! {
    /// The names of the valid indexes.
    INDEXES = Sql::each(
        "SELECT name FROM sqlite_master WHERE type = 'index'",
        "SELECT CAST(c.relname AS TEXT) AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
         WHERE i.indisvalid AND pg_table_is_visible(i.indrelid)",
    );
}

impl Store {
    /// The statements that create the missing indexes again.
    pub async fn missing_indexes(&self) -> Result<Vec<String>, StoreError> {
        let engine = &self.inner.engine;
        let mut expected = expected(MIGRATIONS.iter().map(|migration| engine.text(migration.sql)));
        for row in engine.read(INDEXES, Vec::new()).await? {
            let name: String = rows::read_total(&row, "(indexes)", |row| row.get("name"))?;
            expected.remove(&name);
        }
        Ok(expected.into_values().collect())
    }
}

/// The indexes that the migrations create and do not drop again, by name.
fn expected<'a>(migrations: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut indexes = BTreeMap::new();
    for script in migrations {
        let code: Vec<&str> =
            script.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        for statement in code.join(" ").split(';') {
            let words: Vec<&str> = statement.split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => {
                    indexes.insert((*name).to_owned(), words.join(" "));
                }
                ["DROP", "INDEX", name, ..] => {
                    indexes.remove(*name);
                }
                _ => {}
            }
        }
    }
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_created_is_expected_until_it_is_dropped() {
        let scripts = [
            "-- why; because\nCREATE TABLE a (b INT);\nCREATE INDEX one ON a (b)\n  WHERE b > 0;\n",
            "CREATE UNIQUE INDEX two ON a (b); -- CREATE INDEX three\nCREATE INDEX four ON a (b);DROP INDEX four;",
        ];
        let found: Vec<_> = expected(scripts.into_iter()).into_values().collect();
        assert_eq!(found, ["CREATE INDEX one ON a (b) WHERE b > 0", "CREATE UNIQUE INDEX two ON a (b)"]);
    }
}
