//! Using a grant on behalf of the app's own backend.

use std::sync::Arc;
use std::time::Duration;

use super::diagnose::{Diagnosed, Tools};
use super::{Connections, ServiceError};
use crate::caller::OwnerId;
use crate::clock::within;
use crate::connection::diagnosis::Diagnosis;
use crate::connection::observation::{Call, Observation};
use crate::connection::reasons::reason_of;
use crate::connection::status::InstagramStatus;
use crate::connection::{Connection, GrantFacts, Reason};
use crate::provider::{
    Failure, Grant, Meaning, NotPassed, PassThrough, PassedThrough, ProviderId, SharedProvider,
};

/// Calls of the app's backend at a time: fewer than may go to one host, so that they never keep a
/// refresh, a check or a completion waiting, whose failure would say something of the connection.
pub(super) const PASS_THROUGH_TURNS: usize = 40;
/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// The grant in use, with the connection's status.
#[derive(Debug)]
pub struct UsableGrant {
    /// The grant.
    pub grant: Grant,
    /// The connection's status.
    pub status: InstagramStatus,
}

/// Why the grant could not be used.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// There is no working grant.
    #[error("there is no usable grant")]
    NotUsable {
        /// The reason in the status, if it has one.
        reason: Option<Reason>,
    },
    /// Instagram gave no answer, or must not be asked yet.
    #[error("Instagram gave no usable answer")]
    Unanswered {
        /// The reason for it.
        reason: Reason,
        /// How long to wait, where Instagram says.
        retry_after: Option<Duration>,
        /// It was a call that changes something, and Instagram may have carried it out.
        may_be_done: bool,
    },
    /// The call itself cannot be passed on; that says nothing about the connection.
    #[error("this call cannot be passed on")]
    NotPassedOn {
        /// Why, for the developer who made the call.
        detail: String,
    },
    /// The call was answered, with more than is passed on.
    #[error("the answer is too large to be passed on")]
    AnswerTooLarge,
    /// As many calls are under way as may be at a time; this one was not made.
    #[error("too many calls to Instagram are under way")]
    Crowded,
    /// Instagram refused a grant that a refresh is replacing: the next one is there in a moment.
    #[error("the grant is being replaced")]
    Replaced,
    /// An internal failure.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Connections {
    /// The grant in use.
    pub async fn usable_grant(&self, owner: &OwnerId) -> Result<UsableGrant, UseError> {
        let (connection, grant) = self.in_use(owner).await?;
        Ok(UsableGrant { grant, status: self.status_of(&connection) })
    }

    /// Makes an API call with the grant in use; a GET again, if that grant was refused and has been
    /// replaced meanwhile. A sign against the grant counts once `/me` confirms it; if that ends the
    /// connection, the error is [`UseError::NotUsable`].
    pub async fn pass_through(&self, owner: &OwnerId, call: PassThrough) -> Result<PassedThrough, UseError> {
        let provider = self.parts.provider.as_ref();
        let provider = provider.ok_or(UseError::NotUsable { reason: Some(Reason::NotConfigured) })?;
        let mut refused = None;
        loop {
            let (connection, facts, grant) = match self.callable(owner).await {
                Ok(callable) => callable,
                // What is wrong with the call itself is said whatever state the connection is in.
                Err(error) => {
                    let objection = provider.objection(&call);
                    return Err(
                        objection.map_or(error, |Failure { detail, .. }| UseError::NotPassedOn { detail })
                    );
                }
            };
            if refused == Some(facts.version) {
                return Err(UseError::Replaced);
            }
            match self.pass_through_with(provider, &connection, facts, &grant, call.clone()).await {
                Err(UseError::Replaced) if refused.is_none() && call.method == http::Method::GET => {
                    refused = Some(facts.version);
                }
                outcome => return outcome,
            }
        }
    }

    async fn pass_through_with(
        &self,
        provider: &SharedProvider,
        connection: &Connection,
        facts: GrantFacts,
        grant: &Grant,
        call: PassThrough,
    ) -> Result<PassedThrough, UseError> {
        let tools = Tools { provider, grant, lease: None };
        let changes = call.method != http::Method::GET;
        let turns = Arc::clone(&self.pass_through_turns).acquire_owned();
        // An error would mean that the semaphore was closed, which nobody does.
        let turn = within(PATIENCE, &*self.parts.clock, turns).await.and_then(Result::ok);
        // Held to the end: an answer against the grant is followed by a question about it.
        let _turn = turn.ok_or(UseError::Crowded)?;
        match provider.pass_through(grant, call).await {
            Ok(answer) => {
                // The app's calls use up what the worker's calls are counted against.
                self.gate.learn_usage(answer.usage, answer.failure.as_ref());
                let noted = match &answer.failure {
                    Some(failure) => self.failed_in_use(connection, facts, tools, failure).await,
                    None => self.worked(connection, facts, answer.needs_scope).await.map_err(UseError::from),
                };
                unless_only_unnoted(noted)?;
                Ok(answer)
            }
            // An answer too large to read proves nothing.
            Err(NotPassed::TooLarge) => Err(UseError::AnswerTooLarge),
            Err(NotPassed::Failed(Failure { meaning: Meaning::Content, detail, .. })) => {
                Err(UseError::NotPassedOn { detail })
            }
            Err(NotPassed::Failed(Failure { meaning: Meaning::Crowded, .. })) => Err(UseError::Crowded),
            Err(NotPassed::Failed(failure)) => {
                unless_only_unnoted(self.failed_in_use(connection, facts, tools, &failure).await)?;
                let reason = reason_of(failure.meaning);
                let may_be_done = changes && failure.was_sent;
                Err(UseError::Unanswered { reason, retry_after: failure.retry_after, may_be_done })
            }
        }
    }

    /// The connection and its grant, where Instagram may be called now.
    async fn callable(&self, owner: &OwnerId) -> Result<(Connection, GrantFacts, Grant), UseError> {
        let (connection, grant) = self.in_use(owner).await?;
        let now = self.parts.clock.now();
        // Calling while throttled lengthens it (Graph API, "Rate limits": stop making API calls).
        let waits = connection.waits_until(now);
        if let Some(until) = waits.max(self.gate.spent_until(now)) {
            let of_connection = waits.and_then(|_| connection.standing.reason());
            let reason = of_connection.unwrap_or(Reason::RateLimited);
            let retry_after = Some(until.duration_since(now).unsigned_abs());
            return Err(UseError::Unanswered { reason, retry_after, may_be_done: false });
        }
        match connection.grant {
            Some(facts) => Ok((connection, facts, grant)),
            None => Err(UseError::NotUsable { reason: connection.standing.reason() }),
        }
    }

    async fn in_use(&self, owner: &OwnerId) -> Result<(Connection, Grant), UseError> {
        let stored = async || -> Result<_, ServiceError> {
            Ok(self.parts.store.connection(owner, ProviderId::INSTAGRAM).await?)
        };
        let Some(mut connection) = stored().await? else { return Err(self.not_usable(owner).await) };
        // A damaged grant may be readable again.
        if self.reopen(&connection).await? {
            connection = stored().await?.unwrap_or(connection);
        }
        if !self.status_of(&connection).connected {
            return Err(self.not_usable(owner).await);
        }
        if let Some(grant) = self.grant(&connection).await? {
            return Ok((connection, grant));
        }
        // The grant is damaged, or the person just disconnected: the stored state says which.
        let now = self.parts.store.connection_by_id(connection.id).await.map_err(ServiceError::from)?;
        let reason = now.and_then(|connection| connection.standing.reason());
        Err(UseError::NotUsable { reason: reason.or(Some(Reason::GrantUnreadable)) })
    }

    /// Why there is nothing to use, in the words of the status, which knows of connect attempts
    /// too.
    async fn not_usable(&self, owner: &OwnerId) -> UseError {
        match self.status(owner).await {
            Ok(status) => UseError::NotUsable { reason: status.reason.filter(|_| !status.connected) },
            Err(error) => ServiceError::from(error).into(),
        }
    }

    fn status_of(&self, connection: &Connection) -> InstagramStatus {
        self.told(Some(connection.clone()), None)
    }

    async fn worked(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        needed_scope: Option<&'static str>,
    ) -> Result<(), ServiceError> {
        self.works(connection, facts).await?;
        self.proves(connection, facts, needed_scope).await
    }

    async fn works(&self, connection: &Connection, facts: GrantFacts) -> Result<(), ServiceError> {
        if connection.is_just_proven(self.parts.clock.now()) {
            return Ok(());
        }
        let worked = Observation::Worked {
            grant_version: facts.version,
            account: None,
            next_refresh_at: self.schedule()?.due_again(connection, facts),
        };
        self.recorder.record_on(connection, &worked, None).await?;
        Ok(())
    }

    /// Takes back that a scope is missing which a call has just used, and what spoke for it: later
    /// refusals must last anew before they are believed.
    async fn proves(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        scope: Option<&'static str>,
    ) -> Result<(), ServiceError> {
        let Some(scope) = scope else { return Ok(()) };
        self.parts.store.end_refusals(connection.id, scope).await?;
        if connection.missing_scopes.iter().any(|each| each == scope) {
            let proven = Observation::ScopeProven { grant_version: facts.version, scope };
            self.recorder.record(connection.id, &proven, None).await?;
        }
        Ok(())
    }

    /// Diagnoses the failure; an error if the grant can no longer be used.
    async fn failed_in_use(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        tools: Tools<'_>,
        failure: &Failure,
    ) -> Result<(), UseError> {
        if !failure.wants_scopes.is_empty() {
            self.scopes_refused(connection, facts.version, tools.provider, tools.grant, failure).await?;
            return Ok(());
        }
        let diagnosis = Diagnosis::of_failure(connection, facts, Call::PassThrough, failure.clone());
        let recorded = match self.diagnose(diagnosis, tools).await? {
            Diagnosed::Failed(_, recorded) | Diagnosed::Expired(recorded) => recorded,
            Diagnosed::Works | Diagnosed::RolledBack | Diagnosed::Unasked => None,
            Diagnosed::Replaced => return Err(UseError::Replaced),
        };
        match recorded.map(|recorded| self.status_of(&recorded.connection)) {
            Some(status) if !status.connected => Err(UseError::NotUsable { reason: status.reason }),
            Some(_) | None => Ok(()),
        }
    }
}

/// The outcome of a call that was made stands, even if it could not be noted: told otherwise, the
/// backend would make the call again.
fn unless_only_unnoted(noted: Result<(), UseError>) -> Result<(), UseError> {
    match noted {
        Err(UseError::Service(error)) => {
            tracing::warn!(%error, "a call of the app's backend was made, but what it says of the connection is not stored");
            Ok(())
        }
        other => other,
    }
}
