//! Between clients and a test's own Postgres server: goes silent, loses answers, is slow, or is
//! strict as PgBouncer is.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::postgres_server::OwnServer;

/// The name that clients look for in the socket's directory.
const SOCKET: &str = ".s.PGSQL.5432";

pub struct Relay {
    directory: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How many connections were made.
    made: AtomicU64,
    /// Connections below this number are silent.
    silent_below: AtomicU64,
    /// What a client says before everything goes silent.
    last_words: Mutex<Option<&'static [u8]>>,
    loses_commits: AtomicBool,
    is_strict: AtomicBool,
    delay_ms: AtomicU64,
}

impl Relay {
    pub fn before(server: &OwnServer) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the socket");
        let listener = UnixListener::bind(directory.path().join(SOCKET)).expect("the socket");
        let (state, target) = (Arc::<State>::default(), server.socket_directory().join(SOCKET));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.made.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, target.clone(), number, Arc::clone(&shared)));
            }
        });
        Self { directory, state }
    }

    /// The address of the server's empty database.
    pub fn url(&self) -> String {
        OwnServer::url_at(self.directory.path())
    }

    /// Nothing passes any more on the connections that are there; new ones work. As a firewall does
    /// that has forgotten them.
    pub fn go_silent(&self) {
        self.state.silent_below.store(self.state.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The same with all that are still to come. As a machine does that hangs.
    pub fn go_silent_for_good(&self) {
        self.state.silent_below.store(u64::MAX, Ordering::SeqCst);
    }

    /// The same as soon as a client says that.
    pub fn go_silent_at(&self, words: &'static str) {
        *self.state.last_words.lock().expect("a lock") = Some(words.as_bytes());
    }

    /// New connections work again; those that are there stay silent.
    pub fn come_back(&self) {
        self.go_silent();
    }

    /// Every commit reaches the server, and the answer gets lost.
    pub fn lose_commits(&self, wanted: bool) {
        self.state.loses_commits.store(wanted, Ordering::SeqCst);
    }

    /// Refuses what PgBouncer refuses in the beginning of a session.
    pub fn be_strict(&self) {
        self.state.is_strict.store(true, Ordering::SeqCst);
    }

    /// Each answer takes so long.
    pub fn be_slow(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).expect("a short time");
        self.state.delay_ms.store(delay, Ordering::SeqCst);
    }
}

async fn carry(client: UnixStream, target: impl AsRef<Path>, number: u64, state: Arc<State>) {
    let Ok(server) = UnixStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let is_silent = || number < state.silent_below.load(Ordering::SeqCst);
    let (is_lost, is_refused) = (AtomicBool::new(false), tokio::sync::Notify::new());
    let up = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            let sent = &bytes[..read];
            if state.is_strict.load(Ordering::SeqCst) && is_unsupported(sent) {
                is_refused.notify_one();
                return std::future::pending().await;
            }
            let last_words = *state.last_words.lock().expect("a lock");
            if last_words.is_some_and(|words| holds(sent, words)) {
                state.silent_below.store(u64::MAX, Ordering::SeqCst);
            }
            if state.loses_commits.load(Ordering::SeqCst) && holds(sent, b"COMMIT") {
                is_lost.store(true, Ordering::SeqCst);
            }
            if !is_silent() && to_server.write_all(sent).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut bytes = vec![0; 65_536];
        loop {
            let read = tokio::select! {
                read = from_server.read(&mut bytes) => read,
                () = is_refused.notified() => {
                    let _ = to_client.write_all(&refusal()).await;
                    return;
                }
            };
            let Ok(read @ 1..) = read else { return };
            tokio::time::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst))).await;
            let is_kept = is_silent() || is_lost.load(Ordering::SeqCst);
            if !is_kept && to_client.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Whether these bytes begin a session with what PgBouncer does not know.
fn is_unsupported(sent: &[u8]) -> bool {
    let is_startup = sent.get(4..8) == Some(&[0, 3, 0, 0]);
    is_startup && (holds(sent, b"extra_float_digits\0") || holds(sent, b"options\0"))
}

/// PgBouncer's words, as a message of the protocol.
fn refusal() -> Vec<u8> {
    let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter\0\0";
    let length = u32::try_from(fields.len() + 4).expect("a short message");
    [b"E".as_slice(), &length.to_be_bytes(), fields].concat()
}
