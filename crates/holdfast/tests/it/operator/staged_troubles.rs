//! Troubles, staged in a running server: what its real `/metrics` says before and meanwhile
//! is judged by Prometheus' own rule tester, which must raise exactly the trouble's alert; and the
//! operator's page names it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use holdfast::clock::{Clock as _, ManualClock, SystemClock, after, before};
use holdfast::overview::alerts::ALERTS;
use holdfast::standin::clerk::{Fault as ClerkFault, Person, Surface};
use holdfast::standin::instagram::{Endpoint, Fault, UsageFigures};
use http::{StatusCode, header};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::alerts::{judged, with_expectations};
use super::page::page;
use crate::outbox::endpoint::{AppEndpoint, SECRET};
use crate::reference::rules;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::database::{Engine, Place, count_on, execute_on};
use crate::testing::postgres_server::OwnServer;
use crate::testing::waiting::until;

/// What a scrape shows.
struct Scrape {
    /// When, by the server's clock, in unix seconds.
    at: f64,
    /// Series with their values.
    values: BTreeMap<String, f64>,
    /// The names that only grow.
    growing: Vec<String>,
}

impl Scrape {
    async fn of(app: &App) -> Self {
        let text = page(app, "/metrics").await.1;
        let growing = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .filter(|(_, kind)| matches!(*kind, "counter" | "histogram"))
            .map(|(name, _)| name.to_owned())
            .collect();
        let values = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(" # ").next().unwrap_or(line))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse::<f64>().ok()?)))
            .filter(|(_, value)| value.is_finite())
            .collect();
        let at = f64::from(i32::try_from(app.clock.now().as_second()).unwrap());
        Self { at, values, growing }
    }

    fn grows(&self, series: &str) -> bool {
        let name = series.split('{').next().unwrap_or(series);
        self.growing
            .iter()
            .any(|known| name.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with('_')))
    }
}

/// A trouble as it was seen.
struct Staged {
    alert: Option<&'static str>,
    before: Scrape,
    during: Scrape,
    html: String,
    is_up: bool,
}

impl Staged {
    /// Looks again, as the server does every quarter of a minute.
    async fn look(app: &App, alert: &'static str, before: Scrape) -> Self {
        // A database that is slow or away is one of the troubles.
        let _ = app.overview.look().await;
        let _ = app.overview.look_at_the_rest().await;
        Self::as_it_is(app, alert, before).await
    }

    /// The same once the database is looked at anew: what was found before counts for a second.
    async fn once_looked_at(app: &App, alert: &'static str, before: Scrape) -> Self {
        until("it is told", async || page(app, "/troubles").await.1.contains(alert)).await;
        Self::look(app, alert, before).await
    }

    async fn as_it_is(app: &App, alert: &'static str, before: Scrape) -> Self {
        let during = Scrape::of(app).await;
        let html = page(app, "/").await.1;
        Self { alert: Some(alert), before, during, html, is_up: true }
    }

    /// A test of Prometheus' tester. What grew between the two scrapes grows on so every minute;
    /// times are as far away as they were, and those of the worker's last round and of the last look
    /// move on where they were recent.
    fn rule_test(&self) -> String {
        let Self { alert, before, during, is_up, .. } = self;
        let mut text = String::from("  - interval: 1m\n    input_series:\n");
        let mut add = |series: &str, values: String| {
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.replace('\'', "''");
            let comma = if labels == "}" { "" } else { "," };
            writeln!(
                text,
                "      - {{series: '{name}{{job=\"holdfast\",instance=\"a:9090\"{comma}{labels}', values: '{values}'}}"
            )
            .unwrap();
        };
        add("up", format!("{}x90", u8::from(*is_up)));
        // What is not scraped is no series.
        for (series, value) in during.values.iter().filter(|_| *is_up) {
            let values = if during.grows(series) {
                let first = before.values.get(series).copied().unwrap_or_default();
                format!("{first}+{}x90", (value - first).max(0.0))
            } else if series.split('{').next().is_some_and(|name| name.ends_with("_timestamp_seconds")) {
                let from_now = value - during.at;
                let moves_on = series == TICKED || series == "holdfast_overview_timestamp_seconds";
                let is_recent = moves_on && from_now > -600.0;
                if is_recent { "0+60x90".to_owned() } else { format!("{from_now}x90") }
            } else {
                format!("{value}x90")
            };
            add(series, values);
        }
        text.push_str("    alert_rule_test:\n");
        for each in ALERTS {
            writeln!(text, "      - eval_time: 80m\n        alertname: {}", each.name).unwrap();
            if *alert == Some(each.name) {
                writeln!(text, "        exp_alerts: [{{exp_labels: LABELS_OF_{}}}]", each.name).unwrap();
            } else {
                text.push_str("        exp_alerts: []\n");
            }
        }
        with_expectations(&text)
    }
}

