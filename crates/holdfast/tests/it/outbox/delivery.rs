//! When an event is sent, and when again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, SystemClock};
use holdfast::clock_watch::ClockWatch;
use holdfast::connection::{Connection, Reason, Standing};
use holdfast::connections::callback::CallbackQuery;
use holdfast::connections::connect::ConnectRequest;
use holdfast::entropy::SystemEntropy;
use holdfast::outbox::{Dispatcher, Endpoint, Sent};
use holdfast::provider::ProviderId;
use holdfast::settings::LogFormat;
use holdfast::standard_webhooks::SigningKey;
use holdfast::store::{Change, ChangeSet, CommitOutcome, ConnectionWrite, Store, StoreOptions};
use holdfast::telemetry;
use holdfast::transport::ReqwestTransport;
use holdfast::worker::sweep::Sweeper;
use http::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;

use super::endpoint::{AppEndpoint, SECRET};
use crate::grants::setup::Replica;
use crate::grants::world::{RefreshEffect, World};
use crate::store::events::erase;
use crate::store::fixtures::{DAY, entry, insert, linked, owner};
use crate::store::sweep::Patient;
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::leaks;
use crate::testing::waiting::until;

/// A store of the test's database that keeps events, as a replica has it.
async fn keeping(db: &TestDb) -> Store {
    let options = StoreOptions { exclusive: false, ..db.options.clone() }.with_outbox(true);
    Store::open(&options, db.clock.clone()).await.unwrap()
}

fn dispatcher(db: &TestDb, store: &Store, app: &AppEndpoint) -> Dispatcher {
    dispatcher_by(db, store, app, ClockWatch::default())
}

fn dispatcher_by(db: &TestDb, store: &Store, app: &AppEndpoint, watch: ClockWatch) -> Dispatcher {
    let world = World::new(RefreshEffect::OldDead, db.clock.clone());
    let replica = Replica::new("a", store.clone(), &db.clock, &world, None);
    let endpoint = Endpoint { url: app.url.clone(), key: SigningKey::parse(SECRET).unwrap() };
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let clock = db.clock.clone();
    let entropy = Arc::new(SystemEntropy);
    Dispatcher::new(endpoint, replica.connections, store.clone(), clock, entropy, transport, watch)
}

/// Ends the connection, as a deauthorization does.
async fn revoke(db: &TestDb, store: &Store, connection: &Connection) -> Connection {
    let mut next = connection.clone();
    next.version += 1;
    next.standing = Standing::from(Reason::Deauthorized);
    let changes = ChangeSet {
        connection: Some(ConnectionWrite {
            expected_version: Some(connection.version),
            connection: next.clone(),
        }),
        history: vec![entry(&next)],
        event_at: Some(db.clock.now()),
        ..ChangeSet::default()
    };
    assert_eq!(store.commit(&changes).await, Ok(CommitOutcome::Committed));
    next
}

const DELIVERED: Sent = Sent { delivered: 1, failed: 0, given_up: 0 };
const FAILED: Sent = Sent { delivered: 0, failed: 1, given_up: 0 };
const NOTHING: Sent = Sent { delivered: 0, failed: 0, given_up: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_the_status_once() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let connection = linked(&store, "ada", "25982752248032036").await;
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        assert_eq!(sender.tick().await.unwrap(), NOTHING);

        let [event] = &app.taken()[..] else { panic!("{:?}", app.taken()) };
        assert_eq!(event.body["type"], "instagram.status");
        assert_eq!(event.body["timestamp"], "2026-11-23T10:00:00Z");
        assert_eq!(event.body["data"]["user_id"], owner("ada").as_str());
        let status = &event.body["data"]["status"];
        assert_eq!(status["state"], "connected");
        assert_eq!(status["account"]["id"], "25982752248032036");
        assert_eq!(status["version"], json!(connection.version));
        store.close().await;
    })
    .await;
}

/// As a framework's catch-all page, or an app that answers with what it stored.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_taken_however_long_the_answer_is() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        app.answers_at_length(1 << 20);
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        linked(&store, "ada", "25982752248032036").await;
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        store.close().await;
    })
    .await;
}

