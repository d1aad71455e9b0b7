//! The composition root: makes the parts from the settings and puts them together. The only place
//! that knows all of them.

mod reload;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clerk_session::{AuthorizedPartiesMode, Policy};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::budget::Budget;
use crate::caller::assertion::AssertionKey;
use crate::caller::keys::{KeySettings, KeySource};
use crate::caller::service::ServiceVerifier;
use crate::caller::{self, ClerkConfig, ConfigError, KeptKeys, RepeatLimits, SessionVerifier};
use crate::clerk::backend::{BackendApi, UnusableSecret};
use crate::clerk::webhook::{SecretError, WebhookVerifier};
use crate::clock::SharedClock;
use crate::connection::return_url::{ReturnUrlError, ReturnUrls};
use crate::connection::schedule::RefreshPolicy;
use crate::connections::journal::Journal;
use crate::connections::{Connections, Parts};
use crate::entropy::{EntropyExhausted, IdEntropy, SharedEntropy, new_id};
use crate::http::layers::Edge;
use crate::http::metrics::Metrics;
use crate::http::{
    self, Admission, AllowedOrigins, AppState, AppStateParts, PlaceMetrics, ServerLimits, Service,
};
use crate::outbox::{Dispatcher, Endpoint};
use crate::overview::clock_watch::Watched;
use crate::overview::{ClockWatch, Overview, OverviewMetrics};
use crate::process::FileHandles;
use crate::provider::SharedProvider;
use crate::provider::calls::{CallCounts, Counted};
use crate::provider::instagram::{Instagram, InstagramConfig};
use crate::settings::{ClerkSettings, PartiesMode, Settings};
use crate::standard_webhooks::SigningKey;
use crate::store::{MigrateError, OpenError, Store, StoreError, StoreOptions};
use crate::telemetry::traces::{Exporter, ServerSpans, Traced, Traces, WithContext as _};
use crate::transport::SharedTransport;
use crate::users::Users;
use crate::vault::{KeyRing, KeyRingFaults, SentinelError, Vault};
use crate::worker::sweep::Sweeper;
use crate::worker::{Tally, Worker, replay_journal};

pub use reload::{RELOADABLE, Reloader};

/// For a handler to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Verified tokens that are remembered: some tens of megabytes when full.
const REMEMBERED_TOKENS: usize = 50_000;

/// Time, randomness and the network.
#[derive(Debug, Clone)]
pub struct Seams {
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Outgoing requests.
    pub transport: SharedTransport,
}

