//! Meta's signed callbacks: a person removed the app, or wants their data deleted.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::{after, before};
use crate::connection::Connection;
use crate::connection::attempt::{Attempt, AttemptOutcome};
use crate::connection::observation::Observation;
use crate::connection::transition::{is_about_an_earlier_link, is_another_account, predates};
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};
use crate::store::{DataDeletion, Unfinished};

/// How far Meta's clock and ours may differ. Where a message is older than a link by less, Instagram
/// is asked which was first.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);
/// After this long, a data deletion counts as cut short. To erase twice does no harm.
const DELETION_TAKES: Duration = Duration::from_mins(1);

impl Connections {
    /// The account's person removed the app at `issued_at`. Returns how many connections have the
    /// account. A message older than the present link proves nothing about it, so Instagram is
    /// asked, at once or as soon as it may be. Connect attempts that hold an older token end; a message without a time ends none,
    /// since each asks Instagram before it links.
    pub async fn deauthorized(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
    ) -> Result<usize, ServiceError> {
        if issued_at.is_some() {
            let issued_at = issued(issued_at, self.parts.clock.now());
            // For attempts whose token is only in another replica's journal.
            self.parts.store.record_withdrawal(Self::PROVIDER, account_id, issued_at).await?;
            self.end_attempts_of_account(account_id, issued_at).await?;
        }
        let connections = self.parts.store.connections_by_account(Self::PROVIDER, account_id).await?;
        for connection in &connections {
            if is_about_an_earlier_link(connection, issued_at, self.parts.clock.now()) {
                if self.probe(connection).await?.is_none() {
                    self.probe_soon(connection).await?;
                }
            } else {
                self.end_link(connection.id, &Observation::Deauthorized { issued_at }).await?;
            }
        }
        Ok(connections.len())
    }

    /// The account's person requested at `issued_at` that their data be deleted. Erases grants and
    /// account facts that were linked before then, and tokens of connect attempts that arrived
    /// before then; stores a receipt without personal data. A repeated request gets the first
    /// receipt. What a crash cuts short is [finished](Self::finish_deletions) by the worker.
    pub async fn delete_account_data(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
        code: u128,
    ) -> Result<DataDeletion, ServiceError> {
        let (code, store) = (format!("{code:032x}"), &self.parts.store);
        if let Some(first) = store.deletion(&code).await?.filter(|each| each.completed_at.is_some()) {
            return Ok(first);
        }
        let requested_at = self.parts.clock.now();
        let issued_at = issued(issued_at, requested_at);
        store.record_withdrawal(Self::PROVIDER, account_id, issued_at).await?;
        let connections = self.connections_of(account_id).await?;
        let mut deletion = DataDeletion {
            code,
            provider: Self::PROVIDER,
            requested_at,
            completed_at: None,
            erased: 0,
            unfinished: Some(Unfinished { issued_at, connections: connections.clone() }),
        };
        // Before anything is erased, so that a crash in between does not lose the request.
        store.record_deletion(&deletion).await?;
        deletion.erased = self.end_attempts_of_account(account_id, issued_at).await?;
        // An attempt may have linked it meanwhile.
        let linked = self.connections_of(account_id).await?;
        let further = linked.into_iter().filter(|id| !connections.contains(id));
        self.finish_deletion(deletion, issued_at, connections.iter().copied().chain(further)).await
    }

