//! A server: built once, run until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::background::kept_running;
use super::parts::{
    backend, clerk_webhooks, connections, counted, dispatcher, server_limits, traced, traces, vault,
    verifier, watched,
};
use super::reload::{Reloader, prove_ring};
use super::{Seams, StartError};
use crate::budget::Budget;
use crate::caller::assertion::AssertionKey;
use crate::caller::service::ServiceVerifier;
use crate::clock::{after, within};
use crate::connections::Connections;
use crate::entropy::{IdEntropy, new_id};
use crate::http::layers::Edge;
use crate::http::metrics::Metrics;
use crate::http::{
    self, Admission, AllowedOrigins, AppState, AppStateParts, Application, PlaceMetrics, ServerLimits,
    Service,
};
use crate::outbox::Dispatcher;
use crate::overview::{ClockWatch, Overview, OverviewMetrics};
use crate::process::FileHandles;
use crate::provider::calls::CallCounts;
use crate::settings::Settings;
use crate::store::{Store, StoreOptions};
use crate::telemetry::LogMetrics;
use crate::telemetry::traces::{Exporter, ServerSpans, Traces, WithContext as _};
use crate::users::Users;
use crate::vault::Vault;
use crate::worker::sweep::Sweeper;
use crate::worker::{Tally, Worker, replay_journal};

/// Time for a handler to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time, once told to stop, for the work beside the requests: Instagram's answers to a refresh take
/// a minute at most.
const FINISH_TIMEOUT: Duration = Duration::from_mins(1);
/// Time for the database to be closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that is ready to serve.
#[derive(Debug)]
pub struct Server {
    application: Application,
    state: AppState,
    reloader: Reloader,
    worker: Option<(Worker, Sweeper)>,
    dispatcher: Option<Dispatcher>,
    overview: Overview,
    limits: ServerLimits,
    places: PlaceMetrics,
    drain: Duration,
    leave: CancellationToken,
    stop: CancellationToken,
    traces: Traces,
    exporter: Option<Exporter>,
}

impl Server {
    /// Opens the database, brings its schema up to date, proves the key ring and builds the
    /// application. Clerk need not be reachable: until its keys are there, protected routes answer
    /// 503.
    pub async fn build(settings: &Settings, seams: &Seams) -> Result<Self, StartError> {
        // Before the database is opened, which takes some.
        let handles = FileHandles::raised();
        let (traces, exporter) = traces(settings, seams)?;
        let watch = ClockWatch::default();
        let traced = traced(seams, &traces);
        let seams = &watched(&traced, &watch);
        let vault = vault(settings, seams.entropy.clone())?;
        let store = open_store(settings, seams, &vault).await?;
        let (calls, metrics, places) = (CallCounts::default(), Metrics::default(), PlaceMetrics::default());
        let connections = connections(settings, &counted(seams, &calls), &store, &vault);
        connections.journal().prepare();
        let tally = Arc::new(Tally::default());
        let overview =
            Overview::new(store.clone(), connections.clone(), seams.clock.clone(), Arc::clone(&tally), watch);
        let budget = Budget::of(settings, handles);
        let (leave, stop) = (CancellationToken::new(), CancellationToken::new());
        let state = AppState::new(AppStateParts {
            edge: Arc::new(edge(settings, seams, &metrics, budget, &traces)),
            verifier: Arc::new(verifier(settings, seams, &vault)?),
            users: Users::new(store.clone(), backend(&settings.clerk, seams), seams.clock.clone()),
            connections: connections.clone(),
            store: store.clone(),
            vault,
            clerk_webhooks: clerk_webhooks(&settings.clerk, seams),
            service_verifier: ServiceVerifier::new(Arc::new(store.clone())),
            meta_secrets: settings.instagram.iter().flat_map(|app| app.callback_secrets.clone()).collect(),
            leaving: leave.clone(),
            assertion_key: settings.forward_auth_secret.as_ref().map(AssertionKey::new),
            stopping: stop.clone(),
            max_streams: budget.streams,
        });
        let origins = AllowedOrigins::from(settings.allowed_origins.clone());
        let application = http::app(state.clone(), &origins);
        let reloader = Reloader { state: state.clone(), origins, seams: seams.clone() };
        let worker = worker(settings, seams, &connections, &store, &tally)?;
        // The clock of the app's receiver is nobody's measure.
        let dispatcher = dispatcher(settings, &traced, connections.clone(), store);
        let (limits, drain) = (server_limits(settings, budget), settings.drain);
        let server = Self {
            application,
            state,
            reloader,
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
        };
        metrics.register(|registry| {
            calls.register(registry);
            tally.register(registry);
            server.register(registry);
        });
        Ok(server)
    }