/// The server cannot start. Each says in one sentence what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its schema cannot be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It stopped answering meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key ring.
    #[error("HOLDFAST_ENCRYPTION_KEYS is not set; make a key with `holdfast keys generate`")]
    NoKeys,
    /// The key ring cannot be read.
    #[error("HOLDFAST_ENCRYPTION_KEYS: {0}")]
    Keys(#[from] KeyRingFaults),
    /// The key ring is not the one of this database.
    #[error(transparent)]
    Sentinel(#[from] SentinelError),
    /// Session tokens cannot be judged by this configuration.
    #[error(transparent)]
    Clerk(#[from] ConfigError),
    /// Nothing says where the keys are.
    #[error("nothing says whose session tokens are accepted; set CLERK_PUBLISHABLE_KEY")]
    NoKeySource,
    /// The secret key cannot stand in a header.
    #[error("CLERK_SECRET_KEY has a character that cannot be sent; copy it again")]
    SecretKey(#[from] UnusableSecret),
    /// A webhook secret cannot be used.
    #[error("CLERK_WEBHOOK_SIGNING_SECRET: {0}")]
    WebhookSecret(#[from] SecretError),
    /// The secret for events to the app cannot be used.
    #[error("HOLDFAST_WEBHOOK_SECRET is not `whsec_` followed by base64")]
    EventSecret,
    /// The list of return addresses cannot be used.
    #[error("HOLDFAST_RETURN_URLS: {0}")]
    ReturnUrls(#[from] ReturnUrlError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
}

/// The policy that every session token is judged by.
pub fn policy(clerk: &ClerkSettings) -> Policy {
    caller::policy(
        clerk.issuers.clone(),
        clerk.parties.clone(),
        party_mode(clerk.parties_mode),
        clerk.audience.clone(),
        clerk.clock_skew,
    )
}

fn party_mode(mode: PartiesMode) -> AuthorizedPartiesMode {
    match mode {
        PartiesMode::Enforce => AuthorizedPartiesMode::Enforce,
        PartiesMode::IfPresent => AuthorizedPartiesMode::IfPresent,
        PartiesMode::Report => AuthorizedPartiesMode::Report,
    }
}

/// Where the keys come from; `None` where the configuration names no source.
pub fn key_source(clerk: &ClerkSettings) -> Option<KeySource> {
    KeySource::choose(KeySettings {
        jwt_key: clerk.jwt_key.clone(),
        jwks_url: clerk.jwks_url.clone().filter(|_| clerk.jwks_url_is_named),
        frontend_api: clerk.publishable_key.as_ref().map(|key| key.frontend_api_host().to_owned()),
        secret_key: clerk.secret_key.clone(),
        api_url: Some(clerk.api_url.clone()),
    })
}

/// The key ring of the configuration.
pub fn vault(settings: &Settings, entropy: SharedEntropy) -> Result<Vault, StartError> {
    let keys = settings.encryption_keys.as_ref().ok_or(StartError::NoKeys)?;
    Ok(Vault::new(KeyRing::parse(keys.expose_secret())?, entropy))
}

/// The provider of the configuration; `None` where no app is configured.
pub fn provider(settings: &Settings, seams: &Seams) -> Option<SharedProvider> {
    let instagram = settings.instagram.as_ref()?;
    let mut redirect_uri = settings.public_url.clone();
    redirect_uri
        .set_path(&format!("{}/instagram/callback", settings.public_url.path().trim_end_matches('/')));
    let config = InstagramConfig {
        app_id: instagram.app_id.clone(),
        app_secret: instagram.app_secret.clone(),
        scopes: instagram.scopes.clone(),
        authorize_url: instagram.authorize_url.clone(),
        api_url: instagram.api_url.clone(),
        graph_url: instagram.graph_url.clone(),
        graph_version: instagram.graph_version.clone(),
        redirect_uri,
    };
    Some(Arc::new(Instagram::new(config, seams.transport.clone(), seams.clock.clone())))
}

/// The domain over an open database.
pub fn connections(
    settings: &Settings,
    seams: &Seams,
    store: &Store,
    vault: &Vault,
) -> Result<Connections, StartError> {
    Ok(Connections::new(Parts {
        store: store.clone(),
        vault: vault.clone(),
        provider: provider(settings, seams),
        clock: seams.clock.clone(),
        entropy: seams.entropy.clone(),
        return_urls: ReturnUrls::parse(settings.return_urls.iter().map(String::as_str))?,
        check_interval: settings.check_interval,
        refresh: RefreshPolicy { min_age: settings.refresh_min_age, at: settings.refresh_at },
    })
    .with_journal(Journal::in_directory(settings.journal_directory.clone())))
}

fn server_limits(settings: &Settings, budget: Budget) -> ServerLimits {
    ServerLimits { max_connections: budget.connections, h2c: settings.http2, ..ServerLimits::default() }
}

/// A server that is ready to serve.
#[derive(Debug)]
pub struct Server {
    router: Router,
    state: AppState,
    reloader: Reloader,
    worker: Option<(Worker, Sweeper)>,
    dispatcher: Option<Dispatcher>,
    overview: Overview,
    limits: ServerLimits,
    places: PlaceMetrics,
    drain: Duration,
    leave: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    traces: Traces,
    exporter: Option<Exporter>,
}

impl Server {
    /// Opens the database, brings its schema up to date, proves the key ring and builds the
    /// application. Clerk need not be reachable: until its keys are there, protected routes answer
    /// 503.
    pub async fn build(settings: &Settings, seams: &Seams) -> Result<Self, StartError> {
        let (traces, exporter) = traces(settings, seams)?;
        let watch = ClockWatch::default();
        let seams = &watched(&traced(seams, &traces), &watch);
        let vault = vault(settings, seams.entropy.clone())?;
        for id in vault.ring().guessable_ids() {
            tracing::warn!(
                key = id,
                "this encryption key is one byte repeated; make a real one with `holdfast keys generate`"
            );
        }
        let options = StoreOptions::serve(settings.database_url.expose_secret())
            .with_outbox(settings.webhook.is_some());
        let store = Store::open(&options, seams.clock.clone()).await?;
        store.migrate().await?;
        let released = store.release_former_life().await?;
        if released > 0 {
            tracing::info!(released, "this server was killed at work; it takes up what it had begun");
        }
        let sentinels = vault.prove(&store.sentinels().await?)?;
        if !sentinels.is_empty() {
            store.insert_sentinels(&sentinels, seams.clock.now()).await?;
            // Another replica may have been first, with other bytes.
            vault.prove(&store.sentinels().await?)?;
        }
        let calls = CallCounts::default();
        let counted = counted(seams, &calls);
        let connections = connections(settings, &counted, &store, &vault)?;
        connections.journal().prepare();
        let metrics = Metrics::default();
        metrics.register(|registry| connections.register(registry));
        let budget = Budget::of(settings, FileHandles::raised());
        let places = PlaceMetrics::default();
        metrics.register(|registry| places.register(registry));
        let (leave, leaving) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let overview =
            Overview::new(store.clone(), connections.clone(), seams.clock.clone(), Arc::clone(&tally), watch);
        metrics.register(|registry| {
            calls.register(registry);
            tally.register(registry);
            registry.register_collector(Box::new(OverviewMetrics(overview.clone())));
        });
        let (stop, stopping) = watch::channel(false);
        let state = AppState::new(AppStateParts {
            edge: Edge {
                public_url: settings.public_url.as_str().trim_end_matches('/').to_owned(),
                clock: seams.clock.clone(),
                entropy: Arc::new(IdEntropy::new(seams.entropy.clone())),
                metrics: metrics.clone(),
                admission: Admission::new(budget.requests),
                proxies: settings.trusted_proxies.clone(),
                request_timeout: REQUEST_TIMEOUT,
                spans: ServerSpans::of(traces.clone(), &settings.public_url),
            },
            verifier: verifier(settings, seams)?,
            users: Users::new(store.clone(), backend(&settings.clerk, seams)?, seams.clock.clone()),
            connections: connections.clone(),
            store: store.clone(),
            vault,
            clerk_webhooks: settings
                .clerk
                .webhook_secret
                .as_ref()
                .map(|secret| WebhookVerifier::new(secret, seams.clock.clone()))
                .transpose()?,
            service_verifier: ServiceVerifier::new(Arc::new(store.clone())),
            meta_secrets: settings.instagram.iter().flat_map(|app| app.callback_secrets.clone()).collect(),
            leaving,
            assertion_key: settings.forward_auth_secret.as_ref().map(AssertionKey::new),
            stopping,
            max_streams: budget.streams,
        });
        let origins = AllowedOrigins::from(settings.allowed_origins.clone());
        let router = http::app(state.clone(), &origins);
        let reloader = Reloader { state: state.clone(), origins, seams: seams.clone() };
        let worker = if settings.worker {
            // Unique among replicas and their restarts, or a restart could believe in a lease of
            // its former life.
            let name = new_id(&*seams.entropy, seams.clock.now())?.to_string();
            let sweeper = Sweeper::new(store.clone(), seams.clock.clone());
            metrics.register(|registry| sweeper.register(registry));
            let worker = Worker::new(connections.clone(), store.clone(), seams.clock.clone(), name);
            Some((worker.with_tally(tally), sweeper))
        } else {
            None
        };
        let dispatcher = dispatcher(settings, seams, connections, store.clone())?;
        if let Some(dispatcher) = &dispatcher {
            metrics.register(|registry| dispatcher.register(registry));
        }
        if let Some(exporter) = &exporter {
            metrics.register(|registry| exporter.register(registry));
        }
        Ok(Self {
            router,
            state,
            reloader,
            worker,
            dispatcher,
            overview,
            limits: server_limits(settings, budget),
            places,
            drain: settings.drain,
            leave,
            stop,
            traces,
            exporter,
        })
    }

    /// Takes over a configuration that is read again later.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// What the metrics listener serves.
    pub fn operator_router(&self) -> Router {
        http::operator::router(self.state.clone(), self.overview.clone())
    }

    /// What an operator sees of all connections together.
    pub fn overview(&self) -> &Overview {
        &self.overview
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.state.edge().metrics
    }

    /// The same server with something around its application: the demo page of `dev`.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl FnOnce(Router) -> Router) -> Self {
        self.router = wrap(self.router);
        self
    }

    /// Serves until `shutdown` resolves, and for the drain time after it; then lets running
    /// requests, refreshes and detached work finish, and closes the database.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let Self {
            router,
            state,
            worker,
            dispatcher,
            overview,
            limits,
            places,
            drain,
            leave,
            stop,
            traces,
            exporter,
            ..
        } = self;
        let clock = state.edge().clock.clone();
        let (finished, last) = watch::channel(false);
        let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(last)));
        let mut tasks = JoinSet::new();
        let keys = state.clone();
        let mut stopped = stop.subscribe();
        tasks.spawn(
            async move {
                let stopped = async move {
                    // An error means that the sender is gone, and the server with it.
                    let _ = stopped.wait_for(|asked| *asked).await;
                };
                keys.verifier().run(stopped).await;
            }
            .with_context(traces.context()),
        );
        let stopped = stop.subscribe();
        if let Some((worker, sweeper)) = worker {
            tasks.spawn(sweeper.run(stop.subscribe()).with_context(traces.context()));
            tasks.spawn(async move { worker.run(stopped).await }.with_context(traces.context()));
        } else {
            let connections = state.connections().clone();
            let storing = replay_journal(connections, clock.clone(), stopped);
            tasks.spawn(storing.with_context(traces.context()));
        }
        if let Some(dispatcher) = dispatcher {
            let stopped = stop.subscribe();
            tasks.spawn(async move { dispatcher.run(stopped).await }.with_context(traces.context()));
        }
        let stopped = stop.subscribe();
        tasks.spawn(async move { overview.run(stopped).await }.with_context(traces.context()));
        let refusals = Some(http::refusals(Arc::clone(state.edge())));
        let service = Service {
            router,
            refusals,
            limits: Arc::new(limits),
            clock: clock.clone(),
            leaving: leave.subscribe(),
            places,
        };
        let serving = http::serve(listener, service, stop.subscribe());
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = shutdown => {
                leave.send_replace(true);
                tracing::info!(seconds = drain.as_secs(), "told to stop; not ready any more, and serving on for a while");
                if !drain.is_zero() {
                    tokio::select! {
                        () = clock.sleep(drain) => {}
                        _ = &mut serving => {}
                    }
                }
                stop.send_replace(true);
                serving.await;
            }
            _ = &mut serving => {
                stop.send_replace(true);
            }
        }
        while tasks.join_next().await.is_some() {}
        state.detached().idle().await;
        state.store().close().await;
        // Last: until here there were spans to finish.
        finished.send_replace(true);
        if let Some(exporting) = exporting {
            // What was not sent has been counted and said; how the task ended does not matter.
            let _ = exporting.await;
        }
    }
}

