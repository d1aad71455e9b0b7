//! Units of work and reads by a [`Driver`](crate::store::Driver).

use super::{Failure, Row, Value};
use crate::store::SharedDriver;

/// A transaction; rolled back when dropped before it is committed.
pub(super) struct DrivenUnit {
    driver: SharedDriver,
    open: bool,
}

impl DrivenUnit {
    pub(super) fn begin(driver: &SharedDriver) -> Result<Self, Failure> {
        driver.script("BEGIN IMMEDIATE")?;
        Ok(Self { driver: driver.clone(), open: true })
    }

    pub(super) fn driver(&self) -> &SharedDriver {
        &self.driver
    }

    pub(super) fn commit(mut self) -> Result<(), Failure> {
        self.driver.script("COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for DrivenUnit {
    fn drop(&mut self) {
        if self.open {
            // An error means that SQLite has ended it by itself.
            let _ = self.driver.script("ROLLBACK");
        }
    }
}

pub(super) fn rows(driver: &SharedDriver, sql: &str, values: &[Value]) -> Result<Vec<Row>, Failure> {
    let outcome = driver.run(sql, values)?;
    Ok(outcome.rows.into_iter().map(|values| Row::driven(&outcome.columns, values)).collect())
}