    fn register(&self, registry: &mut Registry) {
        self.state.connections.register(registry);
        self.places.register(registry);
        registry.register_collector(Box::new(OverviewMetrics(self.overview.clone())));
        registry.register_collector(Box::new(LogMetrics));
        if let Some((_, sweeper)) = &self.worker {
            sweeper.register(registry);
        }
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.register(registry);
        }
        if let Some(exporter) = &self.exporter {
            exporter.register(registry);
        }
    }

    /// The handle that applies a configuration read again later.
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
        &self.state.edge.metrics
    }

    /// The same server with something around its application: the demo page of `dev`.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl FnOnce(Router) -> Router) -> Self {
        self.application = wrap(self.application.into_router()).into();
        self
    }

    /// What answers requests.
    pub fn application(&self) -> Application {
        self.application.clone()
    }

    /// Serves until `shutdown` resolves, and for the drain time after it; then lets running
    /// requests, refreshes and detached work finish, and closes the database.
    pub async fn run(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let finished = CancellationToken::new();
        let exporting = self.exporter.take().map(|exporter| tokio::spawn(exporter.run(finished.clone())));
        let tasks = TaskTracker::new();
        self.start_tasks(&tasks);
        let state = self.state.clone();
        let stopped_at = self.serve(listener, shutdown).await;
        tasks.close();
        let finishing = async {
            tasks.wait().await;
            state.detached().idle().await;
        };
        let clock = &*state.edge.clock;
        tokio::select! {
            () = finishing => {}
            () = clock.sleep_until(after(stopped_at, FINISH_TIMEOUT)) => {
                tracing::warn!("work that does not end is given up; another process takes it up");
            }
        }
        if within(CLOSE_TIMEOUT, clock, state.store.close()).await.is_none() {
            tracing::warn!("the database could not be closed in time");
        }
        // Last, because everything before may still finish spans.
        finished.cancel();
        if let Some(exporting) = exporting {
            // Spans that were not sent have been counted and logged; how the task ended does not
            // matter.
            let _ = exporting.await;
        }
    }

    /// Starts what runs beside the requests, until told to stop.
    fn start_tasks(&mut self, tasks: &TaskTracker) {
        let state = self.state.clone();
        self.start(tasks, "session keys", move |stop| {
            let state = state.clone();
            async move { state.verifier.run(stop.cancelled()).await }
        });
        if let Some((worker, sweeper)) = self.worker.take() {
            let worker = Arc::new(worker);
            self.start(tasks, "sweep", move |stop| sweeper.clone().run(stop));
            self.start(tasks, "worker", move |stop| {
                let worker = Arc::clone(&worker);
                async move { worker.run(stop).await }
            });
        } else {
            let (connections, clock) = (self.state.connections.clone(), self.state.edge.clock.clone());
            self.start(tasks, "journal", move |stop| {
                replay_journal(connections.clone(), clock.clone(), stop)
            });
        }
        if let Some(dispatcher) = self.dispatcher.take().map(Arc::new) {
            self.start(tasks, "events", move |stop| {
                let dispatcher = Arc::clone(&dispatcher);
                async move { dispatcher.run(stop).await }
            });
        }
        let overview = self.overview.clone();
        self.start(tasks, "overview", move |stop| {
            let overview = overview.clone();
            async move { overview.run(stop).await }
        });
    }

    /// Starts a task, which `task` makes anew where it panics.
    fn start<F>(
        &self,
        tasks: &TaskTracker,
        name: &'static str,
        task: impl Fn(CancellationToken) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let kept = kept_running(name, self.state.edge.clock.clone(), self.stop.clone(), task);
        drop(tasks.spawn(kept.with_context(self.traces.context())));
    }

    /// Answers requests until `shutdown` resolves, and for the drain time after it. Returns when
    /// everything was told to stop.
    async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Timestamp {
        let Self { application, state, limits, places, drain, leave, stop, .. } = self;
        let clock = state.edge.clock.clone();
        let service = Service {
            application,
            refusals: Some(http::refusals(Arc::clone(&state.edge))),
            limits: Arc::new(limits),
            clock: clock.clone(),
            leaving: leave.clone(),
            places,
        };
        let mut serving = std::pin::pin!(http::serve(listener, service, stop.clone()));
        tokio::select! {
            () = shutdown => {
                leave.cancel();
                tracing::info!(seconds = drain.as_secs(), "told to stop: no longer ready, still serving for the drain time");
                if !drain.is_zero() {
                    tokio::select! {
                        () = clock.sleep(drain) => {}
                        _ = &mut serving => {}
                    }
                }
                stop.cancel();
                let stopped_at = clock.now();
                serving.await;
                stopped_at
            }
            _ = &mut serving => {
                stop.cancel();
                clock.now()
            }
        }
    }
}

