//! This machine: randomness, ports, files, disk and the journal.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use rustix::fs::Access;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use super::ask;
use super::code::{self, Code};
use super::report::{Check, Report};
use crate::app::Seams;
use crate::clock;
use crate::connections::journal::{Journal, OWN_DIRECTORY};
use crate::process::OWN_HANDLES;
use crate::settings::Settings;
use crate::store;
use crate::transport::{Outgoing, ReqwestTransport, TransportError};

/// Time for a server on this machine to answer; the ports are looked at before all else.
const PATIENCE: Duration = Duration::from_millis(2500);
/// With less left, the disk is called nearly full.
const LEAST_FREE: u64 = 64 * 1024 * 1024;

/// Checks the machine. `true` where a server of ours already holds the configured address.
pub(super) async fn check(settings: &Settings, seams: &Seams, report: &mut Report) -> bool {
    report.add(match crate::entropy::random::<32>(&*seams.entropy) {
        Ok(_) => code::RANDOMNESS.passed("the system delivers random bytes"),
        Err(error) => code::RANDOMNESS.failed(error.to_string()),
    });
    if let Err(error) = ReqwestTransport::new().and_then(|transport| transport.check_roots()) {
        report.add(code::ROOTS.failed(error.to_string()));
    }
    let metrics = async {
        match settings.metrics_listen {
            Some(_) if settings.obstacle().is_some() => {
                Some(code::METRICS_LISTEN.failed("its port is that of HOLDFAST_LISTEN"))
            }
            Some(address) => Some(check_port(settings, seams, code::METRICS_LISTEN, address).await.0),
            None => None,
        }
    };
    let ((listen, is_running), metrics) =
        tokio::join!(check_port(settings, seams, code::LISTEN, settings.listen), metrics);
    report.add(listen);
    if let Some(metrics) = metrics {
        report.add(metrics);
    }
    check_files(settings, report);
    check_disk(settings, report);
    check_journal(settings, report);
    is_running
}

