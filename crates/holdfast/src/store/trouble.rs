//! How the connections fare together: what the incident guard decides by. Counted in the database, so that replicas agree and a
//! restart forgets nothing.

use jiff::Timestamp;

use super::{Store, StoreError, rows, statements};
use crate::connections::{Connection, Reason};

/// How many connections are in trouble, and how many are known to be well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Degraded by `provider_incident`, since whenever.
    pub held: u64,
    /// Degraded by `app_misconfigured`, since whenever.
    pub misconfigured: u64,
    /// Signs of death, since whenever, that were neither believed nor settled yet.
    pub suspected: u64,
    /// Declared dead within the window because of an answer, for the reason asked about.
    pub fallen: u64,
    /// Proven alive by an answer within the window.
    pub proven: u64,
}

impl Store {
    /// Counts what happened after `since`, and who fell for `reason` like another just now.
    pub async fn trouble(&self, since: Timestamp, reason: Reason) -> Result<Trouble, StoreError> {
        let values = vec![since.into(), reason.as_str().into()];
        let Some(row) = self.read_one(statements::TROUBLE, values).await? else {
            return Ok(Trouble::default());
        };
        let count = |name: &'static str| -> Result<u64, StoreError> {
            let amount = row.int(name).map_err(|error| error.at("connections", "(all)"))?;
            Ok(u64::try_from(amount).unwrap_or(0))
        };
        Ok(Trouble {
            held: count("held")?,
            misconfigured: count("misconfigured")?,
            suspected: count("suspected")?,
            fallen: count("fallen")?,
            proven: count("proven")?,
        })
    }

    /// How many connections are not known to have ended, counted up to `most`.
    pub async fn alive(&self, most: u64) -> Result<u64, StoreError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let Some(row) = self.read_one(statements::ALIVE_COUNT, vec![rows::limit(most)]).await? else {
            return Ok(0);
        };
        rows::amount(&row).map_err(|error| error.at("connections", "(all)"))
    }

    /// Connections that were declared dead for `reason` after `since` because of an answer, and whose grant is still there.
    pub async fn fallen(
        &self,
        since: Timestamp,
        reason: Reason,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = vec![since.into(), reason.as_str().into(), rows::limit(limit)];
        self.connections_of(statements::CONNECTIONS_FALLEN, values).await
    }

    /// Makes every connection that is degraded by `reason` due at `now`: its cause has passed. Answers how many.
    pub async fn hasten(&self, reason: Reason, now: Timestamp) -> Result<u64, StoreError> {
        self.write(statements::CONNECTIONS_HASTEN, vec![reason.as_str().into(), now.into()]).await
    }
}