/// With one connection, looked at.
async fn connected(more: &[(&str, &str)]) -> App {
    let app = App::with(more, |_| {}).await;
    settle(&app).await;
    app
}

async fn settle(app: &App) {
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.overview.look().await.unwrap();
    app.overview.look_at_the_rest().await.unwrap();
}

/// The series of the worker's last round.
const TICKED: &str = "holdfast_worker_last_tick_timestamp_seconds";

const CHECK_AT_ONCE: (&str, &str) = ("HOLDFAST_CHECK_INTERVAL_S", "0");

async fn check(app: &App, times: usize) {
    let ada = app.sign_in(Person::Ada);
    for _ in 0..times {
        ada.check().await;
    }
}

async fn healthy() -> Staged {
    let app = connected(&[CHECK_AT_ONCE]).await;
    let before = Scrape::of(&app).await;
    check(&app, 2).await;
    Staged { alert: None, ..Staged::look(&app, "", before).await }
}

async fn instagram_is_down() -> Staged {
    let app = connected(&[CHECK_AT_ONCE]).await;
    let before = Scrape::of(&app).await;
    app.instagram.set_fault(None, Fault::ServerErrorJson).unwrap();
    check(&app, 12).await;
    Staged::look(&app, "HoldfastInstagramDown", before).await
}

async fn the_secret_is_wrong_after_a_rotation() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    app.instagram.arm(None, Fault::WrongClientSecret, Some(Endpoint::Token), None).unwrap();
    let grace = app.sign_in(Person::Grace);
    let back = grace.approve("grace.hops").await;
    assert_eq!(grace.complete(&back).await.code(), "app_misconfigured");
    Staged::look(&app, "HoldfastAppRefused", before).await
}

/// Whose browser asked Instagram with another of the app's redirect addresses gets a code that our
/// address does not fit.
async fn one_person_changes_the_redirect_address() -> Staged {
    one_person_is_refused(connected(&[]).await).await
}

/// At a replica that has just started: others connected before.
async fn one_person_changes_the_redirect_address_after_a_start() -> Staged {
    let clock = || Arc::new(SystemClock);
    let first = App::on(Place::new(Engine::Postgres).await, clock(), &[], |_| {}).await;
    settle(&first).await;
    let app = App::on(Place::at(first.place.url.clone()), clock(), &[], |_| {}).await;
    app.overview.look().await.unwrap();
    app.overview.look_at_the_rest().await.unwrap();
    one_person_is_refused(app).await
}

async fn one_person_is_refused(app: App) -> Staged {
    let before = Scrape::of(&app).await;
    app.instagram.arm(None, Fault::RedirectMismatch, None, None).unwrap();
    for _ in 0..2 {
        refused_redirect(&app, Person::Grace).await;
    }
    Staged { alert: None, ..Staged::look(&app, "", before).await }
}

async fn the_redirect_address_is_no_longer_registered() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    app.instagram.arm(None, Fault::RedirectMismatch, None, None).unwrap();
    for person in [Person::Grace, Person::Ada] {
        refused_redirect(&app, person).await;
    }
    Staged::look(&app, "HoldfastAppRefused", before).await
}

async fn the_redirect_address_was_never_right() -> Staged {
    let app = App::with(&[], |_| {}).await;
    app.overview.look().await.unwrap();
    let before = Scrape::of(&app).await;
    app.instagram.arm(None, Fault::RedirectMismatch, None, None).unwrap();
    refused_redirect(&app, Person::Grace).await;
    Staged::look(&app, "HoldfastAppRefused", before).await
}

async fn refused_redirect(app: &App, person: Person) {
    let person = app.sign_in(person);
    let back = person.approve("grace.hops").await;
    assert_eq!(person.complete(&back).await.code(), "app_misconfigured");
}

