//! Asking Instagram now, at a person's wish or an operator's.

use crate::caller::OwnerId;
use crate::connection::observation::{Call, Observation};
use crate::connection::status::InstagramStatus;
use crate::connection::transition::is_another_account;
use crate::connection::{Connection, GrantFacts, State};
use crate::connections::{Connections, ServiceError};
use crate::provider::{Account, Failure, Grant, Meaning, SharedProvider};

impl Connections {
    /// Asks Instagram whose the grant is and answers with what we know then. At most one upstream call per
    /// connection per minute, whoever asks on whichever replica; further calls are answered from storage.
    pub async fn check(&self, owner: &OwnerId) -> Result<InstagramStatus, ServiceError> {
        if let Some(connection) = self.parts.store.connection(owner, Self::PROVIDER).await? {
            self.probe(&connection).await?;
        }
        Ok(self.status(owner).await?)
    }

    /// One `/me` call for a connection that has a grant worth asking about.
    pub async fn probe(&self, connection: &Connection) -> Result<(), ServiceError> {
        let Some(provider) = &self.parts.provider else { return Ok(()) };
        let now = self.parts.clock.now();
        let waiting = connection.waits_until(now).is_some();
        let Some(facts) = connection.grant.filter(|grant| grant.expires_at > now && !waiting) else {
            return Ok(());
        };
        if connection.standing.state() == State::NotConnected
            || !self.parts.store.claim_probe(connection.id, now, self.parts.check_interval).await?
        {
            return Ok(());
        }
        let Some(grant) = self.grant(connection).await? else { return Ok(()) };
        self.ask(connection, facts, provider, &grant, Call::Check).await?;
        Ok(())
    }

    /// Asks whose the grant is, and records the answer. `None` where it worked.
    pub(super) async fn ask(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        provider: &SharedProvider,
        grant: &Grant,
        call: Call,
    ) -> Result<Option<Meaning>, ServiceError> {
        let answer = self.account_for(provider.identify(grant).await);
        let is_strange = answer.as_ref().is_ok_and(|account| is_another_account(connection, account));
        match answer.and_then(|account| of_the_linked(connection, account)) {
            Ok(account) => {
                let worked = Observation::Worked {
                    grant_version: facts.version,
                    account: Some(account),
                    next_refresh_at: self.due_again(connection, facts)?,
                };
                self.record(connection.id, &worked, None).await?;
                self.trouble_passed(connection).await?;
                Ok(None)
            }
            Err(failure) => {
                let population = self.population(connection, call, failure.meaning).await?;
                let meaning = failure.meaning;
                let observation = Observation::Failed {
                    grant_version: facts.version,
                    call,
                    next_refresh_at: self.next_look(connection, facts, call, &failure, population)?,
                    failure,
                    confidence: population.confidence,
                };
                // One such answer may be wrong itself.
                let should_restore = is_strange && connection.suspicion.is_some();
                if (should_restore || self.should_restore(connection, &observation))
                    && self.restore_previous_grant(connection, provider, grant, None).await?
                {
                    return Ok(None);
                }
                self.record(connection.id, &observation, None).await?;
                Ok(Some(meaning))
            }
        }
    }
}

/// What was said of another account proves nothing about the linked one. The grant was proven to be the linked account's when it
/// came, so either the answer is wrong, which passes, or what a renewal brought is not ours to use: a sign of death without a cause.
fn of_the_linked(connection: &Connection, account: Account) -> Result<Account, Failure> {
    if !is_another_account(connection, &account) {
        return Ok(account);
    }
    let linked = connection.account.as_ref().map(|linked| linked.id.as_str());
    tracing::error!(connection = %connection.id, linked, answered = %account.id, "Instagram answers with another account than the linked one");
    Err(Failure::new(Meaning::DeadUnexplained, "the answer is about another account than the linked one"))
}
