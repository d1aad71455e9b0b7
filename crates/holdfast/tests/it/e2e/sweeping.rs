//! A running server deletes what has been kept for long enough, if its worker is on.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, ManualClock, SystemClock, before};

use crate::testing::app::App;
use crate::testing::database::{Engine, Place, count_on, execute_on};
use crate::testing::waiting::until;

const DAY: Duration = Duration::from_hours(24);
/// What is kept for 30 days, for a year, and for a day.
const TABLES: [&str; 3] = ["clerk_events", "audit", "attempts"];

async fn left(app: &App) -> i64 {
    let mut left = 0;
    for table in TABLES {
        left += count_on(app.place.engine, &app.place.url, &format!("SELECT COUNT(*) FROM {table}")).await;
    }
    left
}

/// Rows of all that is too old by now, and one of each that is not.
async fn fill(app: &App, clock: &ManualClock, turn: u32) {
    let now = clock.now().as_millisecond();
    let user =
        "INSERT INTO users (id, created_at, updated_at) VALUES ('user_busy', 0, 0) ON CONFLICT DO NOTHING";
    let mut sql = format!("{user};");
    for (name, at) in [("old", now - 400 * 86_400_000), ("new", now)] {
        let key = format!("{name}{turn}");
        let hash = match app.place.engine {
            Engine::Sqlite => format!("CAST('{key}' AS BLOB)"),
            Engine::Postgres => format!("'{key}'::bytea"),
        };
        sql.push_str(&format!(
            "INSERT INTO clerk_events (id, received_at) VALUES ('{key}', {at}); \
             INSERT INTO audit (id, at, actor, action) VALUES ('{key}', {at}, 'operator:ada', 'keys.rotate'); \
             INSERT INTO attempts (id, revision, user_id, provider, state_hash, stage, outcome, return_to, expect, created_at, \
             expires_at, closed_at) VALUES ('{key}', 1, 'user_busy', 'instagram', {hash}, 'closed', 'denied', \
             'https://app.example.com', 'same_account', {at}, {at}, {at});"
        ));
    }
    execute_on(&app.place, &sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_sweeps_within_a_minute_of_its_start_and_every_day() {
    // The stand-ins' answers are stamped by the system's clock, and this one is never ahead of it.
    let clock = ManualClock::new(before(SystemClock.now(), 10 * DAY));
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    fill(&app, &clock, 0).await;
    clock.advance(Duration::from_secs(58));
    let swept = async |kept: i64| {
        until("the old rows are gone", async || {
            // The sweep rests after each step.
            clock.advance(Duration::from_secs(1));
            left(&app).await == kept
        })
        .await;
    };
    swept(3).await;
    assert!(app.metrics.render().contains("holdfast_swept_rows_total{what=\"audit\"} 1"));
    fill(&app, &clock, 1).await;
    until("the sweep has ended", async || {
        clock.advance(Duration::from_millis(2));
        !app.metrics.render().contains("holdfast_last_sweep_timestamp_seconds 0\n")
    })
    .await;
    clock.advance(DAY);
    // The attempts that were new are a day old.
    swept(4).await;
}

/// With pinned keys and a quiet Instagram no server's answer tells the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_far_ahead_of_its_rows_deletes_nothing_for_an_hour() {
    let clock = ManualClock::new(before(SystemClock.now(), 10 * DAY));
    // Postgres, because with a SQLite file this process would be a second server.
    let place = Place::new(Engine::Postgres).await;
    let mut app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    app.stop().await;
    fill(&app, &clock, 0).await;
    clock.advance(50 * DAY);
    let begun = clock.now();
    let replica = app.replica_with(&[("CLERK_JWT_KEY", &app.clerk.jwt_key().unwrap())]).await;
    until("the old rows are gone", async || {
        clock.advance(Duration::from_secs(30));
        left(&app).await < 6
    })
    .await;
    assert!(clock.now().duration_since(begun).as_secs() >= 3600);
    drop(replica);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_worker_is_off_sweeps_nothing_and_says_so() {
    let clock = ManualClock::new(before(SystemClock.now(), 10 * DAY));
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    app.is_ready().await;
    let log = String::from_utf8_lossy(&app.watch.log()).into_owned();
    assert!(log.contains("another server must"), "the operator is told");
    // What sweeps has its metrics.
    assert!(!app.metrics.render().contains("holdfast_last_sweep_timestamp_seconds"));
    if app.place.engine == Engine::Sqlite {
        // One server serves from it.
        return;
    }
    fill(&app, &clock, 0).await;
    clock.advance(DAY);
    assert_eq!(left(&app).await, 6);
    let replica = app.replica_with(&[("HOLDFAST_WORKER", "on")]).await;
    until("the old rows are gone", async || {
        clock.advance(Duration::from_millis(100));
        left(&app).await == 2
    })
    .await;
    drop(replica);
}
