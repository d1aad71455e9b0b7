//! Asking Instagram now, because a person or an operator wants to know.

use super::diagnose::{Diagnosed, Tools};
use super::{Connections, ServiceError};
use crate::caller::OwnerId;
use crate::clock::after;
use crate::connection::diagnosis::Diagnosis;
use crate::connection::observation::{Call, Observation};
use crate::connection::status::InstagramStatus;
use crate::connection::{Connection, State};
use crate::provider::ProviderId;

impl Connections {
    /// Asks `/me` with the grant and returns the resulting status. At most one upstream call per
    /// connection and check interval, across all callers and replicas; other checks are answered
    /// from storage.
    pub async fn check(&self, owner: &OwnerId) -> Result<InstagramStatus, ServiceError> {
        if let Some(connection) = self.parts.store.connection(owner, ProviderId::INSTAGRAM).await? {
            self.probe(&connection).await?;
        }
        Ok(self.status(owner).await?)
    }

    /// Makes one `/me` call, if the grant has not expired, no wait is stored, and the app's rate
    /// budget is not spent. Returns what it showed; `None`: it was not made, or shows nothing,
    /// because a refresh replaces the grant.
    pub async fn probe(&self, connection: &Connection) -> Result<Option<Diagnosed>, ServiceError> {
        let Some(provider) = &self.parts.provider else { return Ok(None) };
        let now = self.parts.clock.now();
        let is_waiting = connection.waits_until(now).or(self.gate.spent_until(now)).is_some();
        let Some(facts) = connection.grant.filter(|_| !is_waiting && !connection.has_expired(now)) else {
            return Ok(None);
        };
        if connection.standing.state() == State::NotConnected || !self.may_ask(connection).await? {
            return Ok(None);
        }
        let Some(grant) = self.grant(connection).await? else { return Ok(None) };
        let tools = Tools { provider, grant: &grant, lease: None };
        let diagnosed = self.diagnose(Diagnosis::of_question(connection, facts, Call::Check), tools).await?;
        Ok((!matches!(diagnosed, Diagnosed::Replaced)).then_some(diagnosed))
    }

    /// Has the worker probe the connection as soon as Instagram may be asked.
    pub(super) async fn probe_soon(&self, connection: &Connection) -> Result<(), ServiceError> {
        let Some(facts) = connection.grant else { return Ok(()) };
        let now = self.parts.clock.now();
        let pause = Some(after(now, self.parts.check_interval));
        let may_be_asked = pause.max(connection.waits_until(now)).max(self.gate.spent_until(now));
        let doubted =
            Observation::Doubted { grant_version: facts.version, probe_at: may_be_asked.unwrap_or(now) };
        self.recorder.record(connection.id, &doubted, None).await.map(drop)
    }
}