/// The open database, with its schema up to date and its key ring proven.
async fn open_store(settings: &Settings, seams: &Seams, vault: &Vault) -> Result<Store, StartError> {
    let options =
        StoreOptions::serve(settings.database_url.expose_secret()).with_outbox(settings.webhook.is_some());
    let store = Store::open(&options, seams.clock.clone()).await?;
    // Before the schema is changed: whoever took the wrong ring may have to go back.
    if store.is_migrated().await? {
        vault.prove(&store.sentinels().await?)?;
    }
    store.migrate().await?;
    let released = store.release_dead_server().await?;
    if released > 0 {
        tracing::info!(released, "this server was killed while working; it continues the interrupted work");
    }
    prove_ring(vault, &store, seams.clock.now()).await?;
    Ok(store)
}

fn edge(settings: &Settings, seams: &Seams, metrics: &Metrics, budget: Budget, traces: &Traces) -> Edge {
    Edge {
        public_url: settings.public_url.as_str().trim_end_matches('/').to_owned(),
        clock: seams.clock.clone(),
        entropy: Arc::new(IdEntropy::new(seams.entropy.clone())),
        metrics: metrics.clone(),
        admission: Admission::new(budget.requests),
        proxies: settings.trusted_proxies.clone(),
        request_timeout: REQUEST_TIMEOUT,
        spans: ServerSpans::of(traces.clone(), &settings.public_url),
    }
}

/// The worker and the sweeper, on replicas that work.
fn worker(
    settings: &Settings,
    seams: &Seams,
    connections: &Connections,
    store: &Store,
    tally: &Arc<Tally>,
) -> Result<Option<(Worker, Sweeper)>, StartError> {
    if !settings.worker {
        tracing::info!(
            "HOLDFAST_WORKER is off: another server must refresh the grants, and delete rows at the end of their retention"
        );
        return Ok(None);
    }
    // Unique among replicas and restarts: a restarted process must not take its predecessor's
    // leases for its own.
    let name = new_id(&*seams.entropy, seams.clock.now())?.to_string();
    let worker = Worker::new(connections.clone(), store.clone(), seams.clock.clone(), name);
    let sweeper = Sweeper::new(store.clone(), seams.clock.clone());
    Ok(Some((worker.with_tally(Arc::clone(tally)), sweeper)))
}
