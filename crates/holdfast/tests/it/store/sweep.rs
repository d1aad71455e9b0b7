//! Two years of somebody who is busy, and of somebody who is not: nothing is kept for longer than
//! is said.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast::clock::{Clock, ManualClock, after};
use holdfast::clock_watch::ClockWatch;
use holdfast::store::{CommitOutcome, HistoryCursor, Store};
use holdfast::worker::sweep::Sweeper;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::fixtures::{DAY, INSTAGRAM, connection, insert, linked, owner, update};
use crate::testing::database::{Engine, TestDb, on_each_engine};

/// Stands still while somebody waits for it: a sweep rests between its steps.
#[derive(Debug)]
pub struct Patient(pub Arc<ManualClock>);

impl Clock for Patient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, _at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

const DAYS: i64 = 730;
/// Rows of each kind.
const A_DAY: i64 = 12;

/// What a day brings, written behind the store's back, since it is much.
async fn a_day(db: &TestDb, busy: &str, day: i64, now: i64) {
    let blob = |text: &str| match db.engine {
        Engine::Sqlite => format!("X'{text}'"),
        Engine::Postgres => format!("'\\x{text}'::bytea"),
    };
    let mut sql = String::new();
    for n in 0..A_DAY {
        let (key, at) = (day * A_DAY + n, now - n * 1000);
        let state = blob(&format!("{key:064x}"));
        let sealed = blob("00");
        sql.push_str(&format!(
            "INSERT INTO attempts (id, revision, user_id, provider, state_hash, stage, outcome, return_to, expect, created_at, \
             expires_at, sealed_completion, closed_at) VALUES ('a{key}', 1, 'user_busy', 'instagram', {state}, 'closed', \
             'denied', 'https://app.example.com', 'same_account', {at}, {at} + 600000, {sealed}, {at}); \
             INSERT INTO clerk_events (id, received_at) VALUES ('e{key}', {at}); \
             INSERT INTO data_deletions (code, provider, requested_at, erased) VALUES ('d{key}', 'instagram', {at}, 0); \
             INSERT INTO withdrawals (provider, account_hash, issued_at) VALUES ('instagram', {state}, {at}); \
             INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ('user_{key}', 'instagram', 'o{key}', {at}, {at}); \
             INSERT INTO connection_history (connection_id, version, position, at, state) VALUES ('{busy}', {key} + 10, 0, {at}, 'connected'); \
             INSERT INTO audit (id, at, actor, action) VALUES ('{key:032x}', {at}, 'operator:ada', 'keys.rotate'); \
             INSERT INTO notices (subject, kind, provider, occurred_at, due_at) VALUES ('n{key}', 'expiring_soon', 'instagram', {at}, {at}); \
             INSERT INTO scope_refusals (connection_id, scope, first_at, last_at) VALUES ('{busy}', 's{key}', {at}, {at}); \
             INSERT INTO refresh_tally (hour, outcome, amount) VALUES ({at} / 3600000, 'o{key}', 1); "
        ));
    }
    db.execute(&sql).await;
}

async fn count(db: &TestDb, table: &str) -> i64 {
    let condition =
        if table == "completions" { "attempts WHERE sealed_completion IS NOT NULL" } else { table };
    db.count(&format!("SELECT COUNT(*) FROM {condition}")).await
}

