//! A server: run until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::background::kept_running;
use super::reload::Reloader;
use crate::clock::{after, within};
use crate::http::metrics::Metrics;
use crate::http::{self, AppState, Application, Service};
use crate::outbox::Dispatcher;
use crate::overview::{self, Overview};
use crate::telemetry::traces::{Exporter, Traces, WithContext as _};
use crate::worker::sweep::Sweeper;
use crate::worker::{Worker, replay_journal};

/// Time, once told to stop, for the work beside the requests: Instagram's answers to a refresh take
/// a minute at most.
const FINISH_TIMEOUT: Duration = Duration::from_mins(1);
/// Time for the database to be closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that is ready to serve.
pub struct Server {
    pub(super) service: Service,
    pub(super) state: AppState,
    pub(super) reloader: Reloader,
    pub(super) worker: Option<(Worker, Sweeper)>,
    pub(super) dispatcher: Option<Dispatcher>,
    pub(super) overview: Overview,
    pub(super) drain: Duration,
    pub(super) stop: CancellationToken,
    pub(super) traces: Traces,
    pub(super) exporter: Option<Exporter>,
}

impl Server {
    pub(super) fn register(&self, registry: &mut Registry) {
        self.state.connections.register(registry);
        overview::register(self.overview.clone(), registry);
        if let Some((_, sweeper)) = &self.worker {
            sweeper.register(registry);
        }
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.register(registry);
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
        self.service.application = wrap(self.service.application.into_router()).into();
        self
    }

    /// What answers requests.
    pub fn application(&self) -> Application {
        self.service.application.clone()
    }

    /// Serves until `shutdown` resolves, and for the drain time after it; then lets running
    /// requests, refreshes and detached work finish, and closes the database.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let serving = http::serve(listener, self.service.clone(), self.stop.clone());
        self.run_beside(serving, shutdown).await;
    }

    /// The same beside what serves already, as [`super::Starting::serve`] does.
    pub async fn run_beside(mut self, serving: impl Future, shutdown: impl Future<Output = ()>) {
        let finished = CancellationToken::new();
        let exporting = self.exporter.take().map(|exporter| tokio::spawn(exporter.run(finished.clone())));
        let tasks = TaskTracker::new();
        self.start_tasks(&tasks);
        let (state, overview) = (self.state.clone(), self.overview.clone());
        let stopped_at = self.until_told(serving, shutdown).await;
        tasks.close();
        let finishing = async {
            tasks.wait().await;
            state.detached().idle().await;
            if let Err(error) = overview.keep_tally().await {
                tracing::debug!(%error, "the counts of the last refreshes were not stored");
            }
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

    /// Lets requests be answered until `shutdown` resolves, and for the drain time after it.
    /// Returns when everything was told to stop.
    async fn until_told(self, serving: impl Future, shutdown: impl Future<Output = ()>) -> Timestamp {
        let Self { service: Service { clock, leaving, .. }, drain, stop, .. } = self;
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = shutdown => {
                leaving.cancel();
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
