//! A client that presents the same refused token again and again.

use holdfast::standin::clerk::{Case, Fault, Person, Surface};
use http::StatusCode;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};

/// The value of one counter or gauge.
pub fn metric(app: &App, name: &str) -> u64 {
    let text = app.metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect(name);
    line.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_to_stop_with_the_same_reason_and_without_a_signature_check() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    app.is_ready().await;
    let case =
        Case::find("azp-other").or_else(|| Case::all().find(|each| each.name.starts_with("azp"))).unwrap();
    let bearer = format!("Bearer {}", app.clerk.mint(case, Person::Ada, ORIGIN).unwrap());
    let mut first = None;
    for _ in 0..10 {
        let answer = app.get_as(&bearer, "/user/profile").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        first.get_or_insert(answer);
    }
    let first = first.unwrap();
    let refused = metric(&app, "holdfast_session_tokens_refused_total");
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history"] {
        let answer = app.get_as(&bearer, path).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(answer.json().to_string().contains(first.code()), "{}", answer.json());
        assert!(!answer.headers.contains_key("www-authenticate"), "a 429 asks for no other credential");
    }
    // The verdict comes before the judge of signatures: neither refusal nor acceptance is counted.
    assert_eq!(metric(&app, "holdfast_session_tokens_stopped_total"), 3);
    assert_eq!(metric(&app, "holdfast_session_tokens_refused_total"), refused);
    assert_eq!(ada.get("/user/profile").await.status, StatusCode::OK, "another token is not affected");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_good_token_nor_one_that_cannot_be_judged_ever_trips_it() {
    let app = App::with(&[], |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::ServerError))).await;
    // It must not end before the last of many requests.
    let bearer = app.lasting_authorization(Person::Ada.user_id());
    for _ in 0..30 {
        let answer = app.get_as(&bearer, "/user/profile").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    app.clerk.set_fault(Surface::Jwks, None);
    app.is_ready().await;
    for _ in 0..100 {
        let answer = app.get_as(&bearer, "/user/profile").await;
        assert_eq!(answer.status, StatusCode::OK, "the very token that could not be judged before");
    }
    assert_eq!(metric(&app, "holdfast_session_tokens_stopped_total"), 0);
}
