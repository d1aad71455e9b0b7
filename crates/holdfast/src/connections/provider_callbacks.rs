//! Meta's signed callbacks: a person removed the app, or wants their data deleted.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::{after, before};
use crate::connection::attempt::{Attempt, AttemptOutcome};
use crate::connection::clock_repair::TOLERANCE;
use crate::connection::observation::Observation;
use crate::connection::transition::{is_about_an_earlier_link, predates};
use crate::connection::{Connection, EvidenceSource, Reason, State};
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};
use crate::store::{DataDeletion, Unfinished};

/// How far Meta's clock and ours may differ. Where a message is older than a link by less, Instagram
/// is asked which was first.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);
/// After this long, a data deletion counts as cut short. To erase twice does no harm.
const DELETION_TAKES: Duration = Duration::from_mins(1);
/// How long a link that may have come after the deletion request stands while Instagram cannot be
/// asked. Then it goes: nobody could use it all that time, and to connect again mends that, whereas
/// nothing would ever erase what was to be erased.
const LINK_IN_DOUBT: Duration = Duration::from_hours(7 * 24);

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
            self.parts.store.record_withdrawal(Self::PROVIDER, account_id, issued_at).await?;
            self.end_withdrawn_attempts().await?;
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
    /// receipt. What a crash cuts short, and what must wait for an answer of Instagram's, is
    /// [finished](Self::finish_deletions) by the worker.
    pub async fn delete_account_data(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
        code: u128,
    ) -> Result<DataDeletion, ServiceError> {
        let (code, store) = (format!("{code:032x}"), &self.parts.store);
        let first = store.deletion(&code).await?;
        if let Some(done) = first.as_ref().filter(|each| each.completed_at.is_some()) {
            return Ok(done.clone());
        }
        let requested_at = first.map_or_else(|| self.parts.clock.now(), |first| first.requested_at);
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
        let attempts = self.end_withdrawn_attempts().await?;
        deletion.erased = attempts.ended;
        // An attempt may have linked it meanwhile.
        let linked = self.connections_of(account_id).await?;
        let further = linked.into_iter().filter(|id| !connections.contains(id));
        let about =
            Unfinished { issued_at, connections: connections.iter().copied().chain(further).collect() };
        for id in &about.connections {
            if let Some(connection) = store.connection_by_id(*id).await?
                && is_close(&connection, issued_at, self.parts.clock.now())
                && came_later(&connection, requested_at).is_none()
            {
                self.ask_whether_it_works(&connection).await?;
            }
        }
        self.finish_deletion(deletion, about, attempts).await
    }

    /// Finishes data deletions that a crash has cut short or that had to wait. Returns how many.
    pub async fn finish_deletions(&self) -> Result<usize, ServiceError> {
        let before = before(self.parts.clock.now(), DELETION_TAKES);
        let unfinished = self.parts.store.unfinished_deletions(before).await?;
        if unfinished.is_empty() {
            return Ok(0);
        }
        // By the accounts' hashes: no request keeps the account itself.
        let attempts = match self.end_withdrawn_attempts().await {
            Err(error) if !error.is_of_the_database() => {
                tracing::error!(%error, "connect attempts of withdrawn accounts cannot be ended; no data deletion counts as done");
                Attempts { ended: 0, unknown: true }
            }
            ended => ended?,
        };
        let mut finished = 0;
        for deletion in unfinished {
            let Some(about) = deletion.unfinished.clone() else { continue };
            let code = deletion.code.clone();
            match self.finish_deletion(DataDeletion { erased: 0, ..deletion }, about, attempts).await {
                Err(error) => {
                    tracing::error!(code, %error, "a data deletion that was cut short cannot be finished yet");
                    // Otherwise what is in the way of one need not be in the way of the others.
                    if error.is_of_the_database() {
                        return Err(error);
                    }
                }
                Ok(done) if done.completed_at.is_some() => {
                    tracing::warn!(code, "a data deletion that was cut short or had to wait is finished");
                    finished += 1;
                }
                // Whatever it waits for is asked at the connection's own pace.
                Ok(_) => {}
            }
        }
        Ok(finished)
    }

    /// Erases what these connections have of the account, and records that it is done, unless it
    /// has to wait for what Instagram says of one, or `attempts` may still hold a token.
    async fn finish_deletion(
        &self,
        mut deletion: DataDeletion,
        about: Unfinished,
        attempts: Attempts,
    ) -> Result<DataDeletion, ServiceError> {
        let mut waits = attempts.unknown;
        for id in &about.connections {
            match self.erase(*id, about.issued_at, deletion.requested_at).await? {
                Some(is_erased) => deletion.erased += u32::from(is_erased),
                None => waits = true,
            }
        }
        deletion.completed_at = (!waits).then(|| self.parts.clock.now());
        deletion.unfinished = waits.then_some(about);
        self.parts.store.record_deletion(&deletion).await?;
        // The same request, delivered twice at once, may have erased the rest.
        Ok(self.parts.store.deletion(&deletion.code).await?.unwrap_or(deletion))
    }

    /// Erases the link of a connection, unless it is a later one. Returns whether there was one;
    /// `None` while that has to wait.
    async fn erase(
        &self,
        id: Uuid,
        issued_at: Timestamp,
        requested_at: Timestamp,
    ) -> Result<Option<bool>, ServiceError> {
        let Some(connection) = self.parts.store.connection_by_id(id).await? else {
            return Ok(Some(false));
        };
        let now = self.parts.clock.now();
        let mut counts_from = issued_at;
        // Where it is linked anew by now, what was linked then has gone already: a connection holds
        // one link.
        if let Some(linked_at) = connection.linked_at.filter(|_| is_close(&connection, issued_at, now)) {
            match came_later(&connection, requested_at) {
                Some(true) => {}
                Some(false) => counts_from = linked_at,
                None if after(requested_at, LINK_IN_DOUBT) <= now => counts_from = linked_at,
                None => {
                    // In trouble, it is asked about anyway.
                    if !connection.is_doubted() {
                        self.probe_soon(&connection).await?;
                    }
                    return Ok(None);
                }
            }
        }
        let recorded = self.end_link(id, &Observation::DataDeleted { issued_at: counts_from }).await?;
        Ok(Some(recorded.is_some_and(|recorded| recorded.news)))
    }

    /// Asks Instagram now, or has the worker do it. A failure of this connection alone, such as a
    /// key that only another replica has, leaves it to the worker.
    async fn ask_whether_it_works(&self, connection: &Connection) -> Result<(), ServiceError> {
        let asked = ServiceError::of_one(self.probe(connection).await, |error| {
            tracing::warn!(connection = %connection.id, %error, "Instagram could not be asked whether a link came after a deletion request");
        })?;
        if asked.flatten().is_none() { self.probe_soon(connection).await } else { Ok(()) }
    }

    async fn connections_of(&self, account_id: &str) -> Result<Vec<Uuid>, ServiceError> {
        let connections = self.parts.store.connections_by_account(Self::PROVIDER, account_id).await?;
        Ok(connections.iter().map(|connection| connection.id).collect())
    }

    /// Ends the connect attempts that hold a token of an account from before it was withdrawn, so
    /// that none of them links it later.
    async fn end_withdrawn_attempts(&self) -> Result<Attempts, ServiceError> {
        let mut attempts = Attempts::default();
        for attempt in self.parts.store.holding_attempts(Self::PROVIDER).await? {
            let id = attempt.id;
            match self.end_if_withdrawn(attempt).await {
                Ok(is_ended) => attempts.ended += u32::from(is_ended),
                Err(ServiceError::UserGone) => {}
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    tracing::error!(attempt = %id, %error, "it is unknown whose token a connect attempt holds");
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
                let withdrawn_at = self.parts.store.withdrawn_at(Self::PROVIDER, [&account; 2]).await?;
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
struct Attempts {
    ended: u32,
    /// Whether it is unknown of one whose token it holds.
    unknown: bool,
}

/// Whether the clocks alone do not tell if the present link came after what was issued then.
fn is_close(connection: &Connection, issued_at: Timestamp, now: Timestamp) -> bool {
    connection
        .linked_at
        .is_some_and(|linked| predates(issued_at, linked, now) && linked <= after(issued_at, CLOCKS_DIFFER))
}

/// Whether the present link came after a deletion request that arrived at `requested_at`. One that
/// has worked since then did: whoever asks for a deletion at Meta has removed the app there. `None`
/// where Instagram has not said yet.
fn came_later(connection: &Connection, requested_at: Timestamp) -> Option<bool> {
    let works = connection.standing == connection.healthy_standing() || connection.fails_to_renew();
    let is_proven = works
        && connection.evidence.is_some_and(|evidence| match evidence.source {
            EvidenceSource::Refresh | EvidenceSource::Use => evidence.at >= requested_at,
            EvidenceSource::Oauth | EvidenceSource::Callback | EvidenceSource::Clock => false,
        });
    let is_by_us = matches!(connection.standing.reason(), Some(Reason::GrantUnreadable | Reason::Expired));
    let has_ended = connection.standing.state() == State::ReconnectRequired && !is_by_us;
    (is_proven || has_ended).then_some(is_proven)
}

/// When a message was issued, by our clock; without a time, now. Meta names whole seconds: the last
/// moment of it counts. None comes from later than it arrived: Meta's clock, if ahead of ours, must
/// not withdraw what is consented to from now on.
fn issued(issued_at: Option<Timestamp>, arrived_at: Timestamp) -> Timestamp {
    issued_at.map_or(arrived_at, |issued_at| after(issued_at, Duration::from_millis(999)).min(arrived_at))
}
