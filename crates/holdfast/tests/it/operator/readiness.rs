//! `/readyz` answers within two seconds whatever hangs, and names it.

use std::time::{Duration, Instant};

use holdfast::standin::clerk::Person;
use http::StatusCode;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::e2e::app::{App, json};
use crate::support::database::{Engine, Place};
use crate::support::postgres_server::OwnServer;

/// The contract's bound.
const BOUND: Duration = Duration::from_secs(2);

async fn app_on(place: Place) -> App {
    let app = App::on(place, std::sync::Arc::new(holdfast::clock::SystemClock), &[], |_| {}).await;
    while app.get("/readyz").await.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app
}

/// The names of the checks that are not good, asked within the bound.
async fn culprits(app: &App) -> Vec<String> {
    let began = Instant::now();
    let answer = app.get("/readyz").await;
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = json(&answer);
    assert_eq!(body["ready"], false);
    body["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| format!("{}: {}", check["name"].as_str().unwrap(), check["problem"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_postgres_is_named_within_two_seconds() {
    let server = OwnServer::start();
    let app = app_on(Place::at(server.url())).await;
    app.sign_in(Person::Ada).send(http::Method::POST, "/auth/sync", None).await;
    server.stop();
    let named = culprits(&app).await;
    assert!(named[0].starts_with("database: "), "{named:?}");
    server.start_again();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_postgres_is_named_within_two_seconds() {
    let app = app_on(Place::new(Engine::Postgres).await).await;
    let mut other = PgConnection::connect(&app.place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert_eq!(culprits(&app).await[0], "database: does not answer within 1.5 s");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_was_taken_away_is_named() {
    let app = app_on(Place::new(Engine::Sqlite).await).await;
    let file = app.place.directory.path().join("holdfast.db");
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    assert_eq!(culprits(&app).await[0], "database: does not answer");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
}
