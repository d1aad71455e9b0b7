//! Each part of the server, made from the settings.

use std::sync::Arc;

use clerk_session::Policy;

use super::{Seams, StartError};
use crate::budget::Budget;
use crate::caller::{self, ClerkConfig, KeptKeys, SessionVerifier};
use crate::clerk::backend::BackendApi;
use crate::clerk::webhook::WebhookVerifier;
use crate::clock_watch::{ClockWatch, Watched};
use crate::connections::journal::Journal;
use crate::connections::{Connections, Parts};
use crate::entropy::SharedEntropy;
use crate::http::ServerLimits;
use crate::outbox::{Dispatcher, Endpoint};
use crate::provider::SharedProvider;
use crate::provider::calls::{CallCounts, Counted};
use crate::provider::instagram::Instagram;
use crate::settings::{ClerkSettings, Settings};
use crate::store::Store;
use crate::telemetry::traces::{Exporter, Traced, Traces};
use crate::vault::Vault;

/// The policy that every session token is judged by.
pub fn policy(clerk: &ClerkSettings) -> Policy {
    let mut policy = caller::policy(clerk.issuers.clone(), clerk.parties.clone());
    policy.authorized_parties_mode = clerk.parties_mode;
    policy.audiences.clone_from(&clerk.audience);
    policy.clock_skew_ms = i64::try_from(clerk.clock_skew.as_millis()).unwrap_or(i64::MAX);
    policy
}

/// The key ring of the configuration.
pub fn vault(settings: &Settings, entropy: SharedEntropy) -> Result<Vault, StartError> {
    let ring = settings.encryption_keys.clone().ok_or(StartError::NoKeys)?;
    Ok(Vault::new(ring, entropy))
}

/// The provider of the configuration; `None` where no app is configured.
pub fn provider(settings: &Settings, seams: &Seams) -> Option<SharedProvider> {
    let config = settings.instagram.clone()?;
    Some(Arc::new(Instagram::new(config, seams.transport.clone(), seams.clock.clone())))
}

/// The domain over an open database.
pub fn connections(settings: &Settings, seams: &Seams, store: &Store, vault: &Vault) -> Connections {
    Connections::new(Parts {
        store: store.clone(),
        vault: vault.clone(),
        provider: provider(settings, seams),
        clock: seams.clock.clone(),
        entropy: seams.entropy.clone(),
        return_urls: settings.return_urls.iter().cloned().collect(),
        check_interval: settings.check_interval,
        refresh: settings.refresh,
        journal: Journal::in_directory(settings.journal_directory.clone()),
    })
}

pub(super) fn server_limits(settings: &Settings, budget: Budget) -> ServerLimits {
    ServerLimits { max_connections: budget.connections, h2c: settings.http2, ..ServerLimits::default() }
}

/// Traces and who exports them; off where they are not wanted.
pub(super) fn traces(settings: &Settings, seams: &Seams) -> Result<(Traces, Option<Exporter>), StartError> {
    let Some(wanted) = &settings.traces else { return Ok((Traces::off(), None)) };
    let Seams { clock, entropy, transport } = seams.clone();
    let (traces, exporter) = Traces::on(wanted, clock, entropy, transport)?;
    Ok((traces, Some(exporter)))
}

/// The same seams with spans of outgoing requests.
pub(super) fn traced(seams: &Seams, traces: &Traces) -> Seams {
    let mut seams = seams.clone();
    if traces.are_on() {
        seams.transport = Arc::new(Traced::new(seams.transport));
    }
    seams
}

/// The same seams; each answer's `Date` is compared with our clock.
pub(super) fn watched(seams: &Seams, watch: &ClockWatch) -> Seams {
    let transport = Arc::new(Watched::new(seams.transport.clone(), seams.clock.clone(), watch.clone()));
    Seams { transport, ..seams.clone() }
}

/// The same seams with every request counted; for the provider.
pub(super) fn counted(seams: &Seams, calls: &CallCounts) -> Seams {
    let transport = Arc::new(Counted::new(seams.transport.clone(), calls.clone(), seams.clock.clone()));
    Seams { transport, ..seams.clone() }
}

/// The dispatcher of events to the app, on replicas with a worker. `None` where no events are
/// configured.
pub(super) fn dispatcher(
    settings: &Settings,
    seams: &Seams,
    connections: Connections,
    store: Store,
    watch: ClockWatch,
) -> Option<Dispatcher> {
    let webhook = settings.webhook.as_ref().filter(|_| settings.worker)?;
    let endpoint = Endpoint { url: webhook.url.clone(), key: webhook.key.clone() };
    let Seams { clock, entropy, transport } = seams.clone();
    Some(Dispatcher::new(endpoint, connections, store, clock, entropy, transport, watch))
}

pub(super) fn verifier(
    settings: &Settings,
    seams: &Seams,
    vault: &Vault,
) -> Result<SessionVerifier, StartError> {
    let clerk = &settings.clerk;
    let vault = vault.clone();
    let authentication = move || vault.ring().authentication_keys(caller::KEPT_KEYS_PURPOSE);
    let config = ClerkConfig {
        policy: policy(clerk),
        keys: clerk.key_source().ok_or(StartError::NoKeySource)?,
        kept_keys: Some(KeptKeys::new(&settings.journal_directory, authentication)),
    };
    Ok(SessionVerifier::new(config, seams.transport.clone(), seams.clock.clone())?)
}

pub(super) fn backend(clerk: &ClerkSettings, seams: &Seams) -> Option<Arc<BackendApi>> {
    let (url, Seams { transport, clock, .. }) = (clerk.api_url.clone(), seams.clone());
    Some(Arc::new(BackendApi::new(url, clerk.secret_key.as_ref()?, transport, clock)))
}

/// The verifier of Clerk's webhooks; `None` where no secret for them is set.
pub(super) fn clerk_webhooks(clerk: &ClerkSettings, seams: &Seams) -> Option<WebhookVerifier> {
    Some(WebhookVerifier::new(clerk.webhook_keys.clone()?, seams.clock.clone()))
}