async fn the_database_is_slow() -> Staged {
    let clock = ManualClock::new(SystemClock.now());
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    settle(&app).await;
    let before = Scrape::of(&app).await;
    let ada = app.sign_in(Person::Ada);
    let mut other = PgConnection::connect(&app.place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE connections IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let held = async {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock'";
        until("both wait", async || count_on(Engine::Postgres, &app.place.url, waiting).await >= 2).await;
        clock.advance(Duration::from_millis(700));
        other.execute("ROLLBACK").await.unwrap();
    };
    let (status, looked, ()) = tokio::join!(ada.status(), app.overview.look(), held);
    assert_eq!(status["state"], "connected");
    looked.unwrap();
    Staged::as_it_is(&app, "HoldfastDatabaseSlow", before).await
}

async fn the_disk_is_full() -> Staged {
    // As if the file could not grow.
    let mut place = Place::new(Engine::Sqlite).await;
    place.url.push_str("?max_page_count=200");
    let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
    settle(&app).await;
    let before = Scrape::of(&app).await;
    fill(&app).await;
    Staged::look(&app, "HoldfastDatabaseFull", before).await
}

/// Until a request meets a full database.
pub(super) async fn fill(app: &App) {
    let file = app.place.directory.path().join("holdfast.db");
    let fill = "CREATE TABLE filler AS SELECT zeroblob(2000000) AS bytes";
    rusqlite::Connection::open(file).unwrap().execute_batch(fill).unwrap();
    // What is allotted already is still used up.
    for number in 0.. {
        let authorization = app.lasting_authorization(&format!("user_who_comes_too_late_{number}"));
        let answer = app.get_as(&authorization, "/user/profile").await;
        if !answer.status.is_success() {
            assert_eq!(answer.code(), "database-full");
            break;
        }
    }
}

async fn a_request_meets_a_fault() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    execute_on(&app.place, "UPDATE connections SET state = 'nonsense'").await;
    let failed = app.sign_in(Person::Ada).get("/user/instagram/status").await;
    assert_eq!(failed.code(), "internal-error");
    Staged::look(&app, "HoldfastInternalError", before).await
}

async fn a_grant_does_not_open() -> Staged {
    // Nobody tries whether it opens again.
    let app = connected(&[("HOLDFAST_WORKER", "off")]).await;
    let before = Scrape::of(&app).await;
    let damaged = "UPDATE connections SET state = 'reconnect_required', reason = 'grant_unreadable'";
    execute_on(&app.place, damaged).await;
    Staged::look(&app, "HoldfastGrantDamaged", before).await
}

async fn a_grant_is_about_to_end(more: &str, alert: Option<&'static str>) -> Staged {
    let app = connected(&[("HOLDFAST_WORKER", "off")]).await;
    let before = Scrape::of(&app).await;
    let tomorrow = app.clock.now().as_millisecond() + 86_400_000;
    execute_on(&app.place, &format!("UPDATE connections SET grant_expires_at = {tomorrow}{more}")).await;
    Staged { alert, ..Staged::look(&app, "", before).await }
}

