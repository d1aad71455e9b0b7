//! A server: built once, run until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::parts::{
    backend, connections, counted, dispatcher, server_limits, traced, traces, vault, verifier, watched,
};
use super::{Reloader, Seams, StartError};
use crate::budget::Budget;
use crate::caller::assertion::AssertionKey;
use crate::caller::service::ServiceVerifier;
use crate::clerk::webhook::WebhookVerifier;
use crate::entropy::{IdEntropy, new_id};
use crate::http::layers::Edge;
use crate::http::metrics::Metrics;
use crate::http::{
    self, Admission, AllowedOrigins, AppState, AppStateParts, PlaceMetrics, ServerLimits, Service,
};
use crate::outbox::Dispatcher;
use crate::overview::{ClockWatch, Overview, OverviewMetrics};
use crate::process::FileHandles;
use crate::provider::calls::CallCounts;
use crate::settings::Settings;
use crate::store::{Store, StoreOptions};
use crate::telemetry::traces::{Exporter, ServerSpans, Traces, WithContext as _};
use crate::users::Users;
use crate::worker::sweep::Sweeper;
use crate::worker::{Tally, Worker, replay_journal};

/// For a handler to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

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
