//! Power fails under the real process: its system calls, recorded by `strace`, are replayed up to
//! some point, and of what was not synced then nothing, all or something is there. The database is
//! whole, and nothing that was acknowledged is lost.
//!
//! `HOLDFAST_TEST_POWER_POINTS` sets at how many points (default 24).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use holdfast::app::{Seams, connections, vault};
use holdfast::caller::OwnerId;
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::entropy::SystemEntropy;
use holdfast::settings::{Environment, Purpose, load};
use holdfast::standin::clerk::{Deliver, EventKind, Person};
use holdfast::store::{Store, StoreOptions};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::crowded::{Process, process};
use crate::replicas::graph::Graph;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, KEY, RETURN_TO, SignedIn};
use crate::testing::dice::{Dice, set_or};
use crate::testing::disk::{CALLS, Call, Disk, calls};
use crate::testing::program::ring_entry;
use crate::testing::waiting::until;

/// For each person: connected, disconnected again, and another attempt begun. Links are in the
/// journal too; of an attempt nothing but the database knows.
const ROUNDS: usize = 5;
const ACCOUNTS: [(Person, &str); 3] =
    [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops"), (Person::Edsger, "edsger.writes")];

/// Something that was asked for, and acknowledged; times in microseconds since 1970.
#[derive(Debug)]
struct Done {
    person: Person,
    begun: u64,
    acknowledged: u64,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Linked,
    Unlinked,
    /// The attempt of that id.
    Begun(String),
    /// Clerk's delivery of that id.
    Told(String),
    /// Every data key.
    Rotated,
    /// With all that was theirs.
    Erased,
}

impl Change {
    fn leaves_linked(&self) -> Option<bool> {
        match self {
            Self::Linked => Some(true),
            Self::Unlinked | Self::Erased => Some(false),
            Self::Begun(_) | Self::Told(_) | Self::Rotated => None,
        }
    }
}

fn micros() -> u64 {
    u64::try_from(SystemClock.now_fine().as_microsecond()).expect("a time of today")
}

/// Something asked for, until it is acknowledged.
async fn ask(person: Person, asked: impl Future<Output = Change>) -> Done {
    let begun = micros();
    let change = asked.await;
    Done { person, begun, acknowledged: micros(), change }
}

async fn link(person: Person, ada: &SignedIn<'_>, account: &str) -> Done {
    ask(person, async {
        ada.connect_account(account).await;
        Change::Linked
    })
    .await
}

async fn unlink(person: Person, ada: &SignedIn<'_>) -> Done {
    ask(person, async {
        ada.disconnect().await.good();
        Change::Unlinked
    })
    .await
}

async fn busy_days(person: Person, ada: SignedIn<'_>, account: &str) -> Vec<Done> {
    let mut done = Vec::new();
    for _ in 0..ROUNDS {
        done.push(link(person, &ada, account).await);
        done.push(unlink(person, &ada).await);
        let begins = ask(person, async {
            let answer = ada.begin(json!({"return_to": RETURN_TO})).await;
            assert_eq!(answer.status, StatusCode::CREATED);
            Change::Begun(answer.json()["attempt_id"].as_str().expect("an id").to_owned())
        });
        done.push(begins.await);
    }
    done
}

/// A delivery of Clerk's, and what it changes.
async fn deliver(app: &App, kind: EventKind, person: Person) -> Done {
    ask(person, async {
        let sent = app.clerk.send_webhook(kind, person, Deliver::Once).await.expect("it is sent");
        assert_eq!(sent[0].status, Some(204), "{sent:?}");
        if kind == EventKind::Deleted { Change::Erased } else { Change::Told(sent[0].id.clone()) }
    })
    .await
}

/// What changes although no caller asks for it: refreshes, Clerk's events, and a rotation of the
/// ring, whose calls are recorded too.
async fn quiet_days(app: &App, server: &Process, graph: &Graph) -> Vec<Done> {
    let (person, ada) = (Person::Ada, app.sign_in(Person::Ada).to(&server.base));
    let refreshed = async || {
        let before = graph.refreshes();
        until("the grant is refreshed twice", async || graph.refreshes() >= before + 2).await;
    };
    let mut done = Vec::new();
    for kind in [EventKind::Created, EventKind::Updated] {
        done.push(link(person, &ada, "ada.makes").await);
        refreshed().await;
        done.push(deliver(app, kind, Person::Grace).await);
        done.push(unlink(person, &ada).await);
    }
    done.push(link(person, &ada, "ada.makes").await);
    refreshed().await;
    let rotation = ask(person, async {
        std::fs::write(server.place.path().join("keys"), format!("{},{KEY}", second_key())).expect("a file");
        let process = server.running.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &process]).status().expect("kill runs").success());
        until("the new key seals", async || server.running.logged().contains("\"sealing_key\":\"k2\"")).await;
        let before = format!("{KEYS_IN_A_FILE} exec {} \"$0\" \"$@\"; :", traced("", "rotation"));
        let rotated = server.place.run_within(&before, &["keys", "rotate"]);
        assert_eq!(rotated.code, 0, "{}", rotated.whole());
        Change::Rotated
    });
    done.push(rotation.await);
    refreshed().await;
    done.push(deliver(app, EventKind::Deleted, person).await);
    done
}

