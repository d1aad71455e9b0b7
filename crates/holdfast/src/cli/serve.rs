//! `serve`: the server and its worker, until the process is told to stop.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use crate::app::{Seams, Server};
use crate::http::metrics::Metrics;
use crate::http::{PlaceMetrics, ServerLimits, Service, bind, serve};
use crate::process;
use crate::settings::Purpose;
use crate::telemetry;
use crate::transport::ReqwestTransport;

/// Runs the command.
pub async fn run(context: &Context, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Serve, printer)?;
    telemetry::install(&settings.log, settings.log_format)
        .map_err(|error| Failure::setup(error.to_string(), "correct HOLDFAST_LOG"))?;
    if !settings.core_files {
        process::forbid_core_files();
    }
    // The port first: a second server that is started by mistake must not touch the database.
    let listener = bind(settings.listen, "HOLDFAST_LISTEN").await.map_err(told)?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(bind(address, "HOLDFAST_METRICS_LISTEN").await.map_err(told)?),
        None => None,
    };
    let stop = stop_signal()?;
    let server = Server::build(&settings, &seams(context)?).await.map_err(told)?;
    tracing::info!(
        address = %settings.listen,
        public_url = %settings.public_url,
        worker = settings.worker,
        instagram = settings.instagram.is_some(),
        "serving"
    );
    let (end, ended) = watch::channel(false);
    let metrics = metrics_listener.map(|listener| {
        let router = metrics_router(server.metrics().clone());
        let limits = Arc::new(ServerLimits::default());
        let service = Service {
            router,
            refusals: None,
            limits,
            clock: context.clock.clone(),
            leaving: ended.clone(),
            places: PlaceMetrics::default(),
        };
        tokio::spawn(serve(listener, service, ended))
    });
    server.run(listener, stop).await;
    end.send_replace(true);
    if let Some(metrics) = metrics {
        // It has nothing to lose; how it ended does not matter.
        let _ = metrics.await;
    }
    tracing::info!("stopped");
    Ok(ExitStatus::Success)
}

/// The seams of a real process.
pub(super) fn seams(context: &Context) -> Result<Seams, Failure> {
    let transport = ReqwestTransport::new().map_err(|error| {
        Failure::setup(
            format!("outgoing TLS cannot be set up: {error}"),
            "install the system's root certificates (Debian: ca-certificates)",
        )
    })?;
    Ok(Seams {
        clock: context.clock.clone(),
        entropy: context.entropy.clone(),
        transport: Arc::new(transport),
    })
}

/// Resolves at SIGTERM or SIGINT; a second one ends the process at once, with the number that shells know it by.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::setup(format!("signals cannot be received: {error}"), "see the system's log")
        })
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            let code = tokio::select! {
                _ = terminate.recv() => 128 + 15,
                _ = interrupt.recv() => 128 + 2,
            };
            tracing::warn!("told to stop a second time: ending at once");
            end_at_once(code);
        });
    })
}

#[expect(clippy::exit, reason = "whoever signals twice does not want to wait for anything")]
fn end_at_once(code: i32) {
    std::process::exit(code);
}

/// An error whose sentence says itself what to do.
pub(super) fn told(error: impl std::fmt::Display) -> Failure {
    Failure { sentence: error.to_string(), remedy: None, exit: ExitStatus::Usage }
}

fn metrics_router(metrics: Metrics) -> Router {
    Router::new().fallback(move |uri: ::http::Uri| {
        let metrics = metrics.clone();
        async move {
            if uri.path() == "/metrics" {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(::http::header::CONTENT_TYPE, kind)], metrics.render()).into_response()
            } else {
                ::http::StatusCode::NOT_FOUND.into_response()
            }
        }
    })
}