async fn entries(store: &Store, name: &str) -> usize {
    let mut before: Option<HistoryCursor> = None;
    let mut found = 0;
    loop {
        let page = store.history(&owner(name), INSTAGRAM, before, 100).await.expect("it answers");
        found += page.entries.len();
        match page.next {
            Some(next) => before = Some(next),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_years_hold_every_table_to_its_bound() {
    on_each_engine(async |db| {
        let (busy, quiet) = (connection(&owner("busy"), "1"), connection(&owner("quiet"), "2"));
        for each in [&busy, &quiet] {
            db.store.commit(&insert(each)).await.expect("it commits");
        }
        // Thirty changes long ago, and none since.
        let long_ago = db.clock.now().as_millisecond();
        let old: String = (0..30)
            .map(|n| {
                format!(
                    "INSERT INTO connection_history (connection_id, version, position, at, state) VALUES ('{}', {}, 0, {}, 'connected'); ",
                    quiet.id, n + 10, long_ago + n
                )
            })
            .collect();
        db.execute(&old).await;
        let sweeper = Sweeper::new(db.store.clone(), Arc::new(Patient(db.clock.clone())), ClockWatch::default());
        let mut most = [0; 11];
        for day in 0..DAYS {
            db.clock.advance(DAY);
            a_day(db, &busy.id.to_string(), day, db.clock.now().as_millisecond()).await;
            sweeper.sweep(&CancellationToken::new()).await.expect("it sweeps");
            if day % 73 == 0 || day == DAYS - 1 {
                let tables = [
                    "attempts",
                    "completions",
                    "clerk_events",
                    "data_deletions",
                    "outbox",
                    "connection_history",
                    "audit",
                    "notices",
                    "refresh_tally",
                    "scope_refusals",
                    "withdrawals",
                ];
                for (most, table) in most.iter_mut().zip(tables) {
                    *most = (*most).max(count(db, table).await);
                }
            }
        }
        // A day more than is kept, because a sweep finds what is just too old; history beside the
        // quiet one's twenty.
        let mut bounds = [2, 1, 31, 366, 9, 366, 366, 31, 41, 2, 3].map(|days| days * A_DAY);
        bounds[5] += 22;
        println!("at most {most:?}, bounds {bounds:?}");
        for (most, bound) in most.iter().zip(bounds) {
            assert!(*most <= bound && *most > 0, "{most} of {bound}");
        }
        assert_eq!(entries(&db.store, "quiet").await, 20, "the last twenty stay, however old");
        assert!(i64::try_from(entries(&db.store, "busy").await).unwrap() >= 365 * A_DAY, "a year stays");
        assert!(db.store.connection(&owner("quiet"), INSTAGRAM).await.expect("it answers").is_some());
    })
    .await;
}

/// A replica of an earlier version may move an account after the migration that erased these.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_leaves_of_a_moved_account_is_erased() {
    on_each_engine(async |db| {
        let names = ["ada", "bob", "cy"];
        let mut ids = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            ids.push(linked(&db.store, name, &number.to_string()).await.id);
        }
        db.clock.advance(400 * DAY);
        // Ada's is as such a replica leaves it; Bob's has ended, and is not without its grant.
        let now = db.clock.now().as_millisecond();
        db.execute(&format!(
            "UPDATE connections SET state = 'not_connected', reason = 'account_moved', account_id = NULL, grant_version = NULL, \
             since = {now} WHERE id = '{}'; \
             UPDATE connections SET state = 'reconnect_required', reason = 'revoked', since = {now} WHERE id = '{}'",
            ids[0], ids[1]
        ))
        .await;
        db.clock.advance(DAY / 2);
        let sweeper = Sweeper::new(db.store.clone(), Arc::new(Patient(db.clock.clone())), ClockWatch::default());
        sweeper.sweep(&CancellationToken::new()).await.expect("it sweeps");
        let mut left = Vec::new();
        for id in ids {
            left.push(db.store.sealed_grants(id).await.expect("it answers").len());
        }
        assert_eq!(left, [0, 1, 1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_beside_a_sweep_of_many_rows_waits_for_two_steps_at_most() {
    const ROWS: i64 = 6_000;
    const STEP: i64 = 200;
    on_each_engine(async |db| {
        let mut connection = linked(&db.store, "ada", "1").await;
        let old = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
             INSERT INTO clerk_events (id, received_at) SELECT 'e' || i, i FROM n"
        );
        db.execute(&old).await;
        let sweeper = Sweeper::new(db.store.clone(), db.clock.clone(), ClockWatch::default());
        let sweeping = tokio::spawn(async move { sweeper.sweep(&CancellationToken::new()).await });
        let (mut left, mut writes) = (ROWS, 0);
        while !sweeping.is_finished() {
            // The sweep rests after each step, by this clock; the writer comes as it goes on.
            db.clock.advance(Duration::from_millis(20));
            let change = update(&connection);
            assert_eq!(db.store.commit(&change).await, Ok(CommitOutcome::Committed));
            connection = change.connection.expect("a connection").connection;
            writes += 1;
            let now = count(db, "clerk_events").await;
            // The one that was under way, and the one that the clock has let go on.
            assert!(left - now <= 2 * STEP, "{} rows went while one write waited", left - now);
            left = now;
        }
        sweeping.await.expect("it ends").expect("it sweeps");
        assert_eq!(left, 0);
        assert!(writes >= ROWS / (2 * STEP), "{writes} writes beside {} steps", ROWS / STEP);
    })
    .await;
}

async fn minutes_pass(db: &TestDb, minutes: u32) {
    for _ in 0..minutes {
        db.clock.advance(Duration::from_mins(1));
        // The sweeper is woken meanwhile.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The minutes until nothing is left of `clerk_events`, and at most `most`.
async fn minutes_until_swept(db: &TestDb, most: u32) -> u32 {
    for minute in 0..most {
        if count(db, "clerk_events").await == 0 {
            return minute;
        }
        minutes_pass(db, 1).await;
    }
    most
}

/// When the database was last used, as a start two hours later finds it.
async fn last_used(db: &TestDb) -> Timestamp {
    let start = after(db.clock.now(), Duration::from_hours(2));
    db.store.last_used_at(start).await.expect("it answers").expect("it was used")
}

/// What a sweep by a wrong clock deletes is gone for good. It lasts until the time is set.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_swept_by_a_clock_that_is_ahead() {
    let db = TestDb::new(Engine::Sqlite).await;
    let at = db.clock.now().as_millisecond();
    db.execute(&format!("INSERT INTO clerk_events (id, received_at) VALUES ('new', {at})")).await;
    let watch = ClockWatch::default();
    watch.saw(last_used(&db).await);
    db.clock.advance(400 * DAY);
    let sweeper = Sweeper::new(db.store.clone(), db.clock.clone(), watch.clone());
    let running = tokio::spawn(sweeper.run(CancellationToken::new()));
    assert_eq!(minutes_until_swept(&db, 50).await, 50, "it seems to have leapt");
    for _ in 0..3 {
        watch.note(400.0 * 86_400.0, db.clock.now());
        assert_eq!(minutes_until_swept(&db, 50).await, 50, "it is known to be ahead");
    }
    watch.note(0.0, db.clock.now());
    assert!(minutes_until_swept(&db, 50).await < 50, "it is known to be right");
    // That sweep goes on to its end.
    minutes_pass(&db, 20).await;
    let at = (db.clock.now() - 40 * DAY).as_millisecond();
    db.clock.advance(2 * DAY);
    db.execute(&format!("INSERT INTO clerk_events (id, received_at) VALUES ('next', {at})")).await;
    let waited = minutes_until_swept(&db, 300).await;
    assert!((50..300).contains(&waited), "it has leapt, and nothing is known of it for an hour: {waited}");
    // It rests by a clock that stands still from now on.
    running.abort();
}

/// With pinned keys and a quiet Instagram no server's answer tells the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_nothing_speaks_against_is_believed_at_once() {
    let db = TestDb::new(Engine::Sqlite).await;
    linked(&db.store, "ada", "1").await;
    let old = (db.clock.now() - 40 * DAY).as_millisecond();
    db.execute(&format!("INSERT INTO clerk_events (id, received_at) VALUES ('old', {old})")).await;
    let watch = ClockWatch::default();
    watch.saw(last_used(&db).await);
    db.clock.advance(DAY - Duration::from_hours(1));
    let sweeper = Sweeper::new(db.store.clone(), db.clock.clone(), watch);
    let running = tokio::spawn(sweeper.run(CancellationToken::new()));
    let waited = minutes_until_swept(&db, 50).await;
    assert!(waited <= 2, "{waited} minutes");
    running.abort();
}