async fn an_event_is_given_up() -> Staged {
    let endpoint = AppEndpoint::start().await;
    let app =
        connected(&[("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)])
            .await;
    until("it takes the first event", async || !endpoint.taken().is_empty()).await;
    let before = Scrape::of(&app).await;
    endpoint.answers(StatusCode::INTERNAL_SERVER_ERROR);
    let long_ago = app.clock.now().as_millisecond() - 8 * 86_400_000;
    let event = format!(
        "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ('user_of_old', 'instagram', \
         'evt_old', {long_ago}, {long_ago})"
    );
    execute_on(&app.place, &event).await;
    until("it is given up", async || {
        let seen = Scrape::of(&app).await;
        seen.values.iter().any(|(name, value)| name.contains("outcome=\"given_up\"") && *value > 0.0)
    })
    .await;
    Staged::look(&app, "HoldfastEventLost", before).await
}

async fn the_keys_are_stale() -> Staged {
    let clock = ManualClock::new(SystemClock.now());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    settle(&app).await;
    // Without an answer there is no time of theirs to compare with.
    app.clerk.set_fault(Surface::Jwks, Some(ClerkFault::Down));
    let before = Scrape::of(&app).await;
    until("the keys are asked for again", async || {
        clock.advance(Duration::from_secs(60));
        Scrape::of(&app).await.values["holdfast_clerk_keys_failing"] > 0.5
    })
    .await;
    until("the worker has come along", async || {
        let seen = Scrape::of(&app).await;
        seen.values.get(TICKED).is_some_and(|ticked_at| seen.at - ticked_at < 60.0)
    })
    .await;
    Staged::look(&app, "HoldfastKeysStale", before).await
}

async fn many_are_revoked_at_once() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    // What the test of incidents shows the service to write then.
    execute_on(&app.place, "UPDATE connections SET state = 'degraded', reason = 'provider_incident'").await;
    Staged::look(&app, "HoldfastIncident", before).await
}

async fn the_clock_is_off() -> Staged {
    // The stand-ins' answers are stamped by the system's clock.
    let clock = ManualClock::new(after(SystemClock.now(), Duration::from_secs(60)));
    let app = App::at(Arc::new(clock), &[CHECK_AT_ONCE], |_| {}).await;
    settle(&app).await;
    let before = Scrape::of(&app).await;
    let log = String::from_utf8(app.watch.log()).unwrap();
    assert!(log.contains("this machine's clock is off"), "{log}");
    Staged::look(&app, "HoldfastClockOff", before).await
}

async fn the_worker_is_stuck() -> Staged {
    let pause = Duration::from_secs(700);
    let clock = ManualClock::new(before(SystemClock.now(), pause));
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    settle(&app).await;
    until("the worker has been at work", async || Scrape::of(&app).await.values.contains_key(TICKED)).await;
    let earlier = Scrape::of(&app).await;
    let mut other = PgConnection::connect(&app.place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    clock.set(SystemClock.now());
    // Clerk's keys are fetched again, and say that the clock is right by now.
    until("the clock is compared", async || {
        Scrape::of(&app).await.values["holdfast_clock_ahead_seconds"].abs() < 20.0
    })
    .await;
    // The overview's first part needs no attempts; its second waits for them.
    until("the overview has looked", async || app.overview.snapshot().taken_at == Some(clock.now())).await;
    let staged = Staged::as_it_is(&app, "HoldfastWorkerStuck", earlier).await;
    other.execute("ROLLBACK").await.unwrap();
    staged
}

async fn the_budget_is_spent() -> Staged {
    let app = connected(&[CHECK_AT_ONCE]).await;
    let before = Scrape::of(&app).await;
    app.instagram.set_usage(UsageFigures { app_percent: Some(100), ..UsageFigures::default() });
    check(&app, 1).await;
    Staged::look(&app, "HoldfastBudgetSpent", before).await
}

async fn the_receiver_of_events_is_down() -> Staged {
    let endpoint = AppEndpoint::start().await;
    let app =
        connected(&[("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)])
            .await;
    until("it takes the first event", async || !endpoint.taken().is_empty()).await;
    until("which is counted", async || {
        let seen = Scrape::of(&app).await;
        seen.values.iter().any(|(name, value)| name.contains("outcome=\"delivered\"") && *value > 0.0)
    })
    .await;
    let before = Scrape::of(&app).await;
    endpoint.answers(StatusCode::INTERNAL_SERVER_ERROR);
    app.sign_in(Person::Ada).disconnect().await;
    until("a delivery has failed", async || !endpoint.refused().is_empty()).await;
    until("which is counted, too", async || {
        let seen = Scrape::of(&app).await;
        seen.values.iter().any(|(name, value)| {
            name.starts_with("holdfast_webhook_deliveries")
                && name.contains("outcome=\"failed\"")
                && *value > 0.0
        })
    })
    .await;
    // A quarter of an hour passes.
    execute_on(&app.place, "UPDATE outbox SET occurred_at = occurred_at - 960000").await;
    Staged::look(&app, "HoldfastWebhooksFail", before).await
}

/// Events are no longer wanted, and one has stayed.
async fn an_event_waits_for_nobody() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    let long_ago = app.clock.now().as_millisecond() - 86_400_000;
    let event = format!(
        "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ('user_of_old', 'instagram', \
         'evt_old', {long_ago}, {long_ago})"
    );
    execute_on(&app.place, &event).await;
    Staged { alert: None, ..Staged::look(&app, "", before).await }
}

/// Its clock says nothing about this machine's.
async fn the_receivers_clock_is_off() -> Staged {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let answer = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        ([(header::DATE, "Mon, 01 Jan 2001 00:00:00 GMT")], StatusCode::NO_CONTENT)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/events", post(answer))).into_future());
    let app = connected(&[("HOLDFAST_WEBHOOK_URL", &url), ("HOLDFAST_WEBHOOK_SECRET", SECRET)]).await;
    until("it takes the event", async || taken.load(Ordering::SeqCst) > 0).await;
    until("which is counted", async || {
        let seen = Scrape::of(&app).await;
        seen.values.iter().any(|(name, value)| name.contains("outcome=\"delivered\"") && *value > 0.0)
    })
    .await;
    let before = Scrape::of(&app).await;
    Staged { alert: None, ..Staged::look(&app, "", before).await }
}

async fn a_data_deletion_is_not_done() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    let request = |minutes_ago: i64| {
        let requested_at = app.clock.now().as_millisecond() - minutes_ago * 60_000;
        format!(
            "INSERT INTO data_deletions (code, provider, requested_at, erased) VALUES ('{minutes_ago}', 'instagram', \
             {requested_at}, 0)"
        )
    };
    execute_on(&app.place, &request(9)).await;
    let _ = app.overview.look().await;
    assert!(Scrape::of(&app).await.values["holdfast_data_deletions_unfinished"] < 0.5, "it may be under way");
    execute_on(&app.place, &request(11)).await;
    Staged::look(&app, "HoldfastDeletionUnfinished", before).await
}

async fn the_journal_cannot_be_written() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    let journal = app.place.directory.path().join("journal");
    let _ = std::fs::remove_dir_all(&journal);
    std::fs::write(&journal, "a file where the directory was").unwrap();
    Staged::look(&app, "HoldfastJournalUnwritable", before).await
}

/// Behind a proxy that asks `/readyz` nobody gets through to be refused.
async fn the_database_is_away_and_nobody_calls() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    let file = app.place.directory.path().join("holdfast.db");
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    Staged::once_looked_at(&app, "HoldfastDatabaseAway", before).await
}

async fn a_replica_lacks_a_key() -> Staged {
    let app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    // As a server with another key in front leaves it behind.
    execute_on(&app.place, "UPDATE key_ring_sentinel SET key_id = 'another'").await;
    app.sign_in(Person::Ada).check().await;
    Staged::once_looked_at(&app, "HoldfastNotReady", before).await
}

async fn a_replica_is_lost() -> Staged {
    let mut app = connected(&[]).await;
    let before = Scrape::of(&app).await;
    let during = Scrape::of(&app).await;
    app.stop().await;
    let is_up = tokio::net::TcpStream::connect(app.address()).await.is_ok();
    // Its own page is gone with it; the operator looks at the alert.
    Staged { alert: Some("HoldfastReplicaLost"), before, during, html: String::new(), is_up }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_looked_at_while_the_database_is_away() {
    let server = OwnServer::start();
    let app = App::on(Place::at(server.url()), Arc::new(SystemClock), &[], |_| {}).await;
    app.is_ready().await;
    let writable = async || Scrape::of(&app).await.values["holdfast_journal_writable"] > 0.5;
    app.overview.look().await.unwrap();
    assert!(writable().await);
    server.stop();
    let journal = app.place.directory.path().join("journal");
    let _ = std::fs::remove_dir_all(&journal);
    std::fs::write(&journal, "a file where the directory was").unwrap();
    assert!(app.overview.look().await.is_err());
    assert!(!writable().await, "as of before the database went away");
    server.start_again();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_raises_exactly_its_alert_and_is_on_the_page() {
    let staged = [
        healthy().await,
        instagram_is_down().await,
        the_secret_is_wrong_after_a_rotation().await,
        one_person_changes_the_redirect_address().await,
        one_person_changes_the_redirect_address_after_a_start().await,
        the_redirect_address_is_no_longer_registered().await,
        the_redirect_address_was_never_right().await,
        the_database_is_slow().await,
        the_disk_is_full().await,
        a_request_meets_a_fault().await,
        a_grant_does_not_open().await,
        a_grant_is_about_to_end(", failures = 3", Some("HoldfastGrantExpiring")).await,
        // Imported late; and one that only its person can mend.
        a_grant_is_about_to_end("", None).await,
        a_grant_is_about_to_end(", failures = 3, state = 'action_required', reason = 'checkpoint'", None)
            .await,
        an_event_is_given_up().await,
        the_keys_are_stale().await,
        many_are_revoked_at_once().await,
        the_clock_is_off().await,
        the_worker_is_stuck().await,
        the_budget_is_spent().await,
        the_receiver_of_events_is_down().await,
        an_event_waits_for_nobody().await,
        the_receivers_clock_is_off().await,
        a_data_deletion_is_not_done().await,
        the_journal_cannot_be_written().await,
        the_database_is_away_and_nobody_calls().await,
        a_replica_lacks_a_key().await,
        a_replica_is_lost().await,
    ];
    let mut wrong = Vec::new();
    for each in &staged {
        let name = each.alert.unwrap_or("healthy");
        let named: Vec<_> = ALERTS
            .iter()
            .filter(|alert| each.html.contains(&format!("/runbook#{}\"", alert.name)))
            .map(|alert| alert.name)
            .collect();
        let wanted = each.alert.filter(|_| each.is_up);
        if named != wanted.into_iter().collect::<Vec<_>>() {
            wrong.push(format!("{name}: the page names {named:?}"));
        }
        let text = format!(
            "rule_files: [holdfast.rules.yml]\nevaluation_interval: 1m\ntests:\n{}",
            each.rule_test()
        );
        if let Err(told) = judged(&rules(), &text) {
            wrong.push(format!("{name}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
