//! Repairing times that were written by a clock that was ahead.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Connections, ServiceError};
use crate::connection::Connection;
use crate::connection::clock_repair::possible;
use crate::connection::observation::Observation;

impl Connections {
    /// Repairs up to `limit` connections with times that only a clock that was ahead can have
    /// written, and as many attempts and events. Returns how many it found: as many as
    /// `limit` where more may be left. A failure of one does not stop the others.
    pub async fn repair_times(&self, limit: usize, stop: &CancellationToken) -> Result<usize, ServiceError> {
        let now = self.parts.clock.now();
        let waits = self.parts.store.bring_back_waits(now, limit).await?;
        if waits > 0 {
            tracing::warn!(waits, "connect attempts and events of a clock that was ahead were brought back");
        }
        let tail = self.parts.refresh.tail_percent();
        let found = self.parts.store.mistimed_connections(now, tail, limit).await?;
        for connection in found.iter().take_while(|_| !stop.is_cancelled()) {
            ServiceError::of_one(self.repair_times_of(connection, now).await, |error| {
                tracing::error!(
                    connection = %connection.id, %error, "times from a clock that was ahead could not be repaired"
                );
            })?;
        }
        Ok(found.len().max(usize::try_from(waits).unwrap_or(limit)))
    }

    async fn repair_times_of(&self, connection: &Connection, now: Timestamp) -> Result<(), ServiceError> {
        let Some(facts) = connection.grant else { return Ok(()) };
        let grant = possible(facts, now);
        let next_refresh_at = self.schedule()?.refresh_at(grant);
        tracing::warn!(connection = %connection.id, "times from a clock that was ahead were repaired");
        self.recorder
            .record(connection.id, &Observation::TimesRepaired { grant, next_refresh_at }, None)
            .await?;
        Ok(())
    }
}
