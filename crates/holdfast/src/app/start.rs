//! The start of a server: it answers from the first moment, and opens its database meanwhile.
//!
//! Opening may take long: a database that is away, a migration that waits for a table. Without
//! answers, clients would wait for as long at an open port, and a supervisor that asks `/healthz`
//! would take the process for dead (docs/decisions/0029-answers-while-it-starts.md).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::parts::{
    backend, clerk_webhooks, connections, counted, dispatcher, server_limits, traced, traces, vault,
    verifier, watched,
};
use super::reload::{Reloader, prove_ring};
use super::server::Server;
use super::{Seams, StartError};
use crate::budget::Budget;
use crate::caller::assertion::AssertionKey;
use crate::caller::service::ServiceVerifier;
use crate::clock_watch::ClockWatch;
use crate::connections::Connections;
use crate::entropy::{IdEntropy, new_id};
use crate::http::layers::{Edge, Layers};
use crate::http::metrics::Metrics;
use crate::http::{
    self, Admission, AllowedOrigins, AppState, AppStateParts, PlaceMetrics, ServerLimits, Service, Successor,
    operator,
};
use crate::outbox::Dispatcher;
use crate::overview::Overview;
use crate::process::{self, FileHandles};
use crate::provider::calls::CallCounts;
use crate::settings::{Settings, remedy_text};
use crate::store::{Store, StoreOptions};
use crate::telemetry;
use crate::telemetry::traces::{Exporter, ServerSpans, Traces};
use crate::users::Users;
use crate::vault::Vault;
use crate::worker::sweep::Sweeper;
use crate::worker::{Tally, Worker};

/// Time for a handler to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a start that nobody notices: who comes within it waits for the server itself.
const QUICK: Duration = Duration::from_millis(500);

/// A server whose database is not open yet.
pub struct Starting<'a> {
    settings: &'a Settings,
    /// With traces.
    traced: Seams,
    /// With traces, and with each answer's `Date` compared with our clock.
    seams: Seams,
    watch: ClockWatch,
    traces: Traces,
    exporter: Option<Exporter>,
    edge: Arc<Edge>,
    origins: AllowedOrigins,
    layers: Arc<Layers>,
    budget: Budget,
    /// What is served meanwhile.
    service: Service,
    stop: CancellationToken,
    /// What takes over on the public listener, and on that of the metrics.
    successor: Successor,
    operators: Successor,
}

impl<'a> Starting<'a> {
    /// All that needs no database.
    pub fn new(settings: &'a Settings, seams: &Seams) -> Result<Self, StartError> {
        // Before the database is opened, which takes some.
        let handles = FileHandles::raised();
        let (traces, exporter) = traces(settings, seams)?;
        let watch = ClockWatch::default();
        let traced = traced(seams, &traces);
        let seams = watched(&traced, &watch);
        let (metrics, places) = (Metrics::default(), PlaceMetrics::default());
        metrics.register(|registry| {
            places.register(registry);
            telemetry::register(registry);
            if let Some(exporter) = &exporter {
                exporter.register(registry);
            }
        });
        let budget = Budget::of(settings, handles);
        let edge = Arc::new(edge(settings, &seams, &metrics, budget, &traces));
        let origins = AllowedOrigins::from(settings.allowed_origins.clone());
        let layers = http::layers(Arc::clone(&edge), &origins);
        let successor = Successor::default();
        let service = Service {
            application: http::starting(Arc::clone(&layers)).until(&successor),
            refusals: Some(http::refusals(Arc::clone(&edge))),
            limits: Arc::new(server_limits(settings, budget)),
            clock: seams.clock.clone(),
            leaving: CancellationToken::new(),
            places,
        };
        let (stop, operators) = (CancellationToken::new(), Successor::default());
        Ok(Self {
            settings,
            traced,
            seams,
            watch,
            traces,
            exporter,
            edge,
            origins,
            layers,
            budget,
            service,
            stop,
            successor,
            operators,
        })
    }

