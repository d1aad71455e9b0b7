//! The only driver of [`Diagnosis`]: takes its steps and records its outcome.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::Connections;
use super::error::ServiceError;
use super::grants::RowSeal;
use super::journal::LinkId;
use super::recorder::Recorded;
use super::switch::Switch;
use crate::clock::after;
use crate::connection::Connection;
use crate::connection::belief::Population;
use crate::connection::diagnosis::{Answer, Diagnosis, Step};
use crate::connection::observation::{Call, Observation};
use crate::connection::transition::is_another_account;
use crate::provider::{Account, Failure, Grant, Meaning, SharedProvider};
use crate::store::Lease;

/// The outcome of a diagnosis.
#[derive(Debug)]
pub enum Diagnosed {
    /// The grant works.
    Works,
    /// The grant does not work; the one before it does and is in use again.
    RolledBack,
    /// The call failed. `None`: the connection is gone.
    Failed(Meaning, Option<Recorded>),
    /// The clock has ended the connection.
    Expired(Option<Recorded>),
    /// Nothing is recorded against the grant: a refresh has replaced it, or is about to.
    Replaced,
    /// Nothing is recorded: `/me` has just been asked, or nothing was learnt.
    Unasked,
}

/// What a diagnosis works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tools<'a> {
    pub(super) provider: &'a SharedProvider,
    /// The grant in use.
    pub(super) grant: &'a Grant,
    /// The caller's lease, released when an earlier grant is restored.
    pub(super) lease: Option<&'a Lease>,
}

impl Connections {
    /// Takes the steps of `diagnosis` and records its outcome.
    pub(super) async fn diagnose(
        &self,
        diagnosis: Diagnosis<'_>,
        tools: Tools<'_>,
    ) -> Result<Diagnosed, ServiceError> {
        // Boxed, so that the callers' futures stay small.
        Box::pin(self.take_steps(diagnosis, tools)).await
    }

    async fn take_steps(
        &self,
        mut diagnosis: Diagnosis<'_>,
        tools: Tools<'_>,
    ) -> Result<Diagnosed, ServiceError> {
        let connection = diagnosis.connection();
        let store = &self.parts.store;
        let is_app_call = diagnosis.call() == Call::PassThrough;
        loop {
            // The provider may end a grant before the answer arrives that brings the next one.
            if diagnosis.is_against_the_grant() {
                let (version, now) = (diagnosis.grant_version(), self.parts.clock.now());
                if store.is_replaced(connection.id, version, tools.lease, now).await? {
                    return Ok(Diagnosed::Replaced);
                }
            }
            let population = match diagnosis.meaning() {
                Some(meaning) => self.population(connection, meaning).await?,
                None => Population::default(),
            };
            match diagnosis.next(&population, &self.schedule()?) {
                // A death must not wait; other failures need not be looked into each time.
                Step::AskMe
                    if is_app_call
                        && !diagnosis.is_against_the_grant()
                        && !self.may_ask(connection).await? =>
                {
                    return Ok(Diagnosed::Unasked);
                }
                Step::AskMe => {
                    diagnosis.learned(Answer::Me(self.ask_me(connection, tools).await));
                }
                Step::AskOthers(wanted) => {
                    self.ask_others(connection, tools.provider, wanted).await?;
                    diagnosis.learned(Answer::Others);
                }
                Step::TryEarlierGrant => {
                    if self.restore_previous_grant(connection, tools).await? {
                        return Ok(Diagnosed::RolledBack);
                    }
                    diagnosis.learned(Answer::NoEarlierGrant);
                }
                Step::AskLater => return Ok(Diagnosed::Unasked),
                Step::Record(mut observation) => {
                    if is_app_call && let Observation::Worked { account, .. } = &mut *observation {
                        // As after a call that worked, so that it is recorded as rarely.
                        *account = None;
                    }
                    if diagnosis.call() == Call::Refresh && population.strikes_all {
                        self.gate.strikes_all();
                    }
                    return self.conclude(connection, &observation).await;
                }
            }
        }
    }

    /// Claims this minute's question about the connection.
    pub(super) async fn may_ask(&self, connection: &Connection) -> Result<bool, ServiceError> {
        let now = self.parts.clock.now();
        Ok(self.parts.store.claim_me_call(connection.id, now, self.parts.check_interval).await?)
    }

    async fn conclude(
        &self,
        connection: &Connection,
        observation: &Observation,
    ) -> Result<Diagnosed, ServiceError> {
        if let Observation::Failed { failure, .. } = observation {
            let recorded = self.recorder.record_on(connection, observation, Some(&failure.detail)).await?;
            return Ok(Diagnosed::Failed(failure.meaning, recorded));
        }
        let recorded = self.recorder.record_on(connection, observation, None).await?;
        if matches!(observation, Observation::ExpiryPassed) {
            return Ok(Diagnosed::Expired(recorded));
        }
        self.incidents.passed(connection).await;
        Ok(Diagnosed::Works)
    }

