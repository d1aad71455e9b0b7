//! Asking Instagram now, because a person or an operator wants to know.

use jiff::Timestamp;

use super::diagnose::{Diagnosed, Tools};
use super::refresh::Skip;
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
            let _ = self.probe(&connection).await?;
        }
        Ok(self.status(owner).await?)
    }

    /// Makes one `/me` call, if the grant has not expired, no wait is stored, and the app's rate
    /// budget is not spent. Returns what it showed, or why it was not made or shows nothing.
    pub async fn probe(&self, connection: &Connection) -> Result<Result<Diagnosed, Skip>, ServiceError> {
        let Some(provider) = &self.parts.provider else { return Ok(Err(Skip::NotConfigured)) };
        let facts = connection.grant.filter(|_| connection.standing.state() != State::NotConnected);
        let Some(facts) = facts else { return Ok(Err(Skip::NotLinked)) };
        let now = self.parts.clock.now();
        if connection.has_expired(now) {
            return Ok(Err(Skip::Over));
        }
        if let Some(until) = self.pause_until(connection, now) {
            return Ok(Err(Skip::Waits(until)));
        }
        if !self.may_ask(connection).await? {
            return Ok(Err(Skip::JustAsked));
        }
        let Some(grant) = self.grant(connection).await? else { return Ok(Err(Skip::Unreadable)) };
        let tools = Tools { provider, grant: &grant, lease: None };
        let diagnosed = self.diagnose(Diagnosis::of_question(connection, facts, Call::Check), tools).await?;
        Ok(if matches!(diagnosed, Diagnosed::Replaced) { Err(Skip::Replaced) } else { Ok(diagnosed) })
    }

    /// Until when Instagram may not be asked about the connection: it, or the app, is limited.
    pub(super) fn pause_until(&self, connection: &Connection, now: Timestamp) -> Option<Timestamp> {
        connection.waits_until(now).max(self.gate.spent_until(now))
    }

    /// Has the worker probe the connection as soon as Instagram may be asked.
    pub(super) async fn probe_soon(&self, connection: &Connection) -> Result<(), ServiceError> {
        let Some(facts) = connection.grant else { return Ok(()) };
        let now = self.parts.clock.now();
        let pause = Some(after(now, self.parts.check_interval));
        let may_be_asked = pause.max(self.pause_until(connection, now));
        let doubted =
            Observation::Doubted { grant_version: facts.version, probe_at: may_be_asked.unwrap_or(now) };
        self.recorder.record(connection.id, &doubted, None).await.map(drop)
    }
}
