//! What Instagram says about a connection besides its grant: names, pictures and scopes.

use std::time::Duration;

use crate::clock::{after, before};
use crate::connection::Connection;
use crate::connection::belief::{INCIDENT_MIN_STRUCK, is_sign};
use crate::connection::observation::{Granted, Observation};
use crate::connection::status::{missing_scopes, not_granted};
use crate::connection::transition::{is_another_account, same_scopes};
use crate::connections::{Connections, ServiceError};
use crate::provider::{Failure, Grant, SharedProvider};

/// With at least [`INCIDENT_MIN_STRUCK`] connections, a refused scope is believed to be missing
/// once it has been refused for this long.
const HOLD: Duration = Duration::from_mins(20);
/// A refusal that is not repeated within this time is forgotten.
const REFUSAL_TTL: Duration = Duration::from_hours(24);

/// What `/me` said of a grant that a refresh brought.
pub(super) enum Described {
    /// It is the linked account's.
    Rightly,
    /// It speaks against the grant, which must be probed.
    Against,
    /// Nothing: that the grant works is known by the refresh, but not whose it is.
    Unanswered(Failure),
}

impl Connections {
    /// Updates the account's description with a grant that was just refreshed.
    pub(super) async fn describe(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
        renewed: &Grant,
    ) -> Result<Described, ServiceError> {
        let account = match self.gate.observe(provider.identify(renewed).await) {
            Ok(account) if is_another_account(connection, &account) => return Ok(Described::Against),
            Ok(account) => account,
            Err(failure) if is_sign(failure.meaning) => return Ok(Described::Against),
            Err(failure) => return Ok(Described::Unanswered(failure)),
        };
        let current = self.parts.store.connection_by_id(connection.id).await?;
        let in_use = current.and_then(|current| current.grant);
        if let Some(facts) = in_use.filter(|facts| facts.obtained_at == renewed.obtained_at) {
            let described = Observation::Described { grant_version: facts.version, account };
            self.recorder.record(connection.id, &described, None).await?;
        }
        Ok(Described::Rightly)
    }

    /// The scopes that a refresh names, if they differ from the stored ones in more than their
    /// order.
    pub(super) fn granted(&self, connection: &Connection, renewed: &Grant) -> Option<Granted> {
        let scopes = renewed.scopes.clone().filter(|scopes| !same_scopes(scopes, &connection.scopes))?;
        let missing_scopes = not_granted(self.asked_for()?, &scopes);
        if !missing_scopes.is_empty() {
            tracing::warn!(
                connection = %connection.id, ?missing_scopes,
                "a refresh no longer grants all scopes that the app asks for"
            );
        }
        Some(Granted { scopes, missing_scopes })
    }

    /// Handles a pass-through call that was refused for lack of scopes, which Instagram names. They
    /// are recorded as missing if the refusal is believed and `/me` still works. With many
    /// connections, a refusal is believed only if it persists and strikes few of them.
    pub(super) async fn scopes_refused(
        &self,
        connection: &Connection,
        grant_version: i64,
        provider: &SharedProvider,
        grant: &Grant,
        failure: &Failure,
    ) -> Result<(), ServiceError> {
        let asked_for = self.asked_for().unwrap_or_default();
        let known = missing_scopes(connection, Some(asked_for));
        let mut believed = Vec::new();
        for scope in &failure.wants_scopes {
            if !asked_for.contains(scope) {
                tracing::warn!(scope, "Instagram wants a permission that INSTAGRAM_SCOPES does not ask for");
            } else if !known.contains(scope) && self.is_refusal_believed(connection, scope).await? {
                believed.push(scope.clone());
            }
        }
        if believed.is_empty() {
            return Ok(());
        }
        // An outage that answers with permission errors refuses `/me` as well.
        if self.gate.observe(provider.identify(grant).await).is_ok() {
            let refused =
                Observation::ScopesRefused { grant_version, scopes: believed, asked_for: asked_for.to_vec() };
            self.recorder.record(connection.id, &refused, Some(&failure.detail)).await?;
        }
        Ok(())
    }

    async fn is_refusal_believed(&self, connection: &Connection, scope: &str) -> Result<bool, ServiceError> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let first_at = store.note_refusal(connection, scope, now, before(now, REFUSAL_TTL)).await?;
        if self.incidents.are_few().await? {
            return Ok(true);
        }
        if store.refused(scope, before(now, HOLD), INCIDENT_MIN_STRUCK).await? >= INCIDENT_MIN_STRUCK {
            tracing::error!(
                scope,
                "Instagram refuses a granted permission to many connections; nobody is told to reconnect"
            );
            return Ok(false);
        }
        Ok(now >= after(first_at, HOLD))
    }
}