    /// The population for an answer of this meaning. If an incident has just been noticed, revokes
    /// the deaths at its beginning.
    async fn population(
        &self,
        connection: &Connection,
        meaning: Meaning,
    ) -> Result<Population, ServiceError> {
        let assessment = self.incidents.assess(connection, meaning).await?;
        if let Some(taken_back) = assessment.taken_back {
            for fallen in taken_back.connections {
                let schedule = self.schedule()?;
                let pause = schedule.canary_pause(&assessment.population);
                let observation = Observation::TakenBack {
                    fallen_after: taken_back.fallen_after,
                    next_refresh_at: after(schedule.now, pause),
                };
                self.recorder.record_on(&fallen, &observation, None).await?;
            }
        }
        Ok(assessment.population)
    }

    async fn ask_me(&self, connection: &Connection, tools: Tools<'_>) -> Result<Account, Failure> {
        let answer = self.gate.observe(tools.provider.identify(tools.grant).await);
        if let Ok(account) = &answer
            && is_another_account(connection, account)
        {
            let linked = connection.account.as_ref().map(|linked| linked.id.as_str());
            tracing::error!(
                connection = %connection.id, linked, answered = %account.id,
                "Instagram answers with another account than the linked one"
            );
        }
        answer
    }

    /// Probes a few connections that worked last. Either they work, or an incident shows.
    async fn ask_others(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
        wanted: usize,
    ) -> Result<(), ServiceError> {
        let others = self.incidents.others_to_ask(connection, wanted).await?;
        self.ask_each(&others, provider).await
    }

    /// Probes up to `limit` connections, those that worked last.
    pub(super) async fn ask_those_who_worked_last(
        &self,
        provider: &SharedProvider,
        limit: usize,
    ) -> Result<(), ServiceError> {
        let now = self.parts.clock.now();
        let others = self.parts.store.proven_last_before(now, Uuid::nil(), now, limit).await?;
        self.ask_each(&others, provider).await
    }

    async fn ask_each(&self, others: &[Connection], provider: &SharedProvider) -> Result<(), ServiceError> {
        let answers = others.iter().map(|other| self.ask_another(other, provider));
        for (answer, other) in join_all(answers).await.into_iter().zip(others) {
            ServiceError::of_one(answer, |error| {
                tracing::warn!(connection = %other.id, %error, "another connection could not be probed");
            })?;
        }
        Ok(())
    }

    /// Boxed, because a diagnosis calls this. It goes one level deep: `other` has no suspicion.
    fn ask_another<'a>(
        &'a self,
        other: &'a Connection,
        provider: &'a SharedProvider,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        async move {
            if let Some(facts) = other.grant
                && self.may_ask(other).await?
                && let Some(grant) = self.grant(other).await?
            {
                let tools = Tools { provider, grant: &grant, lease: None };
                self.diagnose(Diagnosis::of_question(other, facts, Call::Probe), tools).await?;
            }
            Ok(())
        }
        .boxed()
    }

    /// Restores the grant before the one in use, if it works: a refresh may have brought one that
    /// never works, or another account's. Returns whether it was restored.
    async fn restore_previous_grant(
        &self,
        connection: &Connection,
        tools: Tools<'_>,
    ) -> Result<bool, ServiceError> {
        let (Some(facts), now) = (connection.grant, self.parts.clock.now()) else { return Ok(false) };
        let stored = self.parts.store.sealed_grants(connection.id).await?;
        let earlier = stored.iter().find(|each| each.version < facts.version && each.expires_at > now);
        let Some(earlier) = earlier else { return Ok(false) };
        let opened = async {
            let key = self.stored_user_key(&connection.user_id).await?;
            let grant = RowSeal::of_connection(&key, connection).open_grant(earlier)?;
            Ok((key, grant))
        };
        let (key, grant) = match opened.await {
            Ok(opened) => opened,
            Err(error @ ServiceError::Store(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    connection = %connection.id, version = earlier.version, %error,
                    "the previous grant of a connection cannot be opened"
                );
                return Ok(false);
            }
        };
        if grant.access_token.expose_secret() == tools.grant.access_token.expose_secret() {
            return Ok(false);
        }
        match self.gate.observe(tools.provider.identify(&grant).await) {
            Ok(account) if !is_another_account(connection, &account) => {}
            Ok(_) | Err(_) => return Ok(false),
        }
        tracing::warn!(
            connection = %connection.id, dead = facts.version, alive = earlier.version,
            "the grant in use is refused; the previous one works and is restored"
        );
        let link = LinkId::of(connection, facts);
        self.switch(link, &key, &grant, Switch::RolledBack { dead: facts.version }, tools.lease).await
    }
}