fn second_key() -> String {
    ring_entry("k2", 77)
}

/// In a shell: the ring is read from there, so that it can change while a server runs.
const KEYS_IN_A_FILE: &str = "unset HOLDFAST_ENCRYPTION_KEYS; export HOLDFAST_ENCRYPTION_KEYS_FILE=keys;";

/// A command line whose calls are recorded in that file.
fn traced(how: &str, file: &str) -> String {
    format!("strace {how} -f -qq -ttt -y -xx -s 4194304 -e signal=none -e trace={CALLS} -o {file}")
}

/// What may hold of a person at that time: what was acknowledged last, and what was asked for
/// since.
fn possible(done: &[Done], person: Person, at: u64) -> Vec<bool> {
    let of_person = || done.iter().filter(|each| each.person == person);
    let linked = |each: &Done| each.change.leaves_linked();
    let last = of_person().filter(|each| each.acknowledged < at).filter_map(linked).next_back();
    let open = of_person().filter(|each| each.begun < at && each.acknowledged >= at);
    std::iter::once(last.unwrap_or(false)).chain(open.filter_map(linked)).collect()
}

/// Starts the service on what the failure left, and compares. Answers the grants that open.
async fn inspect(app: &App, issued: &[String], place: &Path, done: &[Done], at: u64) -> Vec<String> {
    let file = place.join("own.db");
    let database = rusqlite::Connection::open(&file).expect("it opens");
    let whole: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it answers");
    assert_eq!(whole, "ok", "integrity_check");
    let count = |sql: &str, value: &str| database.query_row(sql, [value], |row| row.get::<_, i64>(0));
    for each in done.iter().filter(|each| each.acknowledged < at) {
        let user = each.person.user_id();
        match &each.change {
            Change::Begun(id) => {
                assert_eq!(count("SELECT count(*) FROM attempts WHERE id = ?", id), Ok(1), "{each:?}");
            }
            Change::Told(id) => {
                assert_eq!(count("SELECT count(*) FROM clerk_events WHERE id = ?", id), Ok(1), "{each:?}");
                assert_eq!(count("SELECT count(*) FROM users WHERE id = ?", user), Ok(1), "{each:?}");
            }
            Change::Rotated => {
                let under = count("SELECT count(*) FROM user_keys WHERE key_id = ?", "k1");
                assert_eq!(under, Ok(0), "{each:?}");
            }
            Change::Erased => {
                assert_eq!(count("SELECT count(*) FROM users WHERE id = ?", user), Ok(0), "{each:?}");
                let known = count("SELECT count(*) FROM deleted_users WHERE user_id = ?", user);
                assert_eq!(known, Ok(1), "{each:?}");
            }
            Change::Linked | Change::Unlinked => {}
        }
    }
    drop(database);
    let environment = app.environment.iter().cloned().chain([
        ("HOLDFAST_DATABASE_URL".to_owned(), format!("sqlite://{}", file.display())),
        ("HOLDFAST_JOURNAL_DIR".to_owned(), place.join("own.journal").display().to_string()),
        ("HOLDFAST_ENCRYPTION_KEYS".to_owned(), format!("{KEY},{}", second_key())),
    ]);
    let settings = load(&Environment::of(environment), None, Purpose::Serve).expect("a configuration");
    let seams = Seams {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        transport: app.transport.clone(),
    };
    let options = StoreOptions::serve(settings.database_url.expose_secret());
    let store = Store::open(&options, seams.clock.clone()).await.expect("the store opens");
    store.migrate().await.expect("it is up to date");
    let vault = vault(&settings, seams.entropy.clone()).expect("a key ring");
    vault.prove(&store.sentinels().await.expect("it answers")).expect("the key ring is the database's");
    let connections = connections(&settings, &seams, &store, &vault);
    connections.journal().prepare();
    connections.replay_journal(&CancellationToken::new()).await.expect("the journal is stored");
    let mut open = Vec::new();
    for (person, _) in ACCOUNTS {
        let owner = OwnerId::named_by_operator(person.user_id().to_owned());
        let grant = connections.usable_grant(&owner).await.ok();
        let is_linked = grant.is_some();
        let possible = possible(done, person, at);
        assert!(possible.contains(&is_linked), "{person:?} is linked: {is_linked}; possible: {possible:?}");
        if let Some(usable) = grant {
            let token = usable.grant.access_token.expose_secret().to_owned();
            assert!(issued.contains(&token), "{person:?}");
            open.push(token);
        }
    }
    store.close().await;
    open
}

