//! Applies a configuration that was read again while the server runs.
//!
//! Everything is checked before anything is changed, so that a faulty configuration changes
//! nothing.

use std::time::Duration;

use clerk_session::OriginPattern;

use super::{Seams, StartError, policy, vault};
use crate::clock::within;
use crate::http::{AllowedOrigins, AppState};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// Time for the database to say which keys it was sealed with.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The settings that [`Reloader::apply`] takes over; all others need a restart. The log's levels
/// are the caller's to change.
pub const RELOADABLE: &[&str] = &[
    "HOLDFAST_ALLOWED_ORIGINS",
    "HOLDFAST_RETURN_URLS",
    "HOLDFAST_ENCRYPTION_KEYS",
    "HOLDFAST_LOG",
    "CLERK_AUTHORIZED_PARTIES",
    "CLERK_AUTHORIZED_PARTIES_MODE",
    "CLERK_AUDIENCE",
    "CLERK_ISSUER",
    "CLERK_PROXY_URL",
    "CLERK_DOMAIN",
];

/// The parts of a running server that a new configuration changes.
#[derive(Clone)]
pub struct Reloader {
    pub(super) state: AppState,
    pub(super) origins: AllowedOrigins,
    pub(super) seams: Seams,
}

impl Reloader {
    /// Takes over origins, parties, return addresses and the key ring; on an error, nothing. A
    /// database that is away keeps only a changed key ring waiting, which it has to confirm: that
    /// is returned, for [`Self::confirm`].
    pub async fn apply(&self, settings: &Settings) -> Result<Option<Vault>, StartError> {
        let ring = vault(settings, self.seams.entropy.clone())?;
        let unconfirmed = match self.prove(&ring).await {
            Ok(()) => None,
            Err(StartError::Store(error)) => Some(error),
            Err(fault) => return Err(fault),
        };
        if unconfirmed.is_none() {
            self.state.vault.replace(&ring);
        }
        self.state.connections.return_urls().replace(&settings.return_urls.iter().cloned().collect());
        self.state.verifier.replace_policy(policy(&settings.clerk));
        self.origins.replace(settings.allowed_origins.clone());
        let origins: Vec<&str> = settings.allowed_origins.iter().map(OriginPattern::as_str).collect();
        let (origins, vault) = (origins.join(", "), self.state.vault.ring());
        let sealing_key = vault.sealing_id();
        if let Some(error) = unconfirmed {
            tracing::warn!(
                %error, origins, sealing_key,
                "the configuration was reloaded and is in effect, but for HOLDFAST_ENCRYPTION_KEYS: the database must \
                 confirm new keys, and is asked again every few seconds; the former ones stay in use until then"
            );
            return Ok(Some(ring));
        }
        tracing::info!(origins, sealing_key, "the configuration was reloaded and is in effect");
        Ok(None)
    }

    /// Asks the database again and again to confirm a ring, and takes it over then. Gives it up if
    /// the database was sealed with other keys.
    pub async fn confirm(&self, ring: &Vault) {
        loop {
            self.seams.clock.sleep(ASK_AGAIN).await;
            match self.prove(ring).await {
                Ok(()) => break,
                Err(StartError::Store(error)) => tracing::debug!(%error, "new keys are not confirmed yet"),
                Err(error) => {
                    tracing::error!(%error, "new HOLDFAST_ENCRYPTION_KEYS are refused; the former ones stay in use");
                    return;
                }
            }
        }
        self.state.vault.replace(ring);
        let vault = ring.ring();
        tracing::info!(
            sealing_key = vault.sealing_id(),
            "the database has confirmed the new HOLDFAST_ENCRYPTION_KEYS, which are in effect"
        );
    }

    /// Proves a new ring, within [`PATIENCE`]. That in use was proven when it was taken over.
    async fn prove(&self, ring: &Vault) -> Result<(), StartError> {
        if ring.ring() == self.state.vault.ring() {
            return Ok(());
        }
        let proven = prove_ring(ring, &self.state.store);
        within(PATIENCE, &*self.seams.clock, proven).await.unwrap_or_else(|| {
            let late = StoreError::Unavailable("it does not answer within 5 s".to_owned());
            Err(late.into())
        })
    }
}

/// Proves that the ring opens what this database holds, and stores a new sealing key's sentinel.
pub async fn prove_ring(vault: &Vault, store: &Store) -> Result<(), StartError> {
    if let Some(missing) = vault.prove(&store.sentinels().await?)? {
        store.insert_sentinel(&missing).await?;
        // Another replica may have been first, with other bytes.
        vault.prove(&store.sentinels().await?)?;
    }
    Ok(())
}
