//! Meta's data deletions: what a request erases, and how one that was cut short or has to wait is
//! finished.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::{after, before};
use crate::connection::observation::Observation;
use crate::connection::transition::predates;
use crate::connection::{Connection, Reason, State};
use crate::connections::provider_callbacks::{Attempts, issued};
use crate::connections::{Connections, ServiceError};
use crate::provider::ProviderId;
use crate::store::{DataDeletion, Unfinished};

/// How far Meta's clock and ours may differ. Where a message is older than a link by less,
/// Instagram is asked which was first.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);
/// After this long, a data deletion counts as cut short. To erase twice does no harm.
const DELETION_TAKES: Duration = Duration::from_mins(1);
/// How long a link that may have come after the deletion request stands while Instagram cannot be
/// asked. Then it goes: nobody could use it all that time, and to connect again mends that, whereas
/// nothing would ever erase what was to be erased.
const LINK_IN_DOUBT: Duration = Duration::from_hours(7 * 24);

impl Connections {
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
        store.record_withdrawal(ProviderId::INSTAGRAM, account_id, issued_at).await?;
        let connections = self.connections_of(account_id).await?;
        let mut deletion = DataDeletion {
            code,
            provider: ProviderId::INSTAGRAM,
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
                    if self.parts.store.is_news("deletion to finish", &code) {
                        tracing::error!(code, %error, "a data deletion that was cut short cannot be finished yet");
                    }
                    // Otherwise what is in the way of one need not be in the way of the others.
                    if error.is_of_the_database() {
                        return Err(error);
                    }
                }
                Ok(done) if done.completed_at.is_some() => {
                    tracing::warn!(code, "a data deletion that was cut short or had to wait is finished");
                    finished += 1;
                }
                // It waits: Instagram is asked at the connection's own pace.
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
        let mut in_the_way =
            attempts.unknown.then(|| "a connect attempt may still hold a token of the account".to_owned());
        for id in &about.connections {
            match self.erase(*id, about.issued_at, deletion.requested_at).await? {
                Some(is_erased) => deletion.erased += u32::from(is_erased),
                None => {
                    in_the_way = Some(format!("Instagram has to say whether connection {id} was made later"));
                }
            }
        }
        if in_the_way.is_none()
            && let Err(error) = self.parts.store.scrub().await
        {
            in_the_way = Some(error.to_string());
        }
        let code = &deletion.code;
        if let Some(in_the_way) = &in_the_way
            && self.parts.store.is_news("deletion that waits", code)
        {
            tracing::warn!(code, in_the_way, "a data deletion waits; it is tried again each minute");
        }
        let waits = in_the_way.is_some();
        let unfinished = waits.then_some(about);
        // One that waits for a week has nothing new to store meanwhile.
        if deletion.erased > 0 || unfinished != deletion.unfinished {
            deletion.completed_at = (!waits).then(|| self.parts.clock.now());
            deletion.unfinished = unfinished;
            self.parts.store.record_deletion(&deletion).await?;
        }
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
        // If the account has been linked anew, the former link is gone already: a connection holds
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

    async fn connections_of(&self, account_id: &str) -> Result<Vec<Uuid>, ServiceError> {
        let connections = self.parts.store.connections_by_account(ProviderId::INSTAGRAM, account_id).await?;
        Ok(connections.iter().map(|connection| connection.id).collect())
    }
}

/// Whether the clocks alone do not tell if the present link came after what was issued then.
fn is_close(connection: &Connection, issued_at: Timestamp, now: Timestamp) -> bool {
    connection
        .linked_at
        .is_some_and(|linked| predates(issued_at, linked, now) && linked <= after(issued_at, CLOCKS_DIFFER))
}

/// Whether the present link came after a deletion request that arrived at `requested_at`. A link
/// that has worked since then did: to ask Meta for a deletion, a person removes the app there.
/// `None` where Instagram has not said yet.
fn came_later(connection: &Connection, requested_at: Timestamp) -> Option<bool> {
    let works = connection.standing == connection.healthy_standing() || connection.fails_to_renew();
    let is_proven = works
        && connection.evidence.is_some_and(|each| each.source.is_an_answer() && each.at >= requested_at);
    let is_by_us = matches!(connection.standing.reason(), Some(Reason::GrantUnreadable | Reason::Expired));
    let has_ended = connection.standing.state() == State::ReconnectRequired && !is_by_us;
    (is_proven || has_ended).then_some(is_proven)
}