/// Traces and who exports them; off where they are not wanted.
fn traces(settings: &Settings, seams: &Seams) -> Result<(Traces, Option<Exporter>), StartError> {
    let Some(wanted) = &settings.traces else { return Ok((Traces::off(), None)) };
    let Seams { clock, entropy, transport } = seams.clone();
    let (traces, exporter) = Traces::on(wanted, clock, entropy, transport)?;
    Ok((traces, Some(exporter)))
}

/// The same seams with spans of outgoing requests.
fn traced(seams: &Seams, traces: &Traces) -> Seams {
    let mut seams = seams.clone();
    if traces.are_on() {
        seams.transport = Arc::new(Traced::new(seams.transport));
    }
    seams
}

/// The same seams with every answer's time compared with ours.
fn watched(seams: &Seams, watch: &ClockWatch) -> Seams {
    let transport = Arc::new(Watched::new(seams.transport.clone(), seams.clock.clone(), watch.clone()));
    Seams { transport, ..seams.clone() }
}

/// The same seams with every request counted; for the provider.
fn counted(seams: &Seams, calls: &CallCounts) -> Seams {
    let transport = Arc::new(Counted::new(seams.transport.clone(), calls.clone()));
    Seams { transport, ..seams.clone() }
}

/// What sends events to the app, on replicas that work. `None` where none are wanted.
fn dispatcher(
    settings: &Settings,
    seams: &Seams,
    connections: Connections,
    store: Store,
) -> Result<Option<Dispatcher>, StartError> {
    let Some(webhook) = settings.webhook.as_ref().filter(|_| settings.worker) else { return Ok(None) };
    let key = SigningKey::parse(webhook.secret.expose_secret()).ok_or(StartError::EventSecret)?;
    let endpoint = Endpoint { url: webhook.url.clone(), key };
    let Seams { clock, entropy, transport } = seams.clone();
    Ok(Some(Dispatcher::new(endpoint, connections, store, clock, entropy, transport)))
}

fn verifier(settings: &Settings, seams: &Seams) -> Result<SessionVerifier, StartError> {
    let clerk = &settings.clerk;
    let config = ClerkConfig {
        issuers: clerk.issuers.clone(),
        keys: key_source(clerk).ok_or(StartError::NoKeySource)?,
        parties: clerk.parties.clone(),
        party_mode: party_mode(clerk.parties_mode),
        audiences: clerk.audience.clone(),
        skew: clerk.clock_skew,
        remember: Some(REMEMBERED_TOKENS),
        breaker: Some(RepeatLimits::default()),
        kept_keys: Some(KeptKeys::new(&settings.journal_directory)),
    };
    Ok(SessionVerifier::new(config, seams.transport.clone(), seams.clock.clone())?)
}

fn backend(clerk: &ClerkSettings, seams: &Seams) -> Result<Option<Arc<BackendApi>>, StartError> {
    let Some(secret_key) = &clerk.secret_key else { return Ok(None) };
    let api =
        BackendApi::new(clerk.api_url.clone(), secret_key, seams.transport.clone(), seams.clock.clone())?;
    Ok(Some(Arc::new(api)))
}
