//! Change notices: to this process by a channel, to other replicas by Postgres' LISTEN and NOTIFY.
//! From a SQLite file only one process serves, but commands write to it too: a counter of SQLite
//! says that somebody did.
//!
//! A notice is sent in the transaction that made the change, so it is heard if and only if the
//! change happened. Notices may be lost while the listener reconnects, as
//! [`Store::hears_replicas`](super::Store::hears_replicas) tells. A connection that died silently
//! (dropped by a firewall, its machine gone) looks idle, so the listener checks it now and then.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::engine::{Engine, Failure, Postgres, Sqlite, Unit, values};
use super::statements::{self, Sql};
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::entropy::{self, SystemEntropy};
use crate::provider::ProviderId;

const CHANNEL: &str = "holdfast_changes";
/// Notices kept for a slow receiver; beyond that it learns that it missed some.
const BACKLOG: usize = 1024;
/// Time between two looks whether a command has written to the SQLite file.
const WATCH_EVERY: Duration = Duration::from_secs(1);
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// An idle connection is checked this often.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A checked connection without an answer for this long counts as dead.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A user's status may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Clerk user id.
    pub user_id: String,
    /// The provider.
    pub provider: ProviderId,
    /// The connection's new version; `None` where an attempt changed, or the user was erased.
    pub version: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Changes {
    local: broadcast::Sender<Change>,
    listening: watch::Sender<bool>,
    listener: Option<AbortHandle>,
    /// The SQLite file that this process serves from; watched once somebody listens.
    file: Option<(Sqlite, SharedClock)>,
    watcher: OnceLock<AbortHandle>,
    /// Tells our own notices from those of other replicas. `None`: no other replica is notified.
    replica: Option<String>,
}

impl Changes {
    /// Starts to listen where the engine can. Must be called within a tokio runtime.
    pub(super) fn start(engine: &Engine, clock: &SharedClock) -> Self {
        let local = broadcast::Sender::new(BACKLOG);
        // Only one process serves from a SQLite file, so there is no other replica.
        let mut changes = Self {
            local,
            listening: watch::Sender::new(!matches!(engine, Engine::Postgres(_))),
            listener: None,
            file: None,
            watcher: OnceLock::new(),
            replica: None,
        };
        match engine {
            Engine::Postgres(postgres) if postgres.has_notices() => {
                let replica = replica_name();
                let task = listen(
                    (**postgres).clone(),
                    changes.local.clone(),
                    changes.listening.clone(),
                    clock.clone(),
                    replica.clone(),
                );
                changes.listener = Some(tokio::spawn(task).abort_handle());
                changes.replica = Some(replica);
            }
            Engine::Sqlite(sqlite) if sqlite.is_served() => {
                changes.file = Some((sqlite.unserved(), clock.clone()));
            }
            Engine::Postgres(_) | Engine::Sqlite(_) | Engine::Driven(_) => {}
        }
        changes
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.local.subscribe()
    }

    /// Must be called within a tokio runtime.
    pub(super) fn listening(&self) -> watch::Receiver<bool> {
        if let Some((sqlite, clock)) = &self.file {
            self.watcher.get_or_init(|| {
                let task = watch_file(sqlite.clone(), self.listening.clone(), clock.clone());
                tokio::spawn(task).abort_handle()
            });
        }
        self.listening.subscribe()
    }

    /// Notifies this process, after the commit.
    pub(super) fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            // An error means that nobody listens.
            let _ = self.local.send(change);
        }
    }

    /// Tells the other replicas, when `unit` commits.
    pub(super) async fn notify(&self, unit: &mut Unit, change: &Change) -> Result<(), Failure> {
        let Some(replica) = &self.replica else { return Ok(()) };
        let payload = encode(replica, change);
        unit.rows(Sql::each("", statements::NOTIFY), values![CHANNEL, payload]).await.map(drop)
    }

    pub(super) fn stop(&self) {
        for task in self.listener.iter().chain(self.watcher.get()) {
            task.abort();
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop();
    }
}

/// This replica's name, new at each start. Empty without randomness: then our own notices are heard
/// twice, which costs a read.
fn replica_name() -> String {
    entropy::random::<16>(&SystemEntropy)
        .map_or_else(|_| String::new(), |name| Uuid::from_bytes(name).simple().to_string())
}

/// Has everybody look again after a command has written to the file, and for nothing after we have
/// emptied the log.
async fn watch_file(sqlite: Sqlite, listening: watch::Sender<bool>, clock: SharedClock) {
    let mut seen = None;
    loop {
        // Where the file cannot be read now, whoever reads a status says so.
        if let Ok(version) = sqlite.version_of_others().await
            && seen.replace(version).is_some_and(|seen| seen != version)
        {
            listening.send_replace(true);
        }
        clock.sleep(WATCH_EVERY).await;
    }
}

async fn listen(
    postgres: Postgres,
    local: broadcast::Sender<Change>,
    listening: watch::Sender<bool>,
    clock: SharedClock,
    replica: String,
) {
    // Said once for each outage, not with each try: it ends once something is heard.
    let mut is_told = false;
    loop {
        let connected = SystemClock.now_fine();
        match postgres.listener(CHANNEL).await {
            Ok(mut listener) => {
                listening.send_replace(true);
                let mut has_heard = false;
                while let Some(heard) = hear(&mut listener, &clock).await {
                    has_heard = true;
                    if std::mem::take(&mut is_told) {
                        tracing::info!("the listener for changes on other replicas is connected again");
                    }
                    if let Some(change) = heard.and_then(|notice| decode(&replica, notice.payload())) {
                        let _ = local.send(change);
                    }
                    // Nothing is heard at a former primary.
                    if postgres.is_demoted_after(connected) {
                        break;
                    }
                }
                listening.send_replace(false);
                // Readiness tells of a former primary, and for as long as it is met.
                if !postgres.is_demoted_after(connected) && !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        "the listener for changes on other replicas lost its connection; reconnecting"
                    );
                }
                if has_heard {
                    continue;
                }
            }
            Err(failure) => {
                let error = failure.into_error();
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "the listener for changes on other replicas cannot connect; it keeps trying");
                }
            }
        }
        clock.sleep(RECONNECT_AFTER).await;
    }
}

/// The next notice. `Some(None)`: none yet, but the connection is alive. `None`: it is dead, and
/// notices may have been missed.
async fn hear(listener: &mut PgListener, clock: &SharedClock) -> Option<Option<PgNotification>> {
    tokio::select! {
        notice = listener.try_recv() => return notice.ok().flatten().map(Some),
        () = clock.sleep(ASK_EVERY) => {}
    }
    tokio::select! {
        // A notice that arrives meanwhile is kept for the next call.
        answer = sqlx::query("SELECT 1").execute(listener) => answer.ok().map(|_| None),
        () = clock.sleep(ANSWER_WITHIN) => None,
    }
}

/// `replica provider version user`, separated by spaces; the user id comes last and may hold
/// anything.
fn encode(replica: &str, change: &Change) -> String {
    let version = change.version.map(|version| version.to_string()).unwrap_or_default();
    format!("{replica} {} {version} {}", change.provider, change.user_id)
}

/// `None` for our own notices, and for those of a version with another format.
fn decode(replica: &str, payload: &str) -> Option<Change> {
    let mut parts = payload.splitn(4, ' ');
    let (sender, provider, version, user_id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !sender.is_empty() && sender == replica {
        return None;
    }
    let version = if version.is_empty() { None } else { Some(version.parse().ok()?) };
    Some(Change { user_id: user_id.to_owned(), provider: ProviderId::parse(provider)?, version })
}
