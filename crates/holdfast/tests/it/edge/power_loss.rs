//! Power fails under the real process: its system calls, recorded by `strace`, are replayed up to
//! some point, and of what was not synced then nothing, all or something is there. The database is
//! whole, and nothing that was acknowledged is lost.
//!
//! `HOLDFAST_TEST_POWER_POINTS` sets at how many points (default 24).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use holdfast::app::{Seams, connections, vault};
use holdfast::caller::OwnerId;
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::entropy::SystemEntropy;
use holdfast::settings::{Environment, Purpose, load};
use holdfast::standin::clerk::Person;
use holdfast::store::{Store, StoreOptions};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::crowded::process;
use crate::e2e::app::{self, App, RETURN_TO, SignedIn};
use crate::support::dice::{Dice, set_or};
use crate::support::disk::{CALLS, Disk, calls};
use crate::support::waiting::until;

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
}

impl Change {
    fn leaves_linked(&self) -> Option<bool> {
        match self {
            Self::Linked => Some(true),
            Self::Unlinked => Some(false),
            Self::Begun(_) => None,
        }
    }
}

fn micros() -> u64 {
    u64::try_from(SystemClock.now_fine().as_microsecond()).expect("a time of today")
}

async fn busy_days(person: Person, ada: SignedIn<'_>, account: &str) -> Vec<Done> {
    let mut done = Vec::new();
    for _ in 0..ROUNDS {
        let begun = micros();
        ada.connect_account(account).await;
        done.push(Done { person, begun, acknowledged: micros(), change: Change::Linked });
        let begun = micros();
        let gone = ada.send(Method::DELETE, "/user/instagram", None).await;
        assert_eq!(gone.status, StatusCode::OK);
        done.push(Done { person, begun, acknowledged: micros(), change: Change::Unlinked });
        let begun = micros();
        let body = json!({"return_to": RETURN_TO});
        let answer = ada.send(Method::POST, "/user/instagram/connect", Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let attempt = app::json(&answer)["attempt_id"].as_str().expect("an id").to_owned();
        done.push(Done { person, begun, acknowledged: micros(), change: Change::Begun(attempt) });
    }
    done
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

/// Starts the service on what the failure left, and compares. Answers how many links are whole.
async fn inspect(app: &App, place: &Path, done: &[Done], at: u64) -> usize {
    let file = place.join("own.db");
    let database = rusqlite::Connection::open(&file).expect("it opens");
    let whole: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it answers");
    assert_eq!(whole, "ok", "integrity_check");
    let knows = |attempt: &str| {
        database.query_row("SELECT count(*) FROM attempts WHERE id = ?", [attempt], |row| row.get(0)) == Ok(1)
    };
    for each in done.iter().filter(|each| each.acknowledged < at) {
        if let Change::Begun(attempt) = &each.change {
            assert!(knows(attempt), "an attempt that was acknowledged is gone: {each:?}");
        }
    }
    drop(database);
    let environment = app.environment.iter().cloned().chain([
        ("HOLDFAST_DATABASE_URL".to_owned(), format!("sqlite://{}", file.display())),
        ("HOLDFAST_JOURNAL_DIR".to_owned(), place.join("own.journal").display().to_string()),
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
    let issued: Vec<String> =
        app.instagram.issued_secrets().iter().map(|each| each.expose_secret().to_owned()).collect();
    let mut linked = 0;
    for (person, _) in ACCOUNTS {
        let owner = OwnerId::named_by_operator(person.user_id().to_owned());
        let grant = connections.usable_grant(&owner).await.ok();
        let is_linked = grant.is_some();
        let possible = possible(done, person, at);
        assert!(possible.contains(&is_linked), "{person:?} is linked: {is_linked}; possible: {possible:?}");
        if let Some(usable) = grant {
            assert!(issued.contains(&usable.grant.access_token.expose_secret().to_owned()), "{person:?}");
            linked += 1;
        }
    }
    store.close().await;
    linked
}

#[tokio::test(flavor = "multi_thread")]
async fn power_that_fails_anywhere_costs_nothing_that_was_acknowledged() {
    let points = usize::try_from(set_or("HOLDFAST_TEST_POWER_POINTS", 24)).expect("it fits");
    Command::new("strace").arg("-V").output().expect("`strace` is needed: scripts/setup.sh installs it");
    let app = App::start().await;
    // The shell that sets limits becomes strace, whose child the process is not: it is its own.
    let traced = format!(
        "exec strace -D -f -qq -ttt -y -xx -s 4194304 -e signal=none -e trace={CALLS} -o system-calls \"$0\" serve; :"
    );
    let mut server = process(&app, &traced, &[]).await;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    let ready = micros();
    let days =
        ACCOUNTS.map(|(person, account)| busy_days(person, app.sign_in(person).to(&server.base), account));
    let done: Vec<Done> = futures_util::future::join_all(days).await.into_iter().flatten().collect();
    let last = micros();
    server.running.child.kill().expect("SIGKILL");
    server.running.child.wait().expect("it is dead");

    let root = server.place.path().canonicalize().expect("a directory");
    let trace = std::fs::read_to_string(root.join("system-calls")).expect("what was traced");
    let calls = calls(&trace, &root);
    let first = calls.partition_point(|call| call.at < ready);
    let end = calls.partition_point(|call| call.at < last);
    assert!(end - first > 500, "{} calls were recorded", end - first);
    let dice = Dice::new(set_or("HOLDFAST_TEST_POWER_SEED", 1));
    let mut at: Vec<usize> = (0..points).map(|_| first + dice.below(end - first)).collect();
    at.sort_unstable();
    let (mut disk, mut applied, mut linked) = (Disk::default(), first, 0);
    calls[..first].iter().for_each(|call| disk.apply(call));
    disk.settle();
    for point in at {
        calls[applied..point].iter().for_each(|call| disk.apply(call));
        applied = point;
        let left = tempfile::tempdir().expect("a directory");
        disk.fail(&dice, &root, left.path());
        linked += inspect(&app, left.path(), &done, calls[point].at).await;
    }
    assert!(linked > 0, "never was anybody linked");
    println!(
        "{points} failures among {} calls, {} acknowledged changes: databases whole, nothing lost; {linked} grants open",
        end - first,
        done.len()
    );
}
