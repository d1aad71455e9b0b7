//! Connecting: the dance, its ends, and the two attacks on it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO, Returned};
use crate::testing::waiting::until;

fn attempt_of(end: &url::Url) -> Value {
    end.query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_never_connected_to_revoked_and_back_without_a_single_401() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let before = ada.status().await;
    assert_eq!(
        (&before["state"], &before["action"], &before["version"]),
        (&json!("not_connected"), &json!("connect"), &json!(0))
    );

    let authorize_url = ada.connect().await;
    let during = ada.status().await;
    assert_eq!((&during["state"], &during["connected"]), (&json!("connecting"), &json!(false)));
    let end = app.decide(&authorize_url, "ada.makes", &Decision::Approve).await;
    let query = attempt_of(&end);
    let returned = Returned {
        attempt: query["attempt"].as_str().unwrap().to_owned(),
        completion: query["completion"].as_str().unwrap().to_owned(),
    };
    let connected = ada.complete(&returned).await.json();
    assert_eq!(
        (&connected["state"], &connected["connected"], &connected["reason"]),
        (&json!("connected"), &json!(true), &Value::Null)
    );
    assert_eq!(connected["account"]["username"], "ada.makes");
    assert!(connected["account"]["id"].is_string());
    assert_eq!(connected["evidence"]["source"], "oauth");
    assert!(connected["next_refresh_at"].is_string() && connected["token_expires_at"].is_string());

    // The same outcome again, for its owner.
    let again = ada.complete(&returned).await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::OK, &json!("connected")));

    app.instagram.set_fault(Some("ada.makes"), holdfast::standin::instagram::Fault::Revoked).unwrap();
    let revoked = ada.check().await.good();
    assert_eq!(
        (&revoked["state"], &revoked["reason"], &revoked["action"]),
        (&json!("reconnect_required"), &json!("revoked"), &json!("reconnect"))
    );
    assert!(revoked["error"].is_string());
    let profile = ada.get("/user/profile").await;
    assert_eq!(profile.status, StatusCode::OK);
    assert_eq!(profile.json()["connections"]["instagram"]["state"], "reconnect_required");

    app.instagram.clear(None).unwrap();
    assert_eq!(ada.connect_account("ada.makes").await["state"], "connected");

    let history = ada.get("/user/instagram/history").await.json();
    let states: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    // The second attempt began while the account was linked, and hides nothing.
    let expected = ["connected", "reconnect_required", "reconnect_required", "connected", "connecting"];
    assert_eq!(states, expected);

    // The log was there to be searched when this test ends.
    let log = String::from_utf8(app.watch.log()).unwrap();
    assert!(log.contains("/user/instagram/status") && log.lines().count() > 10, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_a_partial_grant_and_an_ineligible_account_each_end_in_a_named_state() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let url = ada.connect().await;
    let end = app.decide(&url, "ada.makes", &Decision::Deny).await;
    assert!(
        end.as_str().starts_with(RETURN_TO)
            && end.as_str().contains("instagram=denied")
            && end.as_str().contains("reason=denied"),
        "{end}"
    );
    assert_eq!(ada.status().await["reason"], "denied");

    let only = Decision::ApproveOnly(vec!["instagram_business_basic".to_owned()]);
    let returned = ada.go_and_return("ada.makes", &only).await;
    let partial = ada.complete(&returned).await.json();
    assert_eq!(
        (&partial["connected"], &partial["reason"], &partial["action"]),
        (&json!(true), &json!("scopes_missing"), &json!("reconnect"))
    );
    assert_eq!(partial["missing_scopes"], json!(["instagram_business_manage_insights"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_completions_exchange_the_code_once_and_all_succeed() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    let answers = join_all((0..50).map(|_| ada.complete(&returned))).await;
    for answer in &answers {
        answer.good();
    }
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1);
    assert_eq!(app.instagram.call_counts()[&Endpoint::Exchange], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_linking_one_account_one_wins_and_the_other_gets_409() {
    let app = App::start().await;
    for round in 0..5 {
        let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
        let first = ada.approve("ada.makes").await;
        let second = grace.approve("ada.makes").await;
        let (one, two) = tokio::join!(ada.complete(&first), grace.complete(&second));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "round {round}: {} {}", one.text(), two.text());
        let loser = if one.status == StatusCode::CONFLICT { &one } else { &two };
        assert_eq!(loser.code(), "account-belongs-to-another-user");
        for user in [&ada, &grace] {
            user.disconnect().await.good();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_victim_who_approves_an_attackers_link_is_not_linked_to_the_attacker() {
    let app = App::start().await;
    let (attacker, victim) = (app.sign_in(Person::Edsger), app.sign_in(Person::Ada));
    // The attacker begins, and has the victim approve. The victim's browser comes back with the
    // completion.
    let returned = attacker.approve("ada.makes").await;
    // The victim's page completes what it finds in its address, with the victim's session.
    victim.complete(&returned).await.is(403, "attempt-not-yours");
    // The attacker knows the attempt, not the completion.
    let guess = Returned { attempt: returned.attempt.clone(), completion: "A".repeat(43) };
    let guessed = attacker.complete(&guess).await;
    assert_eq!(guessed.status, StatusCode::FORBIDDEN, "{}", guessed.text());
    assert_eq!(attacker.status().await["connected"], false);
    assert_eq!(victim.status().await["connected"], false);
    assert_eq!(app.instagram.call_counts().get(&Endpoint::Token).copied().unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_victim_who_is_sent_an_attackers_callback_is_not_linked_to_the_attackers_account() {
    let app = App::start().await;
    let (attacker, victim) = (app.sign_in(Person::Edsger), app.sign_in(Person::Ada));
    let url = attacker.connect().await;
    // The attacker approves with an own account, but sends the callback's address to the victim.
    let approval =
        holdfast::standin::instagram::decide(url.parse().unwrap(), "grace.hops", &Decision::Approve);
    let back = app.send(approval).await;
    let end = app.follow(&back.location()).await;
    let query = attempt_of(&end);
    let returned = Returned {
        attempt: query["attempt"].as_str().unwrap().to_owned(),
        completion: query["completion"].as_str().unwrap().to_owned(),
    };
    victim.complete(&returned).await.is(403, "attempt-not-yours");
    assert_eq!(victim.status().await["connected"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_delivery_of_the_callback_has_the_first_ones_outcome() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let url = ada.connect().await;
    let approval =
        holdfast::standin::instagram::decide(url.parse().unwrap(), "ada.makes", &Decision::Approve);
    let callback = app.send(approval).await.location();
    let ends = join_all((0..10).map(|_| app.follow(&callback))).await;
    assert!(ends.iter().all(|end| end == &ends[0]), "{ends:?}");
    // Without a usable attempt there is a page, which repeats nothing of what it was given.
    for query in ["", "?state=never&code=x", "?code=<script>x</script>", "?state=&error=access_denied"] {
        let answer = app.get(&format!("/instagram/callback{query}")).await;
        assert!(
            answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED,
            "{query}: {}",
            answer.status
        );
        assert!(answer.text().contains("<html") && !answer.text().contains("script>x"), "{query}");
    }
}

/// The beginner of an attempt knows its `state`, and may be an attacker who has sent the link to
/// somebody else. So only the browser that came back with the code gets the completion.
#[tokio::test(flavor = "multi_thread")]
async fn the_completion_is_not_repeated_to_one_who_knows_the_state_alone() {
    let app = App::start().await;
    let (attacker, victim) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    let url = attacker.connect().await;
    let approval =
        holdfast::standin::instagram::decide(url.parse().unwrap(), "grace.hops", &Decision::Approve);
    let callback = app.send(approval).await.location();
    let end = app.follow(&callback).await;
    let parameter = |name: &str| {
        callback.query_pairs().find_map(|(key, value)| (key == name).then(|| value.into_owned())).unwrap()
    };
    let (state, code_of_victim) = (parameter("state"), parameter("code"));
    let completion = attempt_of(&end)["completion"].as_str().unwrap().to_owned();
    let attempt = attempt_of(&end)["attempt"].as_str().unwrap().to_owned();
    let others =
        [String::new(), "&code=".to_owned(), "&code=guessed".to_owned(), format!("&code={code_of_victim}x")];
    // A "no" ends the attempt, until it has connected.
    let refusals = ["&error=access_denied".to_owned(), format!("&code={code_of_victim}&error=access_denied")];
    let nothing_told = async |queries: &[String]| {
        for more in queries {
            let answer = app.get(&format!("/instagram/callback?state={state}{more}")).await;
            let told = format!("{:?} {}", answer.headers, answer.text());
            assert!(!told.contains(&completion) && !told.contains("completion="), "{more}: {told}");
        }
    };
    nothing_told(&others).await;
    // The browser that came back may reload, and is still refused another person's attempt.
    assert_eq!(app.follow(&callback).await, end);
    let returned = Returned { attempt, completion: completion.clone() };
    victim.complete(&returned).await.is(403, "attempt-not-yours");
    // Nor is it told once the attempt has been completed.
    attacker.complete(&returned).await.good();
    nothing_told(&others).await;
    nothing_told(&refusals).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_browser_is_back_the_owner_is_told_so_and_nobody_else() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    let begun = ada.begin(json!({"return_to": RETURN_TO})).await;
    let begun = begun.json();
    let guess = |completion: &str| Returned {
        attempt: begun["attempt_id"].as_str().unwrap().to_owned(),
        completion: completion.to_owned(),
    };
    for completion in ["", "A", &"A".repeat(43)] {
        let early = ada.complete(&guess(completion)).await;
        early.is(409, "attempt-not-returned");
        grace.complete(&guess(completion)).await.is(403, "attempt-not-yours");
    }
    // Asking too early spoils nothing, and once the browser is back a guess is a guess.
    let end = app.decide(begun["authorize_url"].as_str().unwrap(), "ada.makes", &Decision::Approve).await;
    let query = attempt_of(&end);
    ada.complete(&guess(&"A".repeat(43))).await.is(403, "completion-invalid");
    assert_eq!(ada.complete(&guess(query["completion"].as_str().unwrap())).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_app_wrote_into_its_return_address_comes_back_byte_for_byte() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let return_to = format!("{RETURN_TO}?q=b%20c+d&e#/settings?tab=b%20c");
    let url = ada.connect_with(json!({"return_to": return_to})).await;
    let end = app.decide(&url, "ada.makes", &Decision::Approve).await;
    let kept = format!("{RETURN_TO}?q=b%20c+d&e&instagram=complete&attempt=");
    assert!(end.as_str().starts_with(&kept), "{end}");
    assert_eq!(end.fragment(), Some("/settings?tab=b%20c"));
    let url = ada.connect_with(json!({"return_to": return_to})).await;
    let end = app.decide(&url, "ada.makes", &Decision::Deny).await;
    assert!(end.as_str().ends_with("&reason=denied#/settings?tab=b%20c"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_does_not_silently_replace_the_linked_one() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let other = ada.approve("grace.hops").await;
    ada.complete(&other).await.is(409, "different-account");
    assert_eq!(ada.status().await["account"]["username"], "ada.makes", "the old connection stands");
    let wanted = json!({"return_to": RETURN_TO, "expect": "any_account"});
    let chosen = ada.approve_with("grace.hops", wanted).await;
    assert_eq!(ada.complete(&chosen).await.json()["account"]["username"], "grace.hops");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_leaves_nothing_and_may_be_repeated() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let first = ada.disconnect().await.json();
    let second = ada.disconnect().await.json();
    assert_eq!(first["disconnected"], true);
    assert_eq!(first, second);
    assert!(first["revoke_hint"].as_str().unwrap().contains("Instagram"));
    let status = ada.status().await;
    assert_eq!(
        (&status["reason"], &status["account"], &status["scopes"]),
        (&json!("user_disconnected"), &Value::Null, &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_in_hand_outlives_a_rate_limit_on_the_question_whose_it_is() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.arm(Some("ada.makes"), Fault::AccountRateLimit, Some(Endpoint::Me), None).unwrap();
    ada.complete(&returned).await.is(424, "rate_limited");
    assert_eq!(ada.status().await["connected"], false, "nothing half-made is connected");

    app.instagram.clear(None).unwrap();
    clock.advance(Duration::from_secs(20 * 60));
    until("the worker goes on from the kept grant", async || {
        // It rests for a second if it was at work when the clock was moved.
        clock.advance(Duration::from_secs(1));
        ada.status().await["connected"] == true
    })
    .await;
    ada.complete(&returned).await.good();
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1, "the code went out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_names_no_deletion_where_there_was_nothing_to_delete() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let url = ada.connect().await;
    app.decide(&url, "ada.makes", &Decision::Deny).await;
    assert_eq!(ada.status().await["reason"], "denied");
    let receipt = ada.disconnect().await.json();
    assert_eq!((&receipt["disconnected"], &receipt["deleted_at"]), (&json!(true), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_five_attempts_are_open_and_a_return_address_must_be_on_the_list() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let bad = ada.begin(json!({"return_to": "https://evil.example.com"})).await;
    bad.is(422, "return-to-not-allowed");
    for _ in 0..5 {
        ada.connect().await;
    }
    let sixth = ada.send(Method::POST, "/user/instagram/connect", None).await;
    assert_eq!(sixth.status, StatusCode::TOO_MANY_REQUESTS, "{}", sixth.text());
    let wait: u64 = sixth.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((500..=600).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_attempts_hold_up_a_new_one_for_ten_minutes_at_most() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    for fault in [Endpoint::Exchange, Endpoint::Exchange, Endpoint::Exchange, Endpoint::Me, Endpoint::Me] {
        let returned = ada.approve("ada.makes").await;
        app.instagram.arm(None, Fault::AppDeactivated, Some(fault), None).unwrap();
        assert_eq!(ada.complete(&returned).await.code(), "app_misconfigured");
        app.instagram.clear(None).unwrap();
        clock.advance(Duration::from_secs(1));
    }
    let refused = ada.send(Method::POST, "/user/instagram/connect", None).await;
    assert_eq!(refused.code(), "too-many-attempts", "{}", refused.text());
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((590..=596).contains(&wait), "{wait}");
    clock.advance(Duration::from_secs(wait));
    ada.connect().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_tells_us_and_we_believe_only_what_is_signed() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    app.instagram.deauthorize("ada.makes").await.unwrap();
    assert_eq!(ada.status().await["reason"], "deauthorized");
    let forged = app.request(Method::POST, "/webhooks/instagram/deauthorize", None, Some(json!({}))).await;
    assert!(
        forged.status.is_client_error() && forged.status != StatusCode::UNAUTHORIZED,
        "{}",
        forged.status
    );
    ada.connect_account("ada.makes").await;
    app.instagram.request_deletion("ada.makes").await.unwrap();
    let status = ada.status().await;
    assert_eq!((&status["connected"], &status["account"]), (&json!(false), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_the_newest_attempt_is_what_the_status_tells() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    // Two tabs: the first is left at Instagram, the second is denied, then a third connects.
    ada.connect().await;
    let left = ada.status().await["attempt"].clone();
    let second = ada.connect().await;
    app.decide(&second, "ada.makes", &Decision::Deny).await;
    let denied = ada.status().await;
    assert_eq!((&denied["state"], &denied["reason"]), (&json!("not_connected"), &json!("denied")));
    assert!(left["id"].is_string());
    assert_eq!(denied["attempt"], left, "the first can still be completed");
    assert_eq!(ada.connect_account("ada.makes").await["state"], "connected");
    let connected = ada.status().await;
    assert_eq!((&connected["state"], &connected["attempt"]), (&json!("connected"), &left));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_says_neither_yes_nor_no_ends_the_attempt() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    for rest in ["error_code=1349187&error_message=Insufficient+developer+role", "code="] {
        let authorize_url: Url = ada.connect().await.parse().unwrap();
        let (_, state) = authorize_url.query_pairs().find(|(name, _)| name == "state").unwrap();
        let callback = format!("{}instagram/callback?{rest}&state={state}", app.base);
        let back = app.follow(&callback.parse().unwrap()).await;
        assert!(back.as_str().starts_with(RETURN_TO), "{back}");
        assert!(back.query().unwrap().contains("instagram=failed"), "{back}");
        assert_eq!(ada.status().await["reason"], "attempt_failed");
    }
}
