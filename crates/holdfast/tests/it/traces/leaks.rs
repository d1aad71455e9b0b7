//! Law 4 in traces: every operation is called, and what was exported is searched for every secret
//! that occurred.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast::clock::SystemClock;
use holdfast::entropy::SystemEntropy;
use holdfast::settings::{Environment, Purpose, load};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::Fault;
use holdfast::telemetry::traces::{Traces, WithContext as _, in_span, note};
use holdfast::transport::ReqwestTransport;
use http::{HeaderMap, HeaderValue, Method};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::traced;
use crate::e2e::operations::{self, Asks, Member};
use crate::testing::app::App;
use crate::testing::{leaks, needles};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_exported_whatever_is_called() {
    let collector = Collector::start().await;
    let key = "the-key-of-the-collector-which-is-secret-too";
    leaks::secret(key);
    let headers = format!("x-api-key={key}");
    let mut app = traced(&collector, &[("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers.as_str())]).await;
    let service_key = app.service_key().await;
    let all = operations::all(&app).await;
    let faults = [
        (Person::Ada, None),
        (Person::Grace, Some(Fault::Revoked)),
        (Person::Edsger, Some(Fault::ServerErrorHtml)),
    ];
    let (here, key) = (&app, service_key.as_str());
    join_all(faults.map(|(person, fault)| {
        let (all, member) = (&all, Member::new(here, person, key));
        async move {
            // What has Instagram do something is called where it fails, too.
            for operation in all.iter().filter(|each| fault.is_none() || each.asks() != Asks::Nothing) {
                here.instagram.clear(Some(member.account)).unwrap();
                // Twenty an hour are allowed, and this hour is short.
                forget_attempts(here, person).await;
                member.here.connect_account(member.account).await;
                if let Some(fault) = fault.filter(|_| operation.asks() != Asks::Dance) {
                    here.instagram.set_fault(Some(member.account), fault).unwrap();
                }
                member.call(operation).await;
            }
        }
    }))
    .await;
    // Secrets where nobody expects them: in a path, a query, a header that is none of theirs.
    let authorization = Member::new(&app, Person::Ada, &service_key).here.authorization();
    let token = authorization.trim_start_matches("Bearer ");
    for path in
        [format!("/user/{token}"), format!("/user/profile?access_token={token}"), format!("/{service_key}")]
    {
        let mut headers = HeaderMap::new();
        for name in ["traceparent", "tracestate", "baggage", "host-of-nobody", "user-agent"] {
            headers.insert(name, HeaderValue::from_str(token).unwrap());
        }
        app.request_with(Method::GET, &path, headers, None).await;
    }
    app.note_all();
    app.stop().await;
    let exports = collector.exports();
    let spans = collector.spans();
    assert!(all.len() > 20 && spans.len() > 5 * all.len(), "{} spans", spans.len());
    for operation in &all {
        let name = format!("{} {}", operation.method, operation.path.replace("/{path}", "/{*path}"));
        assert!(spans.iter().any(|span| span.name == name), "no span of {name}");
    }
    for export in &exports {
        assert_eq!(leaks::found_any(&export.body), None, "exported");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_planted_in_a_span_is_found_in_every_spelling() {
    let planted = "a grant that somebody put/into+a span=";
    let collector = Collector::start().await;
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let settings = load(&Environment::of(environment), None, Purpose::Tools).unwrap();
    for text in needles::planted(planted) {
        let transport = Arc::new(ReqwestTransport::new().unwrap());
        let settings = settings.traces.as_ref().unwrap();
        let (traces, exporter) =
            Traces::on(settings, Arc::new(SystemClock), Arc::new(SystemEntropy), transport).unwrap();
        let careless: &'static str = text.leak();
        in_span_of(&traces, careless).await;
        let stopped = CancellationToken::new();
        stopped.cancel();
        exporter.run(stopped).await;
        let export = collector.exports().pop().expect("it was exported");
        assert!(needles::Needles::new([planted]).find_in(&export.body).is_some(), "{careless}");
        assert!(
            needles::Needles::new(["another secret, of which there is nothing"])
                .find_in(&export.body)
                .is_none()
        );
    }
}

/// Only that person's attempts: another person may be about to hear how theirs ended.
async fn forget_attempts(app: &App, person: Person) {
    let mut connection = sqlx::SqliteConnection::connect(&app.place.url).await.unwrap();
    sqlx::query("DELETE FROM attempts WHERE stage = 'closed' AND user_id = $1")
        .bind(person.user_id())
        .execute(&mut connection)
        .await
        .unwrap();
}

async fn in_span_of(traces: &Traces, careless: &'static str) {
    async { in_span("work", async { note("careless", careless) }).await }
        .with_context(traces.context())
        .await;
}
