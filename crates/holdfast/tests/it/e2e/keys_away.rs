//! Clerk's key server is away when we start: nobody is refused, and service returns by itself.

use holdfast::standin::clerk::{Fault, Person, Surface};
use http::StatusCode;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_the_answer_is_503_until_they_return() {
    let app = App::with(&[], |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::ServerError))).await;
    let ada = app.sign_in(Person::Ada);
    for path in ["/user/profile", "/user/instagram/status", "/readyz"] {
        let answer = ada.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1, "{path}");
    }
    assert_eq!(ada.get("/user/profile").await.json()["source"], "clerk");
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
    app.clerk.set_fault(Surface::Jwks, None);
    app.is_ready().await;
    assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK);
}
