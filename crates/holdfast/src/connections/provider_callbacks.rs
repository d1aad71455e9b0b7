//! Meta's signed callbacks: a person removed the app. What a data deletion has in common with that
//! is here too.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;
use crate::connection::Connection;
use crate::connection::attempt::{Attempt, AttemptOutcome};
use crate::connection::clock_repair::TOLERANCE;
use crate::connection::observation::Observation;
use crate::connection::transition::is_about_an_earlier_link;
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};
use crate::provider::ProviderId;

impl Connections {
    /// The account's person removed the app at `issued_at`. Returns how many connections have the
    /// account. A message older than the present link proves nothing about it, so Instagram is
    /// asked, at once or as soon as it may be. Connect attempts that hold an older token end; a
    /// message without a time ends none, since each asks Instagram before it links.
    pub async fn deauthorized(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
    ) -> Result<usize, ServiceError> {
        if issued_at.is_some() {
            let issued_at = issued(issued_at, self.parts.clock.now());
            // For attempts whose token is only in another replica's journal.
            self.parts.store.record_withdrawal(ProviderId::INSTAGRAM, account_id, issued_at).await?;
            self.end_withdrawn_attempts().await?;
        }
        let connections = self.parts.store.connections_by_account(ProviderId::INSTAGRAM, account_id).await?;
        for connection in &connections {
            if is_about_an_earlier_link(connection, issued_at, self.parts.clock.now()) {
                self.ask_whether_it_works(connection).await?;
            } else {
                self.end_link(connection.id, &Observation::Deauthorized { issued_at }).await?;
            }
        }
        // Meta is told that the link has ended, not that anything is gone.
        if let Err(error) = self.parts.store.scrub().await {
            tracing::warn!(%error, "the write-ahead log could not be emptied after a deauthorization");
        }
        Ok(connections.len())
    }

    /// Asks Instagram now, or has the worker do it. A failure of this connection alone, such as a
    /// key that only another replica has, leaves it to the worker.
    pub(super) async fn ask_whether_it_works(&self, connection: &Connection) -> Result<(), ServiceError> {
        let asked = ServiceError::of_one(self.probe(connection).await, |error| {
            tracing::warn!(connection = %connection.id, %error, "Instagram could not be asked whether a link is later than a message about it");
        })?;
        if matches!(asked, Some(Ok(_))) { Ok(()) } else { self.probe_soon(connection).await }
    }

    /// Ends the connect attempts that hold a token of an account from before it was withdrawn, so
    /// that none of them links it later.
    pub(super) async fn end_withdrawn_attempts(&self) -> Result<Attempts, ServiceError> {
        let mut attempts = Attempts::default();
        for attempt in self.parts.store.holding_attempts(ProviderId::INSTAGRAM).await? {
            let id = attempt.id;
            match self.end_if_withdrawn(attempt).await {
                Ok(is_ended) => attempts.ended += u32::from(is_ended),
                Err(ServiceError::UserGone) => {}
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    if self.parts.store.is_news("attempt to judge", &id.to_string()) {
                        tracing::error!(attempt = %id, %error, "it is unknown whose token a connect attempt holds");
                    }
                    attempts.unknown = true;
                }
            }
        }
        Ok(attempts)
    }

    /// Returns whether the attempt's account was withdrawn, and the attempt ends here.
    async fn end_if_withdrawn(&self, mut attempt: Attempt) -> Result<bool, ServiceError> {
        let mut conflicts = Conflicts::default();
        loop {
            if !self.recover_journaled(&attempt).await? {
                let Some((Some(account), consented_at)) = self.consent_of(&attempt).await? else {
                    return Ok(false);
                };
                let withdrawn_at =
                    self.parts.store.withdrawn_at(ProviderId::INSTAGRAM, [&account; 2]).await?;
                // A consent from the future was stamped by a clock that was ahead, and excuses nothing.
                let now = self.parts.clock.now();
                let is_possible = consented_at <= after(now, TOLERANCE);
                if withdrawn_at.is_none_or(|issued_at| issued_at < consented_at && is_possible) {
                    return Ok(false);
                }
                if self.end_attempt(&attempt, AttemptOutcome::Disconnected, now).await? {
                    self.parts.journal.forget(attempt.id);
                    return Ok(true);
                }
            }
            conflicts.lost()?;
            // It has moved on: perhaps to the link, which is judged next.
            match self.parts.store.attempt(attempt.id).await? {
                Some(current) => attempt = current,
                None => return Ok(false),
            }
        }
    }
}

/// What became of the connect attempts whose account was withdrawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempts {
    pub(super) ended: u32,
    /// Whether it is unknown of one whose token it holds.
    pub(super) unknown: bool,
}

/// When a message was issued, by our clock; without a time, now. Meta names whole seconds: the last
/// moment of it counts. None comes from later than it arrived: Meta's clock, if ahead of ours, must
/// not withdraw what is consented to from now on.
pub(super) fn issued(issued_at: Option<Timestamp>, arrived_at: Timestamp) -> Timestamp {
    issued_at.map_or(arrived_at, |issued_at| after(issued_at, Duration::from_millis(999)).min(arrived_at))
}
