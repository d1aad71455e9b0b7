//! What Instagram says about a connection besides its grant: names, pictures and scopes.

use std::time::Duration;

use crate::clock::{after, before};
use crate::connection::Connection;
use crate::connection::belief::{FEWEST, is_sign};
use crate::connection::observation::{Granted, Observation};
use crate::connection::status::{lacking, missing_scopes};
use crate::connection::transition::is_another_account;
use crate::connections::{Connections, ServiceError};
use crate::provider::{Account, Failure, Grant, SharedProvider};

/// A scope that was granted and is refused is believed to be missing once it has been refused for
/// so long, where there are so many connections that an incident could be told from it.
const HOLD: Duration = Duration::from_mins(20);
/// A refusal that was not repeated within this time counts no more.
const FORGOTTEN: Duration = Duration::from_hours(24);

impl Connections {
    /// Reads again how Instagram describes the account, with a grant that was renewed a moment ago.
    /// That the grant works is known by then, so what passes is no news. Answers whether there is
    /// something to be looked into.
    pub(super) async fn describe(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
        renewed: &Grant,
    ) -> Result<bool, ServiceError> {
        let answer = self.gate.account_for(provider.identify(renewed).await);
        let needs_a_look = match &answer {
            Ok(account) => is_another_account(connection, account),
            Err(failure) => is_sign(failure.meaning),
        };
        let granted = granted(connection, provider, renewed);
        let account: Option<Account> = answer.ok().filter(|_| !needs_a_look);
        if account.is_none() && granted.is_none() {
            return Ok(needs_a_look);
        }
        let Some(current) = self.parts.store.connection_by_id(connection.id).await? else {
            return Ok(false);
        };
        if let Some(facts) = current.grant.filter(|facts| facts.obtained_at == renewed.obtained_at) {
            let described = Observation::Described { grant_version: facts.version, account, granted };
            self.recorder.record(connection.id, &described, None).await?;
        }
        Ok(needs_a_look)
    }

    /// A call of the app's was refused for want of scopes that Instagram names. Where that strikes
    /// many it is nobody's own doing, so where there are many it has to come again while it does
    /// not; and the grant has to work otherwise.
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
        if self.gate.account_for(provider.identify(grant).await).is_ok() {
            let refused =
                Observation::ScopesRefused { grant_version, scopes: believed, asked_for: asked_for.to_vec() };
            self.recorder.record(connection.id, &refused, Some(&failure.detail)).await?;
        }
        Ok(())
    }

    async fn is_refusal_believed(&self, connection: &Connection, scope: &str) -> Result<bool, ServiceError> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let first_at = store.note_refusal(connection, scope, now, before(now, FORGOTTEN)).await?;
        if self.incidents.are_few().await? {
            return Ok(true);
        }
        if store.refused(scope, before(now, HOLD), FEWEST).await? >= FEWEST {
            tracing::error!(
                scope,
                "Instagram refuses a granted permission to many connections; nobody is told to reconnect"
            );
            return Ok(false);
        }
        Ok(now >= after(first_at, HOLD))
    }
}

/// What the renewal said is granted, where that is something else than we know.
fn granted(connection: &Connection, provider: &SharedProvider, renewed: &Grant) -> Option<Granted> {
    let scopes = renewed.scopes.clone().filter(|scopes| *scopes != connection.scopes)?;
    let missing_scopes = lacking(provider.scopes(), &scopes);
    if !missing_scopes.is_empty() {
        tracing::warn!(
            connection = %connection.id, ?missing_scopes, "a refresh no longer grants all scopes that the app asks for"
        );
    }
    Some(Granted { scopes, missing_scopes })
}