/// As a later version wrote them before it was rolled back: an event, a notice, and a connection that
/// an event is about.
#[tokio::test(flavor = "multi_thread")]
async fn unreadable_rows_hold_up_no_events() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let odd = linked(&store, "odd", "2").await;
        linked(&store, "ada", "1").await;
        let now = db.clock.now().as_millisecond() - 1;
        db.execute(&format!(
            "UPDATE connections SET state = 'degraded', reason = 'of_a_later_version' WHERE id = '{}'; \
             INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ('user_x', 'of_a_later_version', \
             'evt_x', {now}, {now}); \
             INSERT INTO notices (subject, kind, provider, occurred_at, due_at) VALUES ('x', 'of_a_later_version', 'instagram', \
             {now}, {now});",
            odd.id
        ))
        .await;
        let sent = sender.tick().await.expect("the database answers");
        assert_eq!(sent, Sent { delivered: 1, failed: 1, given_up: 0 });
        assert_eq!(app.taken()[0].body["data"]["user_id"], owner("ada").as_str());
        db.clock.advance(Duration::from_mins(59));
        assert_eq!(sender.tick().await.unwrap(), NOTHING, "they rest for an hour");
        db.execute("UPDATE connections SET state = 'connected', reason = NULL").await;
        db.clock.advance(Duration::from_mins(2));
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_app_did_not_take_is_sent_again_with_the_same_id() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        linked(&store, "ada", "1").await;
        app.answers(StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        assert_eq!(sender.tick().await.unwrap(), NOTHING, "its pause is kept");
        for status in [StatusCode::FOUND, StatusCode::GONE, StatusCode::UNAUTHORIZED] {
            db.clock.advance(Duration::from_hours(2));
            app.answers(status);
            assert_eq!(sender.tick().await.unwrap(), FAILED, "{status}");
        }
        db.clock.advance(Duration::from_hours(2));
        app.answers(StatusCode::OK);
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        assert_eq!(app.refused().len(), 4);
        assert!(app.refused().iter().all(|event| event.id == app.taken()[0].id));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_asks_for_a_pause_has_it_for_an_hour_at_most() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        // The date of the answer is that of the system's clock.
        let in_ten_minutes = || httpdate::fmt_http_date((SystemClock.now() + Duration::from_mins(10)).into());
        for (number, (status, asked, minutes)) in [
            (StatusCode::SERVICE_UNAVAILABLE, in_ten_minutes(), 10),
            (StatusCode::TOO_MANY_REQUESTS, "120".to_owned(), 2),
            (StatusCode::BAD_GATEWAY, "864000".to_owned(), 60),
        ]
        .into_iter()
        .enumerate()
        {
            linked(&store, &format!("first{number}"), &format!("1{number}")).await;
            app.asks_to_wait(status, &asked);
            assert_eq!(sender.tick().await.unwrap(), FAILED, "{asked}");
            app.answers(StatusCode::OK);
            // Nor are others sent meanwhile.
            linked(&store, &format!("second{number}"), &format!("2{number}")).await;
            db.clock.advance(Duration::from_secs(minutes * 60 - 15));
            assert_eq!(sender.tick().await.unwrap(), NOTHING, "{asked}");
            db.clock.advance(Duration::from_secs(30));
            assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 2, ..NOTHING }, "{asked}");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_asks_for_a_pause_gets_no_more_than_is_on_its_way() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        for number in 0..30 {
            linked(&store, &format!("user{number}"), &number.to_string()).await;
        }
        app.asks_to_wait(StatusCode::TOO_MANY_REQUESTS, "60");
        let sent = sender.tick().await.unwrap();
        assert!(sent.failed > 0 && app.refused().len() <= 8, "{sent:?}, {} requests", app.refused().len());
        app.answers(StatusCode::OK);
        db.clock.advance(Duration::from_secs(61));
        assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 30, ..NOTHING });
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_hangs_delays_no_other_and_is_finished_when_the_server_stops() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = Arc::new(dispatcher(db, &store, &app));
        let stop = CancellationToken::new();
        app.holds(Some(owner("ada").as_str()));
        linked(&store, "ada", "1").await;
        let running = tokio::spawn({
            let (sender, stop) = (Arc::clone(&sender), stop.clone());
            async move { sender.run(stop).await }
        });
        for (number, name) in ["grace", "cy", "dee"].into_iter().enumerate() {
            linked(&store, name, &format!("2{number}")).await;
            until("the others are told", async || app.taken().len() == number + 1).await;
        }
        stop.cancel();
        tokio::task::yield_now().await;
        assert!(!running.is_finished(), "what is on its way is waited for");
        app.holds(None);
        running.await.unwrap();
        let told: Vec<_> = app.taken().iter().map(|event| event.body["data"]["user_id"].clone()).collect();
        assert_eq!(told, ["grace", "cy", "dee", "ada"].map(|name| json!(owner(name).as_str())));
        assert_eq!(store.next_event_at().await.unwrap(), None);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_event_takes_the_place_of_one_that_was_not_delivered() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let connection = linked(&store, "ada", "1").await;
        app.answers(StatusCode::BAD_GATEWAY);
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        revoke(db, &store, &connection).await;
        app.answers(StatusCode::OK);
        assert_eq!(sender.tick().await.unwrap(), DELIVERED, "without the other's pause");
        db.clock.advance(DAY);
        assert_eq!(sender.tick().await.unwrap(), NOTHING);
        let [event] = &app.taken()[..] else { panic!("{:?}", app.taken()) };
        assert_ne!(event.id, app.refused()[0].id);
        assert_eq!(event.body["data"]["status"]["reason"], "deauthorized");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_its_predecessor_is_on_the_way_is_not_lost() {
    on_each_engine(async |db| {
        let store = keeping(db).await;
        let connection = linked(&store, "ada", "1").await;
        let [first] = &store.claim_events(db.clock.now(), 9).await.unwrap()[..] else { panic!("one event") };
        revoke(db, &store, &connection).await;
        store.remove_event(first).await.unwrap();
        store.reschedule_event(first, db.clock.now() + Duration::from_mins(9)).await.unwrap();
        let [second] = &store.claim_events(db.clock.now(), 9).await.unwrap()[..] else {
            panic!("the newer event")
        };
        assert_ne!(first.id, second.id);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_do_not_send_the_same_event_and_a_crash_delays_it_only() {
    on_each_engine(async |db| {
        let (one, other) = (keeping(db).await, keeping(db).await);
        for number in 0..20 {
            linked(&one, &format!("user{number}"), &number.to_string()).await;
        }
        let now = db.clock.now();
        let (a, b) = tokio::join!(one.claim_events(now, 15), other.claim_events(now, 15));
        let mut ids: Vec<_> = a.unwrap().into_iter().chain(b.unwrap()).map(|e| e.id.clone()).collect();
        // Under load one of them may have passed over rows that the other was just claiming.
        ids.extend(one.claim_events(now, 99).await.unwrap().iter().map(|e| e.id.clone()));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 20);
        assert_eq!(one.claim_events(now, 99).await.unwrap(), []);
        // The process that claimed them was killed.
        let again = other.claim_events(now + Duration::from_mins(1), 99).await.unwrap();
        assert_eq!(again.len(), 20);
        assert!(again.iter().all(|event| event.tries == 2));
        one.close().await;
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_delays_no_event() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        linked(&store, "ada", "1").await;
        app.answers(StatusCode::BAD_GATEWAY);
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        db.execute("UPDATE outbox SET due_at = due_at + 259200000, occurred_at = occurred_at + 259200000")
            .await;
        app.answers(StatusCode::OK);
        assert_eq!(sender.tick().await.unwrap(), NOTHING);
        store.bring_back_waits(db.clock.now(), 99).await.unwrap();
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_week_an_event_is_given_up() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let watch = ClockWatch::default();
        let sender = dispatcher_by(db, &store, &app, watch.clone());
        linked(&store, "ada", "1").await;
        app.answers(StatusCode::NOT_FOUND);
        db.clock.advance(6 * DAY);
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        watch.saw(db.clock.now());
        db.clock.advance(2 * DAY);
        assert_eq!(sender.tick().await.unwrap(), FAILED, "the clock seems to have leapt");
        watch.note(7.0 * 86_400.0, db.clock.now());
        db.clock.advance(Duration::from_mins(50));
        assert_eq!(sender.tick().await.unwrap(), FAILED, "it has");
        db.clock.advance(Duration::from_hours(2));
        watch.note(0.0, db.clock.now());
        let given_up = Sent { given_up: 1, ..NOTHING };
        assert_eq!(sender.tick().await.unwrap(), given_up);
        assert_eq!(store.next_event_at().await.unwrap(), None);
        store.close().await;
    })
    .await;
}

/// Its last try may be an hour after the week is over, and a sweep come before.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_leaves_an_event_to_be_given_up_and_counted() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let watch = ClockWatch::default();
        let sender = dispatcher_by(db, &store, &app, watch.clone());
        let sweeper = Sweeper::new(store.clone(), Arc::new(Patient(db.clock.clone())), ClockWatch::default());
        linked(&store, "ada", "1").await;
        app.answers(StatusCode::NOT_FOUND);
        db.clock.advance(7 * DAY - Duration::from_mins(1));
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        db.clock.advance(Duration::from_mins(2));
        sweeper.sweep(&CancellationToken::new()).await.unwrap();
        db.clock.advance(Duration::from_hours(2));
        watch.note(0.0, db.clock.now());
        assert_eq!(sender.tick().await.unwrap(), Sent { given_up: 1, ..NOTHING });
        // Where nobody sends, they go without.
        linked(&store, "grace", "2").await;
        db.clock.advance(8 * DAY + Duration::from_mins(1));
        sweeper.sweep(&CancellationToken::new()).await.unwrap();
        assert_eq!(store.next_event_at().await.unwrap(), None);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_told_of_and_then_forgotten() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        linked(&store, "ada", "1").await;
        sender.tick().await.unwrap();
        erase(&store, &owner("ada"), db.clock.now()).await.unwrap();
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        let status = &app.taken()[1].body["data"]["status"];
        assert_eq!(status["state"], "not_connected");
        assert_eq!(status["account"], json!(null));
        let earlier = app.taken()[0].body["data"]["status"]["version"].as_i64().unwrap();
        assert!(status["version"].as_i64().unwrap() > earlier, "the greater version counts");
        assert_eq!(store.next_event_at().await.unwrap(), None);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_for_nobody_nor_of_what_did_not_happen() {
    on_each_engine(async |db| {
        let connection = linked(&db.store, "ada", "1").await;
        let store = keeping(db).await;
        assert_eq!(store.commit(&insert(&connection)).await, Ok(CommitOutcome::Conflict));
        assert_eq!(store.next_event_at().await.unwrap(), None);
        store.close().await;
    })
    .await;
}

/// A log of one test alone: other tests of this process have outboxes too.
struct OwnLog(Arc<File>);

impl OwnLog {
    fn new() -> Self {
        Self(Arc::new(tempfile::tempfile().unwrap()))
    }

    /// What the sender does, written as production writes it.
    async fn tick(&self, sender: &Dispatcher) -> Sent {
        let written =
            telemetry::subscriber("holdfast::outbox=info", LogFormat::Json, false, self.0.clone()).unwrap();
        sender.tick().with_subscriber(written).await.unwrap()
    }

    /// Level and text of its lines.
    fn lines(&self) -> Vec<(String, String)> {
        let mut log = vec![0; usize::try_from(self.0.metadata().unwrap().len()).unwrap()];
        self.0.read_exact_at(&mut log, 0).unwrap();
        assert_eq!(leaks::found_any(&log), None);
        let log = String::from_utf8(log).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        lines
            .map(|line| {
                (text(&line, "level"), format!("{}: {}", text(&line, "message"), text(&line, "help")))
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_app_is_one_line_and_its_return_another() {
    on_each_engine(async |db| {
        let log = OwnLog::new();
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let watch = ClockWatch::default();
        let sender = dispatcher_by(db, &store, &app, watch.clone());
        for user in ["ada", "bob", "cy"] {
            linked(&store, user, user).await;
        }
        app.answers(StatusCode::FOUND);
        for _ in 0..3 {
            assert_eq!(log.tick(&sender).await.failed, 3);
            db.clock.advance(Duration::from_hours(2));
        }
        let [(level, text)] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
        assert_eq!(level, "WARN");
        assert!(text.contains("redirects are not followed"), "{text}");

        app.answers(StatusCode::OK);
        assert_eq!(log.tick(&sender).await.delivered, 3);
        linked(&store, "dan", "dan").await;
        assert_eq!(log.tick(&sender).await, DELIVERED);
        let [_, (level, text)] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
        assert_eq!((level.as_str(), text.as_str()), ("INFO", "events are delivered to the app again: "));

        app.answers(StatusCode::NOT_FOUND);
        for user in ["eve", "fay"] {
            linked(&store, user, user).await;
        }
        db.clock.advance(7 * DAY);
        watch.note(0.0, db.clock.now());
        assert_eq!(log.tick(&sender).await.given_up, 2);
        let lines = log.lines();
        let levels: Vec<&str> = lines.iter().skip(2).map(|(level, _)| level.as_str()).collect();
        assert_eq!(levels, ["WARN", "ERROR"], "{lines:?}");
        store.close().await;
    })
    .await;
}

/// Another attempt that is open hides how one has ended from the person for a while, and from the
/// app for good.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_open_is_not_told_of() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("b", store.clone(), &db.clock, &world, None);
        let begin = async || one.connections.connect(&owner("ada"), ConnectRequest::default()).await.unwrap();
        let decline = async |url: &url::Url| {
            let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            leaks::secret(&state);
            let error = Some("access_denied".to_owned());
            one.connections
                .callback(CallbackQuery { code: None, state: Some(state.into()), error })
                .await
                .unwrap();
        };
        let (first, second) = (begin().await, begin().await);
        decline(&first.authorize_url).await;
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        decline(&second.authorize_url).await;
        sender.tick().await.unwrap();
        for event in app.taken() {
            let status = &event.body["data"]["status"];
            assert_eq!((&status["state"], &status["reason"]), (&json!("not_connected"), &json!("denied")));
            assert_eq!(status["attempt"], json!(null));
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_handle_is_told() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("b", store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        db.execute("UPDATE connections SET account_username = 'before'").await;
        one.connections.check(&owner("ada")).await.unwrap();
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        assert_eq!(app.taken()[0].body["data"]["status"]["account"]["username"], "ada.makes");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_key_is_given_up_is_told_of_and_whose_attempt_ends_is_heard_of() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("b", store.clone(), &db.clock, &world, None);
        let ada = one.link("ada").await;
        one.link("grace").await;
        one.come_back("grace").await;
        let mut changes = store.changes();
        let heard = |name: &str, version| Change {
            user_id: owner(name).as_str().to_owned(),
            provider: ProviderId::INSTAGRAM,
            version,
        };
        one.connections.connect(&owner("cy"), ConnectRequest::default()).await.unwrap();
        while changes.try_recv().is_ok() {}
        one.connections.disconnect(&owner("cy")).await.unwrap();
        assert_eq!(changes.try_recv().unwrap(), heard("cy", None));

        assert_eq!(store.give_up_key("one", db.clock.now()).await, Ok(2));
        let mut told: Vec<Change> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
        told.sort_by_key(|each| (each.user_id.clone(), each.version));
        let expected = [heard("ada", Some(ada.version + 1)), heard("grace", None), heard("grace", Some(2))];
        assert_eq!(told, expected);
        assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 2, ..NOTHING });
        for event in app.taken() {
            assert_eq!(event.body["data"]["status"]["reason"], "key_lost");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_incident_began_is_not_told_after_its_end() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        let notice = async |lasts| store.notice_incident(ProviderId::INSTAGRAM, lasts, db.clock.now()).await;
        app.answers(StatusCode::BAD_GATEWAY);
        assert_eq!(notice(true).await, Ok(true));
        assert_eq!(sender.tick().await.unwrap(), FAILED);
        app.answers(StatusCode::OK);
        db.clock.advance(Duration::from_millis(500));
        assert_eq!(notice(false).await, Ok(true));
        assert_eq!(sender.tick().await.unwrap(), NOTHING, "the first may be on its way still");
        db.clock.advance(Duration::from_mins(1));
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        db.clock.advance(DAY);
        assert_eq!(sender.tick().await.unwrap(), NOTHING);
        let kinds: Vec<_> = app.taken().iter().map(|event| event.body["type"].clone()).collect();
        assert_eq!(kinds, ["incident.ended"]);
        // The next one is told of in turn.
        assert_eq!(notice(true).await, Ok(true));
        assert_eq!(sender.tick().await.unwrap(), DELIVERED);
        store.close().await;
    })
    .await;
}

/// A renewal may leave the expiry as it is.
#[tokio::test(flavor = "multi_thread")]
async fn that_a_grant_expires_soon_is_told_once_and_not_after_its_expiry() {
    on_each_engine(async |db| {
        let app = AppEndpoint::start().await;
        let store = keeping(db).await;
        let sender = dispatcher(db, &store, &app);
        linked(&store, "ada", "1").await;
        linked(&store, "grace", "2").await;
        assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 2, ..NOTHING });
        db.clock.advance(55 * DAY);
        db.execute("UPDATE connections SET grant_expires_at = grant_expires_at + 86400000 WHERE user_id = 'user_grace'")
            .await;
        let notice = async || store.notice_expiring(db.clock.now(), 7 * DAY).await.unwrap();
        assert_eq!(notice().await, 2);
        assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 2, ..NOTHING });
        db.execute("UPDATE connections SET grant_version = grant_version + 1, version = version + 1").await;
        assert_eq!(notice().await, 0);
        // Version 0.1.0 named the grant's version between the two.
        db.execute(
            "UPDATE notices SET subject = substr(subject, 1, 45) || ':' || (SELECT c.grant_version FROM connections AS c WHERE \
             c.user_id = notices.user_id) || substr(subject, 46)",
        )
        .await;
        assert_eq!(notice().await, 0, "an upgrade tells nobody again");
        // A notice that was late is of no use any more.
        db.execute("UPDATE notices SET due_at = 0, tries = 0").await;
        let before = app.taken().len();
        db.clock.advance(5 * DAY + DAY / 2);
        assert_eq!(sender.tick().await.unwrap(), Sent { delivered: 2, ..NOTHING });
        let late: Vec<_> = app.taken()[before..].iter().map(|event| event.body["data"]["user_id"].clone()).collect();
        assert_eq!(late, [owner("grace").as_str()]);
        store.close().await;
    })
    .await;
}
