//! Grants that cannot be opened: a damaged row, a damaged or missing data key. The status says so,
//! an alarm is raised, and the connection resumes once the bytes are restored.
//!
//! A key that only this process's ring lacks is no damage: another process may have it.

use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::connection::observation::Observation;
use crate::connection::{Connection, GrantFacts, Reason};
use crate::connections::grants::{RowSeal, open_user_key};
use crate::connections::{Connections, ServiceError};
use crate::metric::metrics;
use crate::provider::Grant;
use crate::vault::{UserKey, VaultError};

/// Most grants tried again at once.
const LOOKED_AT_ONCE: usize = 256;

metrics! {
    /// The metrics of grants, in the order of the reference page.
    TABLE;
    UNREADABLE = Counter "grants_unreadable",
        "Stored grants that were found damaged",
        "Alert on any: something other than Holdfast changed the rows. The log names the connection.";
}

impl Connections {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        self.app_refusals.register(registry);
        UNREADABLE.register(registry, self.unreadable.clone());
    }

    /// Opens the stored grant of a connection. `None` if there is none, or it is damaged, which is
    /// recorded.
    pub(super) async fn grant(&self, connection: &Connection) -> Result<Option<Grant>, ServiceError> {
        Ok(self.grant_and_key(connection).await?.map(|(grant, _)| grant))
    }

    /// Like [`Self::grant`], with the owner's data key.
    pub(super) async fn grant_and_key(
        &self,
        connection: &Connection,
    ) -> Result<Option<(Grant, UserKey)>, ServiceError> {
        let Some(facts) = connection.grant else { return Ok(None) };
        match self.open_stored(connection, facts).await {
            Ok(Some(opened)) => Ok(Some(opened)),
            Ok(None) => self.record_unreadable(connection, facts, "a row is missing").await,
            Err(error) if is_damage(&error) => {
                self.record_unreadable(connection, facts, &error.to_string()).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this token is that of the grant in use, as far as this process can open it.
    pub(super) async fn uses(
        &self,
        connection: &Connection,
        token: &SecretString,
    ) -> Result<bool, ServiceError> {
        let Some(facts) = connection.grant else { return Ok(false) };
        match self.open_stored(connection, facts).await {
            Ok(opened) => {
                Ok(opened
                    .is_some_and(|(grant, _)| grant.access_token.expose_secret() == token.expose_secret()))
            }
            Err(error) if error.concerns_all() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// `None` if a row is missing. Never creates a data key: it would block restoring the right
    /// one.
    async fn open_stored(
        &self,
        connection: &Connection,
        facts: GrantFacts,
    ) -> Result<Option<(Grant, UserKey)>, ServiceError> {
        let user_id = &connection.user_id;
        let stored = self.parts.store.sealed_grant_and_key(user_id, connection.id, facts.version).await?;
        let Some((sealed, wrapped)) = stored else { return Ok(None) };
        let key = open_user_key(&self.parts.vault, user_id, &wrapped)?;
        let grant = RowSeal::of_connection(&key, connection).open_grant(&sealed)?;
        Ok(Some((grant, key)))
    }

    /// Records and reports a damaged grant, unless it is no longer the connection's grant.
    async fn record_unreadable<T>(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        why: &str,
    ) -> Result<Option<T>, ServiceError> {
        let unreadable = Observation::GrantUnreadable { grant_version: facts.version };
        if self.recorder.record(connection.id, &unreadable, None).await?.is_some_and(|recorded| recorded.news)
        {
            self.unreadable.inc();
            tracing::error!(
                connection = %connection.id, version = facts.version, why,
                "a stored grant cannot be opened; restore the row, or the person must connect again"
            );
        }
        Ok(None)
    }

    /// Resumes an unreadable connection if its grant opens again. Returns whether it does.
    pub(super) async fn reopen(&self, connection: &Connection) -> Result<bool, ServiceError> {
        let Some(facts) = connection.grant.filter(|_| connection.standing == Reason::GrantUnreadable.into())
        else {
            return Ok(false);
        };
        match self.open_stored(connection, facts).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(error) if is_damage(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        let next_refresh_at = self.schedule()?.refresh_at(facts);
        let readable = Observation::GrantReadable { grant_version: facts.version, next_refresh_at };
        self.recorder.record(connection.id, &readable, None).await?;
        tracing::warn!(connection = %connection.id, "a stored grant opens again; its connection resumes");
        Ok(true)
    }

    /// Tries unreadable grants again. Returns how many connections resumed. A failure of one does
    /// not stop the others.
    pub async fn reopen_unreadable(&self, stop: &CancellationToken) -> Result<usize, ServiceError> {
        let found = self.parts.store.connections_unreadable(LOOKED_AT_ONCE).await?;
        let mut reopened = 0;
        for connection in found.iter().take_while(|_| !stop.is_cancelled()) {
            let done = ServiceError::of_one(self.reopen(connection).await, |error| {
                if self.parts.store.is_news("grant to open", &connection.id.to_string()) {
                    tracing::error!(connection = %connection.id, %error, "a damaged grant could not be tried again");
                }
            })?;
            reopened += usize::from(done == Some(true));
        }
        Ok(reopened)
    }
}

/// Whether stored bytes are damaged: no temporary error, and no key of another process.
fn is_damage(error: &ServiceError) -> bool {
    match error {
        ServiceError::Vault(VaultError::KeyMissing { .. } | VaultError::Tampered | VaultError::Malformed)
        | ServiceError::Content { .. }
        | ServiceError::NoDataKey => true,
        ServiceError::Vault(VaultError::Entropy(_))
        | ServiceError::Store(_)
        | ServiceError::KeyNotHere { .. }
        | ServiceError::Entropy(_)
        | ServiceError::Contended
        | ServiceError::UserGone => false,
    }
}
