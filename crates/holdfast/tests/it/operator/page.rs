//! The operator's page: what it says, what it must not, and what support finds on it.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use holdfast::clock::{Clock as _, ManualClock, SystemClock};
use holdfast::standin::clerk::Person;
use http::{StatusCode, header};
use tower::ServiceExt as _;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;

/// A page of the metrics listener.
pub(super) async fn page(app: &App, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
    let answer = app.operator.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    if path == "/" || path.starts_with("/?") {
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_how_all_fares_without_a_script() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.get("/user/profile").await;
    app.overview.look().await.unwrap();
    app.overview.look_at_the_rest().await.unwrap();
    let (status, html) = page(&app, "/").await;
    assert_eq!(status, StatusCode::OK);
    for told in [
        "<td>connected</td>",
        "30 to 45 days",
        "session-token-missing",
        "Nothing is wrong",
        "<td>grants</td>",
    ] {
        assert!(html.contains(told), "{told} is missing in {html}");
    }
    for never in ["<script", "style=\"", "<img"] {
        assert!(!html.contains(never), "{never} in {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_every_name_that_support_is_told() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let status = ada.connect_account("ada.makes").await;
    let account = status["account"]["id"].as_str().unwrap();
    let refused = ada.begin(serde_json::json!({"return_to": "https://evil.example"})).await;
    assert_eq!(refused.code(), "return-to-not-allowed");
    let request_id = refused.json()["request_id"].as_str().unwrap().to_owned();
    let names = [Person::Ada.user_id(), account, "ada.makes", "@ada.makes", "Ada.Makes", &request_id];
    for asked in names {
        let (_, html) = page(&app, &format!("/?q={asked}")).await;
        assert!(html.contains(Person::Ada.user_id()), "{asked}: {html}");
        assert!(
            html.contains("<strong>connected</strong>") && html.contains("return-to-not-allowed"),
            "{asked}: {html}"
        );
    }
    let (status, html) = page(&app, "/?q=%3Cscript%3E").await;
    assert!(status.is_success() && !html.contains("<script"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_leads_to_its_section_of_the_runbook() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    crate::testing::database::execute_on(
        &app.place,
        "UPDATE connections SET state = 'degraded', reason = 'app_misconfigured'",
    )
    .await;
    app.overview.look().await.unwrap();
    let (_, html) = page(&app, "/").await;
    assert!(html.contains("/runbook#HoldfastAppRefused") && !html.contains("Nothing is wrong"), "{html}");
    let (_, runbook) = page(&app, "/runbook").await;
    assert!(runbook.contains("id=\"HoldfastAppRefused\"") && runbook.contains("INSTAGRAM_APP_SECRET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_refused_alone_is_no_fault_of_the_app() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.sign_in(Person::Grace).connect_account("grace.hops").await;
    let refused = format!(
        "UPDATE connections SET state = 'degraded', reason = 'app_misconfigured' WHERE user_id = '{}'",
        Person::Ada.user_id()
    );
    crate::testing::database::execute_on(&app.place, &refused).await;
    app.overview.look().await.unwrap();
    let (_, html) = page(&app, "/").await;
    assert!(html.contains("/runbook#HoldfastAccountRefused"), "{html}");
    assert!(!html.contains("/runbook#HoldfastAppRefused"), "{html}");
}

/// Every connect and refresh passes through the journal; what stays there is a trouble.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_passes_through_the_journal_is_no_trouble() {
    let clock = ManualClock::new(SystemClock.now());
    let app = App::at(Arc::new(clock), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    app.is_ready().await;
    let journal = app.place.directory.path().join("journal");
    std::fs::create_dir_all(&journal).unwrap();
    let is_told = async || page(&app, "/troubles").await.1.contains("HoldfastJournalWaits");
    for name in ["1.grant", "2.grant"] {
        std::fs::write(journal.join(name), "{}").unwrap();
        app.overview.look().await.unwrap();
        assert!(!is_told().await, "{name} has just come");
        if name == "1.grant" {
            std::fs::remove_file(journal.join(name)).unwrap();
        }
    }
    app.overview.look().await.unwrap();
    assert!(is_told().await, "it was there before");
}
