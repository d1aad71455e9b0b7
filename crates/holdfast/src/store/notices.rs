//! Events for the app besides the status; each is created once, by the first to notice it.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::{Row, Unreadable, from_row, values};
use super::statements::{Sql, statements};
use super::unreadable::UNREADABLE_RESTS;
use super::{StatusFacts, Store, StoreError, rows};
use crate::clock::after;
use crate::names::names;
use crate::provider::ProviderId;

/// How long a claimed event or notice is kept from other replicas: a batch takes at most four rounds
/// of 8 seconds.
pub(super) const EVENT_HOLD: Duration = Duration::from_mins(1);
/// Most expiring grants noticed at once.
const AT_ONCE: usize = 200;

statements! {
    /// Grants in use that expire soon, and have no notice yet. The notice is about the expiry, which
    /// a renewal may leave as it is. Version 0.1.0 named the grant's version too.
    NOTICES_EXPIRING = Sql::both(
        "INSERT INTO notices (subject, kind, user_id, provider, occurred_at, due_at) SELECT 'expiring:' || c.id || ':' || \
         CAST(c.grant_expires_at AS TEXT), 'instagram.expiring_soon', c.user_id, \
         c.provider, $1, $1 FROM connections AS c WHERE c.state IN ('connected', 'degraded', 'action_required') AND \
         c.grant_expires_at > $1 AND c.grant_expires_at <= $2 AND NOT EXISTS (SELECT 1 FROM notices AS n WHERE n.subject = \
         'expiring:' || c.id || ':' || CAST(c.grant_expires_at AS TEXT)) AND NOT EXISTS (SELECT 1 FROM notices AS n WHERE \
         n.subject = 'expiring:' || c.id || ':' || CAST(c.grant_version AS TEXT) || ':' || CAST(c.grant_expires_at AS TEXT)) ORDER BY \
         c.grant_expires_at LIMIT $3 + 0 ON CONFLICT (subject) DO NOTHING",
    );
    NOTICE_PUT = Sql::both(
        "INSERT INTO notices (subject, kind, provider, occurred_at, due_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT \
         (subject) DO NOTHING",
    );
    NOTICES_CLAIM = Sql::each(
        "UPDATE notices SET due_at = $2, tries = tries + 1 WHERE subject IN (SELECT subject FROM notices WHERE due_at <= $1 \
         ORDER BY due_at LIMIT $3 + 0) AND due_at <= $1 RETURNING subject, kind, user_id, provider, occurred_at, tries",
        "WITH due AS MATERIALIZED (SELECT subject FROM notices WHERE due_at <= $1 ORDER BY due_at LIMIT $3 + 0 FOR UPDATE \
         SKIP LOCKED) UPDATE notices AS n SET due_at = $2, tries = n.tries + 1 WHERE n.subject IN (SELECT subject FROM due) \
         AND n.due_at <= $1 RETURNING subject, kind, user_id, provider, occurred_at, tries",
    );
    NOTICE_SETTLE = Sql::both("UPDATE notices SET due_at = NULL WHERE subject = $1");
    NOTICE_RESCHEDULE = Sql::both("UPDATE notices SET due_at = $2 WHERE subject = $1 AND due_at IS NOT NULL");
    NOTICES_NEXT = Sql::both("SELECT MIN(due_at) AS at FROM notices WHERE due_at IS NOT NULL");
    /// The app is told nothing about an erased user but the erasure.
    NOTICES_FORGET = Sql::both("DELETE FROM notices WHERE user_id = $1");
}

names! {
    /// The kind of a notice.
    pub enum NoticeKind {
        /// A grant in use expires within days and has not been refreshed.
        ExpiringSoon = "instagram.expiring_soon",
        /// Many connections fail alike.
        IncidentBegan = "incident.began",
        /// The incident has ended.
        IncidentEnded = "incident.ended",
    }
}

rows::named!(NoticeKind);

/// A claimed notice. Made only by claiming, and the proof for reading the user's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about; the same for every delivery.
    pub subject: String,
    /// Its kind.
    pub kind: NoticeKind,
    user_id: Option<String>,
    /// The provider.
    pub provider: ProviderId,
    /// When it was noticed.
    pub occurred_at: Timestamp,
    /// How often it has been claimed, this time included.
    pub tries: u32,
}

impl Notice {
    /// The user concerned, where one is.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }
}

impl Store {
    /// The present facts of the status of the notice's user.
    pub async fn notice_facts(&self, notice: &Notice) -> Result<StatusFacts, StoreError> {
        self.read_status(notice.user_id().unwrap_or_default(), notice.provider).await
    }

    /// Creates notices for grants in use that expire within `ahead`. Returns how many are new.
    pub async fn notice_expiring(&self, now: Timestamp, ahead: Duration) -> Result<u64, StoreError> {
        if !self.inner.outbox {
            return Ok(0);
        }
        self.write(NOTICES_EXPIRING, values![now, after(now, ahead), AT_ONCE]).await
    }

    /// Claims up to `limit` notices that are due at `now`. Nobody else gets them for a minute.
    /// Unreadable rows are postponed.
    pub async fn claim_notices(&self, now: Timestamp, limit: usize) -> Result<Vec<Notice>, StoreError> {
        let values = values![now, after(now, EVENT_HOLD), limit];
        let claimed = self.write_rows(NOTICES_CLAIM, values).await?;
        let each = self.read_each(&claimed, |row| rows::read(row, "notices", "subject", read))?;
        for subject in each.unreadable {
            let until = after(now, UNREADABLE_RESTS);
            self.write(NOTICE_RESCHEDULE, values![subject, until]).await?;
        }
        Ok(each.values)
    }

    /// Marks a notice as delivered or given up: it is not sent again.
    pub async fn settle_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        self.write(NOTICE_SETTLE, values![&notice.subject]).await.map(drop)
    }

    /// Postpones a notice until `at`.
    pub async fn reschedule_notice(&self, notice: &Notice, at: Timestamp) -> Result<(), StoreError> {
        self.write(NOTICE_RESCHEDULE, values![&notice.subject, at]).await.map(drop)
    }

    /// When the next notice is due.
    pub async fn next_notice_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.time(NOTICES_NEXT, Vec::new(), "notices").await
    }
}

fn read(row: &Row) -> Result<Notice, Unreadable> {
    let tries = rows::tries(row)?;
    Ok(from_row!(row => Notice { subject, kind, user_id, provider, occurred_at, tries: tries }))
}
