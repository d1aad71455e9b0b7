//! The present incident, and what the app is told of it.

use jiff::Timestamp;

use super::engine::{Row, values};
use super::notices::{EVENT_HOLD, NOTICE_PUT, NoticeKind};
use super::statements::{Sql, statements};
use super::{Store, StoreError, engine};
use crate::clock::after;
use crate::provider::ProviderId;

statements! {
    /// Earlier notices of an incident; nobody claims one of them before the unit has ended. One that
    /// was claimed may be on its way, until it is due again.
    INCIDENT_TOLD = Sql::each(
        "SELECT due_at, tries FROM notices INDEXED BY notices_due WHERE due_at IS NOT NULL AND provider = $1 AND user_id IS NULL",
        "SELECT due_at, tries FROM notices WHERE due_at IS NOT NULL AND provider = $1 AND user_id IS NULL FOR UPDATE",
    );
    INCIDENT_SETTLE = Sql::each(
        "UPDATE notices INDEXED BY notices_due SET due_at = NULL WHERE due_at IS NOT NULL AND provider = $1 AND user_id IS \
         NULL",
        "UPDATE notices SET due_at = NULL WHERE due_at IS NOT NULL AND provider = $1 AND user_id IS NULL",
    );
    INCIDENT_BEGIN = Sql::both("INSERT INTO incidents (provider, began_at) VALUES ($1, $2) ON CONFLICT (provider) DO NOTHING");
    INCIDENT = Sql::both("SELECT began_at FROM incidents WHERE provider = $1");
    INCIDENT_END = Sql::both("DELETE FROM incidents WHERE provider = $1");
}

impl Store {
    /// When the present incident at this provider was first noticed.
    pub async fn incident_since(&self, provider: ProviderId) -> Result<Option<Timestamp>, StoreError> {
        self.total(INCIDENT, values![provider], "incidents", |row| row.get("began_at")).await
    }

    /// Records whether an incident is going on. Returns true to exactly one replica if that is
    /// news. What was to be told of it before is not sent any more, and what may be on its way
    /// arrives first.
    pub async fn notice_incident(
        &self,
        provider: ProviderId,
        lasts: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let began = self.incident_since(provider).await?;
        if began.is_some() == lasts {
            return Ok(false);
        }
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            let changed = if lasts {
                unit.run(INCIDENT_BEGIN, values![provider, now]).await?
            } else {
                unit.run(INCIDENT_END, values![provider]).await?
            };
            if changed == 0 {
                return Ok(false);
            }
            if self.inner.outbox {
                let began = began.unwrap_or(now);
                let (kind, name) = if lasts {
                    (NoticeKind::IncidentBegan, "began")
                } else {
                    (NoticeKind::IncidentEnded, "ended")
                };
                let subject = format!("incident:{provider}:{}:{name}", began.as_millisecond());
                let told = unit.rows(INCIDENT_TOLD, values![provider]).await?;
                let claimed_until = |row: &Row| {
                    row.get::<Timestamp>("due_at")
                        .ok()
                        .filter(|_| row.get("tries").is_ok_and(|tries: i64| tries > 0))
                };
                let told_by = told.iter().filter_map(claimed_until).max();
                let due_at = told_by.map_or(now, |at| at.clamp(now, after(now, EVENT_HOLD)));
                unit.run(INCIDENT_SETTLE, values![provider]).await?;
                let (kind, provider) = (kind.as_str(), provider.as_str());
                unit.run(NOTICE_PUT, values![subject, kind, provider, now, due_at]).await?;
            }
            unit.commit().await?;
            Ok(true)
        })
        .await
    }
}