/// A server whose system calls are recorded, started in a shell that does that before; and when it
/// could judge.
async fn recorded(app: &App, before: &str, settings: &[(&str, &str)]) -> (Process, u64) {
    Command::new("strace").arg("-V").output().expect("`strace` is needed: scripts/setup.sh installs it");
    // The shell that sets limits becomes strace, whose child the process is not: it is its own.
    let limits = format!("{before} exec {} \"$0\" serve; :", traced("-D", "system-calls"));
    let server = process(app, &limits, settings).await;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    (server, micros())
}

/// What was recorded, and the calls from `ready` to now, among which power fails.
struct Recording {
    root: PathBuf,
    calls: Vec<Call>,
    window: Range<usize>,
}

impl Recording {
    /// Kills the server.
    fn ends(mut server: Process, ready: u64, files: &[&str]) -> Self {
        let last = micros();
        server.running.child.kill().expect("SIGKILL");
        server.running.child.wait().expect("it is dead");
        let root = server.place.path().canonicalize().expect("a directory");
        let read = |file| std::fs::read_to_string(root.join(file)).expect("what was traced");
        let mut all: Vec<Call> = files.iter().flat_map(|file| calls(&read(file), &root)).collect();
        // Calls of two processes: the one that writes to the database has locked it.
        all.sort_by_key(|call| call.at);
        let at = |time| all.partition_point(|call: &Call| call.at < time);
        let window = at(ready)..at(last);
        assert!(window.len() > 500, "{} calls were recorded", window.len());
        Self { root, calls: all, window }
    }

    /// Lets power fail at as many points as are wanted.
    async fn fails(&self, mut inspect: impl AsyncFnMut(&Path, u64)) -> usize {
        let points = usize::try_from(set_or("HOLDFAST_TEST_POWER_POINTS", 24)).expect("it fits");
        let dice = Dice::new(set_or("HOLDFAST_TEST_POWER_SEED", 1));
        let first = self.window.start;
        let mut at: Vec<usize> = (0..points).map(|_| first + dice.below(self.window.len())).collect();
        at.sort_unstable();
        let (mut disk, mut applied) = (Disk::default(), first);
        self.calls[..first].iter().for_each(|call| disk.apply(call));
        disk.settle();
        for point in at {
            self.calls[applied..point].iter().for_each(|call| disk.apply(call));
            applied = point;
            let left = tempfile::tempdir().expect("a directory");
            disk.fail(&dice, &self.root, left.path());
            inspect(left.path(), self.calls[point].at).await;
        }
        points
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_that_fails_anywhere_costs_nothing_that_was_acknowledged() {
    let app = App::start().await;
    let (server, ready) = recorded(&app, "", &[]).await;
    let days =
        ACCOUNTS.map(|(person, account)| busy_days(person, app.sign_in(person).to(&server.base), account));
    let done: Vec<Done> = futures_util::future::join_all(days).await.into_iter().flatten().collect();
    let recording = Recording::ends(server, ready, &["system-calls"]);
    let issued: Vec<String> =
        app.instagram.issued_secrets().iter().map(|each| each.expose_secret().to_owned()).collect();
    let mut linked = 0;
    let points =
        recording.fails(async |left, at| linked += inspect(&app, &issued, left, &done, at).await.len());
    let points = points.await;
    assert!(linked > 0, "never was anybody linked");
    println!(
        "{points} failures among {} calls, {} acknowledged changes: databases whole, nothing lost; {linked} grants open",
        recording.window.len(),
        done.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn power_that_fails_in_a_refresh_an_event_or_a_rotation_costs_nothing() {
    let app = App::start().await;
    let (graph, address) = Graph::start().await;
    let before = format!("printf '{KEY},{}' >keys; {KEYS_IN_A_FILE}", second_key());
    let settings = [
        ("HOLDFAST_REFRESH_MIN_AGE_S", "1"),
        ("HOLDFAST_REFRESH_AT", "0"),
        ("INSTAGRAM_GRAPH_URL", &address),
    ];
    let (server, ready) = recorded(&app, &before, &settings).await;
    app.clerk.set_webhook_target(server.base.join("webhooks/clerk").expect("an address"));
    let done = quiet_days(&app, &server, &graph).await;
    let recording = Recording::ends(server, ready, &["system-calls", "rotation"]);
    let (issued, used) = (graph.issued(), graph.used());
    let mut newest = 0;
    let fails = recording.fails(async |left, at| {
        for token in inspect(&app, &issued, left, &done, at).await {
            // In the hardest of worlds an older one is dead.
            let number = issued.iter().position(|each| *each == token).expect("it was issued");
            let before = used.iter().filter(|(_, used_at)| *used_at < at).map(|(number, _)| *number).max();
            assert!(Some(number) >= before, "number {number} opens, and {before:?} was in use");
            newest += 1;
        }
    });
    let points = fails.await;
    assert!(newest > 0, "never was anybody linked");
    println!(
        "{points} failures among {} calls, {} acknowledged changes, {} refreshes: databases whole, nothing lost; {newest} grants open",
        recording.window.len(),
        done.len(),
        graph.refreshes()
    );
}