    /// Finishes data deletions that a crash has cut short. Returns how many.
    pub async fn finish_deletions(&self, limit: usize) -> Result<usize, ServiceError> {
        let before = before(self.parts.clock.now(), DELETION_TAKES);
        let unfinished = self.parts.store.unfinished_deletions(before, limit).await?;
        for deletion in &unfinished {
            let Some(Unfinished { issued_at, connections }) = &deletion.unfinished else { continue };
            let fresh = DataDeletion { erased: 0, ..deletion.clone() };
            match self.finish_deletion(fresh, *issued_at, connections.iter().copied()).await {
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    tracing::error!(code = deletion.code, %error, "a data deletion that was cut short cannot be finished yet");
                }
                Ok(_) => {
                    tracing::warn!(code = deletion.code, "a data deletion that was cut short is finished");
                }
            }
        }
        Ok(unfinished.len())
    }

    /// Erases what these connections have of the account, and records that it is done.
    async fn finish_deletion(
        &self,
        mut deletion: DataDeletion,
        issued_at: Timestamp,
        connections: impl Iterator<Item = Uuid>,
    ) -> Result<DataDeletion, ServiceError> {
        for id in connections {
            deletion.erased += u32::from(self.erase(id, issued_at).await?);
        }
        deletion.completed_at = Some(self.parts.clock.now());
        deletion.unfinished = None;
        self.parts.store.record_deletion(&deletion).await?;
        // The same request, delivered twice at once, may have erased the rest.
        Ok(self.parts.store.deletion(&deletion.code).await?.unwrap_or(deletion))
    }

    /// Erases the link of a connection, unless it is a later one. Returns whether there was one.
    async fn erase(&self, id: Uuid, issued_at: Timestamp) -> Result<bool, ServiceError> {
        let Some(connection) = self.parts.store.connection_by_id(id).await? else { return Ok(false) };
        let (linked_at, now) = (connection.linked_at.unwrap_or(issued_at), self.parts.clock.now());
        // Where it is linked anew by now, what was linked then has gone already: a connection holds
        // one link. Within what clocks may differ by, a link that works is one that came later: who
        // asks for a deletion at Meta has removed the app there.
        let is_close = predates(issued_at, linked_at, now) && linked_at <= after(issued_at, CLOCKS_DIFFER);
        let is_meant = is_close && !self.still_works(&connection).await?;
        let counts_from = if is_meant { linked_at } else { issued_at };
        let recorded = self.end_link(id, &Observation::DataDeleted { issued_at: counts_from }).await?;
        Ok(recorded.is_some_and(|recorded| recorded.news))
    }

    /// Whether `/me` says so now; false where it cannot be asked.
    async fn still_works(&self, connection: &Connection) -> Result<bool, ServiceError> {
        let now = self.parts.clock.now();
        let Some(provider) = &self.parts.provider else { return Ok(false) };
        if connection.waits_until(now).or(self.gate.spent_until(now)).is_some() {
            return Ok(false);
        }
        let Some(grant) = self.grant(connection).await? else { return Ok(false) };
        let answer = self.gate.observe(provider.identify(&grant).await);
        Ok(answer.is_ok_and(|account| !is_another_account(connection, &account)))
    }

    async fn connections_of(&self, account_id: &str) -> Result<Vec<Uuid>, ServiceError> {
        let connections = self.parts.store.connections_by_account(Self::PROVIDER, account_id).await?;
        Ok(connections.iter().map(|connection| connection.id).collect())
    }

    /// Ends the connect attempts that hold a token of this account from before `issued_at`, so that
    /// none of them links it later. Returns how many ended.
    async fn end_attempts_of_account(
        &self,
        account_id: &str,
        issued_at: Timestamp,
    ) -> Result<u32, ServiceError> {
        let mut ended = 0;
        for attempt in self.parts.store.holding_attempts(Self::PROVIDER).await? {
            let id = attempt.id;
            match self.end_attempt_of_account(attempt, account_id, issued_at).await {
                Ok(is_ended) => ended += u32::from(is_ended),
                Err(ServiceError::UserGone) => {}
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    tracing::error!(attempt = %id, %error, "it is unknown whose token a connect attempt holds");
                }
            }
        }
        Ok(ended)
    }

    /// Returns whether the attempt was this account's, and ends here.
    async fn end_attempt_of_account(
        &self,
        mut attempt: Attempt,
        account_id: &str,
        issued_at: Timestamp,
    ) -> Result<bool, ServiceError> {
        let mut conflicts = Conflicts::default();
        loop {
            if !self.recover_journaled(&attempt).await? {
                let now = self.parts.clock.now();
                let is_meant = self.consent_of(&attempt).await?.is_some_and(|(account, consented_at)| {
                    account.as_deref() == Some(account_id) && !predates(issued_at, consented_at, now)
                });
                if !is_meant {
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

/// When a message was issued, by our clock; without a time, now. None comes from later than it
/// arrived: Meta's clock, if ahead of ours, must not withdraw what is consented to from now on.
fn issued(issued_at: Option<Timestamp>, arrived_at: Timestamp) -> Timestamp {
    issued_at.map_or(arrived_at, |issued_at| issued_at.min(arrived_at))
}
