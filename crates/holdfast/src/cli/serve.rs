//! `serve`: the server and its worker, until the process is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::context::{Context, log_warnings};
use super::exit::{ExitStatus, Failure, Outcome, told};
use super::printer::Printer;
use crate::app::{RELOADABLE, Reloader, Seams, Starting};
use crate::http::bind;
use crate::settings::{self, Purpose, Reading, Settings};
use crate::telemetry::{self, LogLevels};
use crate::transport::{ReqwestTransport, TransportError};

/// Runs the command.
pub async fn run(context: &Context, printer: &mut Printer) -> Outcome {
    // Before anything that takes time: without a receiver, the signal ends the process, and does
    // nothing to the first one of a container.
    let hangup = receive(SignalKind::hangup())?;
    let mut stop = std::pin::pin!(stop_signal()?);
    let file = context.file()?;
    let (settings, reading, levels) = context.settings_with_log(file.as_ref(), Purpose::Serve, printer)?;
    // The port first: a second server that is started by mistake must not touch the database.
    let listener = bind(settings.listen, "HOLDFAST_LISTEN").await.map_err(told)?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(bind(address, "HOLDFAST_METRICS_LISTEN").await.map_err(told)?),
        None => None,
    };
    let address = listener.local_addr().unwrap_or(settings.listen);
    let seams = seams_with_tls(context)?;
    let starting = Starting::new(&settings, &seams).map_err(told)?;
    let serving = starting.serve(listener);
    let end = CancellationToken::new();
    let metrics = metrics_listener.map(|listener| starting.serve_operators(listener, end.clone()));
    let server = tokio::select! {
        built = starting.build() => built.map_err(told)?,
        // A migration may wait for long.
        () = &mut stop => {
            tracing::info!("told to stop before it served");
            return Ok(ExitStatus::Success);
        }
    };
    tracing::info!(
        %address,
        public_url = %settings.public_url,
        worker = settings.worker,
        instagram = settings.instagram.is_some(),
        "serving"
    );
    let began = Began { file: file.map(|file| file.path), reading };
    let hangups = tokio::spawn(on_hangup(hangup, context.clone(), began, server.reloader(), levels));
    server.run_beside(serving, stop).await;
    hangups.abort();
    end.cancel();
    if let Some(metrics) = metrics {
        // It holds nothing that could be lost; how it ended does not matter.
        let _ = metrics.await;
    }
    tracing::info!("stopped");
    Ok(ExitStatus::Success)
}

/// The seams of a process that may get along without TLS.
pub(super) fn seams(context: &Context) -> Result<Seams, Failure> {
    Ok(over(context, ReqwestTransport::new().map_err(without_tls)?))
}

/// The seams of a server, which is not to start where it could ask nobody.
fn seams_with_tls(context: &Context) -> Result<Seams, Failure> {
    let transport = ReqwestTransport::new().map_err(without_tls)?;
    transport.check_roots().map_err(without_tls)?;
    Ok(over(context, transport))
}

fn over(context: &Context, transport: ReqwestTransport) -> Seams {
    Seams { clock: context.clock.clone(), entropy: context.entropy.clone(), transport: Arc::new(transport) }
}

fn without_tls(error: TransportError) -> Failure {
    Failure::setup(
        format!("outgoing TLS cannot be set up: {error}"),
        "Debian: apt-get install ca-certificates; SSL_CERT_FILE names another file of root certificates",
    )
}

/// What the server began with.
struct Began {
    /// Its configuration file.
    file: Option<PathBuf>,
    reading: Reading,
}

