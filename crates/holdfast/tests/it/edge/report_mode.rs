//! `CLERK_AUTHORIZED_PARTIES_MODE=report`: everybody is served, and what enforcing would refuse is
//! counted.

use holdfast::standin::clerk::{Case, Person};
use http::StatusCode;

use super::breaker::metric;
use crate::testing::app::{App, ORIGIN};

#[tokio::test(flavor = "multi_thread")]
async fn report_mode_serves_and_counts() {
    let app = App::with(&[("CLERK_AUTHORIZED_PARTIES_MODE", "report")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    app.is_ready().await;
    assert_eq!(ada.get("/user/profile").await.status, StatusCode::OK);
    let before = metric(&app, "holdfast_session_tokens_would_refuse_total");
    assert_eq!(before, 0, "a token of the app itself");
    let foreign = app.clerk.mint(Case::find("azp-other").unwrap(), Person::Ada, ORIGIN).unwrap();
    let foreign = format!("Bearer {foreign}");
    for count in 1..=3 {
        let answer = app.get_as(&foreign, "/user/profile").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(metric(&app, "holdfast_session_tokens_would_refuse_total"), count);
    }
    assert_eq!(metric(&app, "holdfast_session_tokens_refused_total"), 0);
}