/// Whether the address is free or held by a server of ours; `true` for the latter.
async fn check_port(settings: &Settings, seams: &Seams, code: Code, address: SocketAddr) -> (Check, bool) {
    match TcpListener::bind(address).await {
        Ok(_) => (code.passed(format!("{address} is free")), false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match is_ours(seams, code, address).await {
            Some(true) => {
                let what = format!("a server of this program answers at {address}");
                if code == code::LISTEN
                    && let Some(sign) = other_installation(settings, seams, address).await
                {
                    let check = code.failed(format!("{what}, but of another installation: {sign}"));
                    return (check.mended_by(ANOTHER), false);
                }
                (code.passed(what), true)
            }
            Some(false) => (code.failed(format!("{address} is in use by another program")), false),
            None => {
                let what = format!("{address} is in use by a program that does not answer");
                let check = code.failed(what).mended_by(format!(
                    "if that is this server, it hangs: keep its log, and restart it. Otherwise: {}",
                    code.remedy
                ));
                (check, false)
            }
        },
        Err(error) => (code.failed(format!("cannot listen on {address}: {error}")), false),
    }
}

const ANOTHER: &str = "stop that server, such as `holdfast dev`, or set another port in HOLDFAST_LISTEN. If it is the server that you mean, \
                       run this with its configuration in its directory, or mount the disk of its database";

/// What shows that the server of this program there is not the one that is configured here.
async fn other_installation(settings: &Settings, seams: &Seams, address: SocketAddr) -> Option<String> {
    let file = store::sqlite_file(settings.database_url.expose_secret());
    match file.as_deref().map(|file| (file, store::is_served(file))) {
        Some((_, Some(true))) => return None,
        Some((file, Some(false))) => return Some(format!("it does not work on {}", absolute(file))),
        Some((_, None)) | None => {}
    }
    let url = format!("http://{}/openapi.json", super::super::health::reachable(address));
    let mut request = Outgoing::new(Method::GET, url::Url::parse(&url).ok()?);
    request.max_answer = 4 * 1024 * 1024;
    let answer = clock::within(PATIENCE, &*seams.clock, ask(seams, request)).await?.ok()?;
    let document: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let public = document.pointer("/servers/0/url")?.as_str()?;
    let is_same = public.trim_end_matches('/') == settings.public_url.as_str().trim_end_matches('/');
    (!is_same).then(|| format!("its HOLDFAST_PUBLIC_URL is {public}"))
}

/// Whether the server that listens there is this program; `None` where it does not answer.
async fn is_ours(seams: &Seams, code: Code, address: SocketAddr) -> Option<bool> {
    let address = super::super::health::reachable(address);
    let (path, sign) = if code == code::METRICS_LISTEN {
        // While it starts, too.
        ("metrics", "holdfast_ready")
    } else {
        ("healthz", "\"version\"")
    };
    let url = url::Url::parse(&format!("http://{address}/{path}")).ok()?;
    match clock::within(PATIENCE, &*seams.clock, ask(seams, Outgoing::new(Method::GET, url))).await? {
        Ok(answer) => Some(String::from_utf8_lossy(&answer.body).contains(sign)),
        Err(error) => (error != TransportError::Timeout).then_some(false),
    }
}

/// `serve` raises its limit up to the hard one, so that counts.
fn check_files(settings: &Settings, report: &mut Report) {
    let needed = (settings.max_connections.get() + OWN_HANDLES) as u64;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    report.add(match limit {
        Some(limit) if limit < needed => {
            code::FILE_HANDLES.failed(format!("the limit is {limit}; {needed} may be needed"))
        }
        Some(_) | None => code::FILE_HANDLES.passed(format!("at least {needed} may be open")),
    });
}

/// The directories that are written to: of the SQLite file, and of the journal.
fn check_disk(settings: &Settings, report: &mut Report) {
    let database = store::sqlite_file(settings.database_url.expose_secret());
    let mut places: Vec<PathBuf> = database.into_iter().chain([settings.journal_directory.clone()]).collect();
    for place in &mut places {
        *place = existing(place);
    }
    places.dedup();
    let mut least: Option<(u64, PathBuf)> = None;
    for place in places {
        let Ok(disk) = rustix::fs::statvfs(&place) else { continue };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if least.as_ref().is_none_or(|(other, _)| free < *other) {
            least = Some((free, place));
        }
    }
    let Some((free, place)) = least else { return };
    let what = format!("{} MiB are free at {}", free / (1024 * 1024), place.display());
    report.add(if free < LEAST_FREE { code::DISK.failed(what) } else { code::DISK.passed(what) });
}

/// The nearest directory that is there.
fn existing(place: &Path) -> PathBuf {
    let found = place.ancestors().find(|each| !each.as_os_str().is_empty() && each.is_dir());
    found.unwrap_or(Path::new(".")).to_owned()
}

/// The absolute path, which holds in any directory.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Whether files can be made in the directory. Makes none: doctor may be root, and the directory
/// somebody's who puts links there.
pub(super) fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn check_journal(settings: &Settings, report: &mut Report) {
    let journal = Journal::in_directory(settings.journal_directory.clone());
    let shown = settings.journal_directory.display();
    report.add(if let Err(error) = journal.probe() {
        if error.kind() == ErrorKind::StorageFull && report.finds_fault_with(code::DISK) {
            code::JOURNAL.skipped(format!("{shown} is on the disk that is full"))
        } else {
            code::JOURNAL.failed(format!("{shown} cannot be written ({error})"))
        }
    } else if let servers @ 2.. = journal.servers() {
        let what =
            format!("{servers} servers use {shown}: each stores or deletes what the other keeps there");
        code::JOURNAL.failed(what).mended_by(OWN_DIRECTORY)
    } else {
        match journal.count() {
            Ok(0) => code::JOURNAL.passed(format!("{shown} can be written")),
            Ok(waiting) => code::JOURNAL
                .warning(format!("{waiting} tokens wait in {shown}"))
                .mended_by("the server stores them within a minute; if they stay, its log says why"),
            Err(error) => code::JOURNAL.failed(format!("{shown} cannot be read ({error})")),
        }
    });
}
