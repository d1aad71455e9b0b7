//! The journal is a safety net: without it, work goes on.

use holdfast::standin::clerk::Person;

use crate::testing::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_is_said_and_hinders_nobody() {
    let app = App::with(&[("HOLDFAST_JOURNAL_DIR", "/dev/null/journal")], |_| {}).await;
    app.overview.look().await.unwrap();
    let shown = app.metrics.render();
    assert!(shown.contains("\nholdfast_journal_writable 0.0\n"), "{shown}");
    let status = app.sign_in(Person::Ada).connect_account("ada.makes").await;
    assert_eq!(status["state"], "connected");
}