/// Reads and applies the configuration again at each SIGHUP, for as long as it is polled.
async fn on_hangup(
    mut hangup: Signal,
    context: Context,
    began: Began,
    reloader: Reloader,
    levels: LogLevels,
) {
    let mut before = began.reading;
    let mut unconfirmed = None;
    loop {
        let confirmed = async {
            match &unconfirmed {
                Some(ring) => reloader.confirm(ring).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = hangup.recv() => if heard.is_none() { return },
            () = confirmed => {
                unconfirmed = None;
                continue;
            }
        }
        let Some((settings, reading)) = read_again(&context, began.file.as_deref(), &before) else {
            continue;
        };
        match reloader.apply(&settings).await {
            Ok(ring) => unconfirmed = ring,
            Err(error) => {
                tracing::error!(%error, "SIGHUP: the configuration cannot be reloaded; nothing is changed");
                continue;
            }
        }
        log_warnings(&settings);
        // The loader has read this very filter.
        let _ = levels.replace(&settings.log);
        let mut waiting = reading.changed_since(&before);
        waiting.retain(|name| !RELOADABLE.contains(name));
        if waiting.is_empty() {
            before = reading;
        } else {
            tracing::warn!(settings = waiting.join(", "), "these settings take effect only after a restart");
        }
    }
}

/// The configuration as it is now, given the file that the server began with. `None` where it
/// cannot be used: the log says why.
fn read_again(context: &Context, first_file: Option<&Path>, before: &Reading) -> Option<(Settings, Reading)> {
    let file = match (context.file(), first_file) {
        // Without its file the server would fall back to defaults, which nobody asked for.
        (Ok(None), Some(path)) => {
            tracing::error!(
                file = %path.display(),
                "SIGHUP: the configuration file is gone; nothing is changed; put it back, or restart without it"
            );
            return None;
        }
        (Ok(file), _) => file,
        (Err(failure), _) => {
            tracing::error!(
                why = failure.sentence,
                "SIGHUP: the configuration cannot be reloaded; nothing is changed"
            );
            return None;
        }
    };
    match settings::load_again(&context.environment, file.as_ref(), before, RELOADABLE) {
        Ok(read) => Some(read),
        Err(faults) => {
            for fault in &faults.0 {
                tracing::error!(
                    setting = fault.name,
                    what = fault.what,
                    remedy = fault.remedy,
                    "SIGHUP: fault in the configuration"
                );
            }
            let amount = faults.0.len();
            tracing::error!(faults = amount, "SIGHUP: the configuration has faults; nothing is changed");
            None
        }
    }
}

/// Keeps SIGHUP from ending a process that has no configuration to read again.
pub(super) fn ignore_hangup() -> Result<(), Failure> {
    let mut hangup = receive(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: there is no configuration to reload");
        }
    });
    Ok(())
}

fn receive(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        Failure::setup(format!("signals cannot be received: {error}"), "see the system's log")
    })
}

/// Resolves at SIGTERM or SIGINT; a second one ends the process at once, with the number that
/// shells know it by.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) =
        (receive(SignalKind::terminate())?, receive(SignalKind::interrupt())?);
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
            tracing::warn!("told to stop a second time: stopping at once");
            end_at_once(code);
        });
    })
}

/// At the limit of a file's size (`ulimit -f`, `LimitFSIZE=`), lets the write fail and be reported,
/// instead of a signal ending the process.
pub(super) fn outlive_the_limit_of_a_file() -> Result<(), Failure> {
    receive(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Lets signals end the first process of a container, which is not ended by those that it has no
/// receiver for.
pub(super) fn end_when_told() -> Result<(), Failure> {
    if std::process::id() != 1 {
        return Ok(());
    }
    for (kind, number) in
        [(SignalKind::hangup(), 1), (SignalKind::interrupt(), 2), (SignalKind::terminate(), 15)]
    {
        let mut signal = receive(kind)?;
        tokio::spawn(async move {
            if signal.recv().await.is_some() {
                end_at_once(128 + number);
            }
        });
    }
    Ok(())
}

#[expect(clippy::exit, reason = "nobody who comes here waits for anything")]
fn end_at_once(code: i32) {
    telemetry::flush();
    std::process::exit(code);
}
