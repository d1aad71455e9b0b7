//! Rows that this version cannot read: damaged, or written by a later version that was rolled back.
//! Batches skip them, so that one such row does not hold up the others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::{Row, values};
use super::statements::Sql;
use super::{Store, StoreError, Value};
use crate::clock::Throttle;
use crate::lock::Lock;

/// How long such a row is postponed, and any row in trouble is not logged again.
pub const UNREADABLE_RESTS: Duration = Duration::from_hours(1);
/// With more rows than these, some are logged more often.
const REMEMBERED: usize = 1000;

/// When each row in trouble was last logged, by what the trouble is with.
#[derive(Debug, Default)]
pub(super) struct LoggedRows(Lock<BTreeMap<(&'static str, String), Throttle>>);

/// The result of reading several rows.
pub(super) struct Read<T> {
    pub(super) values: Vec<T>,
    /// The keys of unreadable rows.
    pub(super) unreadable: Vec<String>,
}

impl Store {
    /// Rows in trouble that were logged within the last hour or so.
    pub fn troubled_rows_logged(&self) -> usize {
        self.inner.logged_rows.0.lock().len()
    }

    /// Whether the trouble with this row was not logged within the last hour; counts it as logged.
    /// For what every tick of the worker finds again.
    pub fn is_news(&self, what: &'static str, row: &str) -> bool {
        let mut said = self.inner.logged_rows.0.lock();
        if said.len() >= REMEMBERED {
            said.clear();
        }
        said.entry((what, row.to_owned())).or_default().admits(UNREADABLE_RESTS, self.inner.clock.now())
    }

    /// Reads each row by itself. Returns only errors that concern more than one row.
    pub(super) fn read_each<T>(
        &self,
        rows: &[Row],
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Read<T>, StoreError> {
        let mut each = Read { values: Vec::with_capacity(rows.len()), unreadable: Vec::new() };
        for row in rows {
            match read(row) {
                Ok(value) => each.values.push(value),
                Err(error) => {
                    let StoreError::Corrupt { table, row, .. } = &error else { return Err(error) };
                    if self.is_news(table, row) {
                        tracing::error!(%error, "a row cannot be read and is skipped");
                    }
                    each.unreadable.push(row.clone());
                }
            }
        }
        Ok(each)
    }

    /// Up to `limit` readable rows, however many unreadable ones precede them. The statement's last
    /// two parameters are its limit and its offset.
    pub(super) async fn readable<T>(
        &self,
        sql: Sql,
        values: Vec<Value>,
        limit: usize,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (mut found, mut offset) = (Vec::new(), 0);
        loop {
            let wanted = limit.saturating_sub(found.len());
            let mut values = values.clone();
            values.extend(values![wanted, offset]);
            let page = self.read(sql, values).await?;
            let each = self.read_each(&page, &read)?;
            found.extend(each.values);
            offset += page.len();
            if page.len() < wanted || found.len() >= limit {
                return Ok(found);
            }
        }
    }
}