    /// Serves from now on, for [`Server::run_beside`].
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        serve(listener, self.service.clone(), self.successor.clone(), self.stop.clone())
    }

    /// Serves operators at the metrics listener from now on, until `end`.
    pub fn serve_operators(&self, listener: TcpListener, end: CancellationToken) -> JoinHandle<()> {
        let router = for_operators(self.settings, operator::starting(self.edge.metrics.clone()));
        // Few connections: file handles used here would be missing for callers.
        let limits =
            Arc::new(ServerLimits { max_connections: process::OPERATORS, ..ServerLimits::default() });
        let service = Service {
            application: http::Application::from(router).until(&self.operators),
            refusals: None,
            limits,
            leaving: end.clone(),
            places: PlaceMetrics::default(),
            ..self.service.clone()
        };
        serve(listener, service, self.operators.clone(), end)
    }

    /// Opens the database, brings its schema up to date, proves the key ring, and lets the server
    /// answer. Clerk need not be reachable: until its keys are there, protected routes answer 503.
    pub async fn build(self) -> Result<Server, StartError> {
        let Self { settings, traced, seams, watch, traces, exporter, .. } = self;
        let Self { edge, origins, layers, budget, service, stop, successor, operators, .. } = self;
        let seams = &seams;
        let vault = vault(settings, seams.entropy.clone())?;
        let store = open_store(settings, seams, &vault).await?;
        store.distrust_log();
        // Before anything is stored by this clock.
        match store.last_used_at(seams.clock.now()).await {
            Ok(Some(at)) => watch.saw(at),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    "it is not known when the database was last used; this machine's clock is doubted for an hour"
                );
                watch.saw(Timestamp::MIN);
            }
        }
        let calls = CallCounts::default();
        let connections = connections(settings, &counted(seams, &calls), &store, &vault);
        connections.journal().prepare();
        let tally = Arc::new(Tally::default());
        // The clock of the app's receiver is nobody's measure.
        let dispatcher = dispatcher(settings, &traced, connections.clone(), store.clone(), watch.clone());
        let overview = Overview::new(
            store.clone(),
            connections.clone(),
            seams.clock.clone(),
            Arc::clone(&tally),
            watch.clone(),
        )
        .counting_lost_events(dispatcher.as_ref().map(Dispatcher::given_up).unwrap_or_default());
        let state = AppState::new(AppStateParts {
            edge,
            verifier: Arc::new(verifier(settings, seams, &vault)?),
            remedy_text: |remedy| remedy_text(remedy, false),
            users: Users::new(store.clone(), backend(&settings.clerk, seams), seams.clock.clone()),
            connections: connections.clone(),
            store: store.clone(),
            vault,
            clerk_webhooks: clerk_webhooks(&settings.clerk, seams),
            service_verifier: ServiceVerifier::new(Arc::new(store.clone())),
            meta_secrets: settings.instagram.iter().flat_map(|app| app.callback_secrets.clone()).collect(),
            leaving: service.leaving.clone(),
            assertion_key: settings.forward_auth_secret.as_ref().map(AssertionKey::new),
            stopping: stop.clone(),
            max_streams: budget.streams,
        });
        let application = http::app(state.clone(), layers);
        let reloader = Reloader { state: state.clone(), origins, seams: seams.clone() };
        let worker = worker(settings, seams, &connections, &store, &tally, watch)?;
        let server = Server {
            service: Service { application: application.clone(), ..service },
            state,
            reloader,
            worker,
            dispatcher,
            overview,
            drain: settings.drain,
            stop,
            traces,
            exporter,
        };
        server.metrics().register(|registry| {
            calls.register(registry);
            tally.register(registry);
            server.register(registry);
        });
        successor.set(application);
        operators.set(for_operators(settings, server.operator_router()).into());
        Ok(server)
    }
}

impl Server {
    /// Builds a server that nobody asks meanwhile.
    pub async fn build(settings: &Settings, seams: &Seams) -> Result<Self, StartError> {
        Starting::new(settings, seams)?.build().await
    }
}

/// `router` as the metrics listener serves it.
fn for_operators(settings: &Settings, router: Router) -> Router {
    let is_loopback = settings.metrics_listen.is_some_and(|address| address.ip().is_loopback());
    if is_loopback { operator::for_this_machine_only(router) } else { router }
}

/// Serves, once the successor is there or does not come soon.
fn serve(
    listener: TcpListener,
    service: Service,
    successor: Successor,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = successor.is_there() => {}
            () = service.clock.sleep(QUICK) => {}
        }
        http::serve(listener, service, stop).await;
    })
}

/// The open database, with its schema up to date and its key ring proven.
async fn open_store(settings: &Settings, seams: &Seams, vault: &Vault) -> Result<Store, StartError> {
    let options =
        StoreOptions::serve(settings.database_url.expose_secret()).with_outbox(settings.webhook.is_some());
    let store = Store::open(&options, seams.clock.clone()).await?;
    // Before the schema changes: the wrong ring may mean that the former program must run again.
    if store.is_migrated().await? {
        vault.prove(&store.sentinels().await?)?;
    }
    store.migrate().await?;
    if let Ok(Some(facts)) = store.server_facts().await
        && let Some(off) = facts.crash_unsafe
    {
        tracing::warn!(
            off,
            "a crash of the database's machine may lose or damage what was committed; `holdfast doctor` says more"
        );
    }
    let released = store.release_dead_server().await?;
    if released > 0 {
        tracing::info!(released, "this server was killed while working; it continues the interrupted work");
    }
    prove_ring(vault, &store).await?;
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
    watch: ClockWatch,
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
    let worker = worker.with_tally(Arc::clone(tally)).with_watch(watch.clone());
    Ok(Some((worker, Sweeper::new(store.clone(), seams.clock.clone(), watch))))
}
