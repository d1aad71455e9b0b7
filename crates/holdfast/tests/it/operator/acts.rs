//! Who took which grant, and what operators did, is on record.

use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::Fault;
use serde_json::Value;

use crate::e2e::operations::Member;
use crate::testing::app::App;
use crate::testing::program::{Ended, Place};

async fn run(app: &App, arguments: &[&str]) -> Ended {
    run_with(app, &[("USER", "grace")], arguments).await
}

async fn run_with(app: &App, more: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let place = Place::of(app.environment.iter().cloned().chain(more));
    let arguments: Vec<String> = arguments.iter().map(|each| (*each).to_owned()).collect();
    let run = move || place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_taken_and_what_an_operator_does_are_exported() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    ada.token().await;
    run(&app, &["connections", "check", Person::Ada.user_id()]).await;
    run(&app, &["keys", "rotate"]).await;
    let exported = run(&app, &["audit", "export"]).await;
    assert_eq!(exported.code, 0, "{}", exported.whole());
    let acts: Vec<Value> = exported.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str)> =
        acts.iter().map(|act| (act["action"].as_str().unwrap(), act["actor"].as_str().unwrap())).collect();
    assert!(told[0].0 == "grant.taken" && told[0].1.starts_with("service_key:"), "{told:?}");
    assert_eq!(acts[0]["user_id"], Person::Ada.user_id());
    assert_eq!(told[1..], [("connections.check", "operator:grace"), ("keys.rotate", "operator:grace")]);
    let none = run(&app, &["audit", "export", "--since", "2100-01-01T00:00:00Z"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_words_and_is_on_record_without_a_login_name() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    let refresh = ["connections", "refresh", Person::Ada.user_id()];
    // As in a container: no login name. The grant is young.
    let ended = run_with(&app, &[("HOLDFAST_REFRESH_MIN_AGE_S", "0")], &refresh).await;
    assert_eq!(ended.code, 1, "{}", ended.whole());
    let told = "Instagram did not refresh the grant: the person removed the app at Instagram";
    assert!(ended.stderr.contains(told), "{}", ended.whole());
    let exported = run(&app, &["audit", "export"]).await;
    assert!(exported.stdout.contains("\"actor\":\"operator:uid-"), "{}", exported.whole());
}
