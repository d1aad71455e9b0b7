//! Hostile hands and bad days: nothing grows, nobody is locked out, nothing is believed too soon.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::clock::{Clock as _, ManualClock, SystemClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault, decide};
use holdfast::transport::{Answer, Outgoing};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::edge::attacks::begin_and_deny;
use crate::edge::client::Client;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO, SignedIn};
use crate::testing::database::{Engine, count_on, execute_on};

/// A signed request as Meta sends it.
pub fn signed(app: &App, account: &str, issued_at: Option<i64>) -> String {
    let mut payload = json!({"user_id": account, "algorithm": "HMAC-SHA256"});
    if let Some(at) = issued_at {
        payload["issued_at"] = at.into();
    }
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let options = app.instagram.options();
    let key = hmac::Key::new(hmac::HMAC_SHA256, options.app_secret.expose_secret().as_bytes());
    format!("{}.{payload}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, payload.as_bytes())))
}

async fn call_back(app: &App, route: &str, signed: &str) -> Answer {
    let mut request = Outgoing::new(Method::POST, app.base.join(route).unwrap());
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert("content-type", form);
    request.body = format!("signed_request={signed}").into();
    app.send(request).await
}

async fn service(app: &App, key: &str, method: Method, path: &str, kind: &str, body: &str) -> Answer {
    let mut request = Outgoing::new(method, app.base.join(path).unwrap());
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
    headers.insert("content-type", kind.parse().unwrap());
    request.headers = headers;
    request.body = body.to_owned().into();
    app.send(request).await
}

async fn user_id(ada: &SignedIn<'_>) -> String {
    ada.get("/user/profile").await.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn beginning_and_denying_in_a_loop_ends_at_twenty_in_an_hour() {
    let app = App::start().await;
    let (ada, client) = (app.sign_in(Person::Ada), Client::of(app.address()));
    for _ in 0..20 {
        let end = begin_and_deny(&client, &*app.transport, &ada.authorization()).await.unwrap();
        let end = end.unwrap_or_else(|reply| panic!("{} {}", reply.status, reply.body));
        assert!(end.as_str().contains("instagram=denied"), "{end}");
    }
    let refused = ada.begin(json!({"return_to": RETURN_TO})).await;
    refused.is(429, "too-many-attempts");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
    let detail = refused.json()["detail"].clone();
    assert!(detail.as_str().unwrap().contains("within an hour"), "none of them is open: {detail}");
    assert_eq!(count_on(app.place.engine, &app.place.url, "SELECT COUNT(*) FROM attempts").await, 20);
    // It is hers alone.
    app.sign_in(Person::Grace).connect().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_request_said_twice_is_one_and_spares_what_was_linked_later() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let status = ada.connect_account("ada.makes").await;
    let account = status["account"]["id"].as_str().unwrap().to_owned();
    let now = SystemClock.now().as_second();

    let old = signed(&app, &account, Some(now - 400 * 86_400));
    let first = call_back(&app, "webhooks/instagram/data-deletion", &old).await.json();
    for _ in 0..20 {
        assert_eq!(call_back(&app, "webhooks/instagram/data-deletion", &old).await.json(), first);
    }
    assert_eq!(count_on(app.place.engine, &app.place.url, "SELECT COUNT(*) FROM data_deletions").await, 1);
    assert_eq!(ada.status().await["state"], "connected", "it was asked before this link");
    let code = first["confirmation_code"].as_str().unwrap();
    let page = app.get(&format!("/data-deletion/{code}")).await.text();
    assert!(page.contains("What you have connected since then is not touched"), "{page}");
    let undated = signed(&app, &account, None);
    assert_eq!(call_back(&app, "webhooks/instagram/deauthorize", &undated).await.status, StatusCode::OK);
    assert_eq!(ada.status().await["state"], "connected", "Instagram, asked, says that it works");

    let new = signed(&app, &account, Some(now + 1));
    let second = call_back(&app, "webhooks/instagram/data-deletion", &new).await.json();
    assert_ne!(second, first);
    assert_eq!(ada.status().await["state"], "not_connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_on_its_way_is_not_linked_once_its_person_has_withdrawn_it() {
    const ACCOUNT: &str = "ada.makes";
    let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let account = ada.connect_account(ACCOUNT).await["account"]["id"].as_str().unwrap().to_owned();
    let now = SystemClock.now().as_second();
    let mut later = now + 60;
    for route in ["webhooks/instagram/data-deletion", "webhooks/instagram/deauthorize"] {
        for endpoint in [Endpoint::Exchange, Endpoint::Me] {
            ada.disconnect().await;
            let returned = ada.approve(ACCOUNT).await;
            app.instagram.arm(Some(ACCOUNT), Fault::ServerErrorJson, Some(endpoint), None).unwrap();
            assert_eq!(ada.complete(&returned).await.code(), "provider_unavailable", "{endpoint:?}");
            // Neither a message from before, nor one about another account.
            for other in [signed(&app, &account, Some(now - 60)), signed(&app, "1", Some(now + 60))] {
                call_back(&app, route, &other).await;
            }
            assert_eq!(ada.status().await["attempt"]["id"], json!(returned.attempt));
            // Not the same request as before: that would have the first receipt.
            later += 1;
            let withdrawn = signed(&app, &account, Some(later));
            assert_eq!(call_back(&app, route, &withdrawn).await.status, StatusCode::OK);
            app.instagram.clear(None).unwrap();
            let refused = ada.complete(&returned).await;
            assert_eq!(refused.code(), "attempt-expired", "{route} {endpoint:?}");
            let status = ada.status().await;
            assert_eq!((&status["state"], &status["attempt"]), (&json!("not_connected"), &json!(null)));
            let sealed = "SELECT COUNT(*) FROM attempts WHERE sealed IS NOT NULL";
            assert_eq!(count_on(app.place.engine, &app.place.url, sealed).await, 0);
        }
    }
}

/// The request fails, as in a crash, once it is noted.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_page_says_deleted_once_no_connect_attempt_holds_a_token() {
    const ACCOUNT: &str = "ada.makes";
    let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let account = ada.connect_account(ACCOUNT).await["account"]["id"].as_str().unwrap().to_owned();
    ada.disconnect().await;
    let returned = ada.approve(ACCOUNT).await;
    app.instagram.arm(Some(ACCOUNT), Fault::ServerErrorJson, Some(Endpoint::Me), None).unwrap();
    assert_eq!(ada.complete(&returned).await.code(), "provider_unavailable");
    let (stand, fall) = match app.place.engine {
        Engine::Sqlite => (
            "CREATE TRIGGER stands BEFORE UPDATE ON attempts BEGIN SELECT RAISE(ABORT, 'it stands'); END",
            "DROP TRIGGER stands",
        ),
        Engine::Postgres => (
            "CREATE FUNCTION stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it stands'; END $$; \
             CREATE TRIGGER stands BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION stands()",
            "DROP TRIGGER stands ON attempts",
        ),
    };
    execute_on(&app.place, stand).await;
    let request = signed(&app, &account, Some(SystemClock.now().as_second() + 60));
    let failed = call_back(&app, "webhooks/instagram/data-deletion", &request).await;
    assert!(failed.status.is_server_error(), "{}", failed.status);
    execute_on(&app.place, fall).await;

    let place = &app.place;
    let count = async |what: &str| count_on(place.engine, &place.url, what).await;
    let sealed = "SELECT COUNT(*) FROM attempts WHERE sealed IS NOT NULL";
    let done = "SELECT COUNT(*) FROM data_deletions WHERE completed_at IS NOT NULL";
    assert_eq!((count(sealed).await, count(done).await), (1, 0));
    execute_on(place, "UPDATE data_deletions SET requested_at = requested_at - 120000").await;
    assert_eq!(app.overview.connections.finish_deletions().await.unwrap(), 1);
    assert_eq!((count(sealed).await, count(done).await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_ran_out_on_time_whenever_that_is_noticed() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let authorize: url::Url = ada.connect().await.parse().unwrap();
    let state = authorize.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let expires_at = ada.status().await["attempt"]["expires_at"].clone();
    clock.advance(Duration::from_mins(11));
    for when in ["by the clock", "stored"] {
        let status = ada.status().await;
        assert_eq!(status["reason"], "attempt_expired", "{when}");
        assert_eq!((&status["since"], &status["evidence"]["at"]), (&expires_at, &expires_at), "{when}");
        app.get(&format!("/instagram/callback?state={state}&code=x")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_callback_brings_neither_a_completion_nor_a_redirect() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let authorize = ada.connect().await;
    let approval = decide(authorize.parse().unwrap(), "ada.makes", &Decision::Approve);
    let callback = app.send(approval).await.location();
    let end = app.follow(&callback).await;
    let again = format!("{}?{}", callback.path(), callback.query().unwrap());
    assert_eq!(app.get(&again).await.headers["location"].to_str().unwrap(), end.as_str(), "the same at once");
    // Nobody is sent to an address that is no longer allowed.
    execute_on(&app.place, "UPDATE attempts SET return_to = 'https://other.example.com/'").await;
    let gone = app.get(&again).await;
    assert!(!gone.headers.contains_key("location"), "{:?}", gone.headers);
    execute_on(&app.place, &format!("UPDATE attempts SET return_to = '{RETURN_TO}'")).await;
    clock.advance(Duration::from_hours(2));
    let late = app.send(Outgoing::new(Method::GET, app.base.join(&again[1..]).unwrap())).await;
    assert!(!late.headers.contains_key("location") || !late.text().contains("completion"), "{}", late.text());
    if let Some(location) = late.headers.get("location") {
        assert!(!location.to_str().unwrap().contains("completion"), "{location:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_the_callers_own_goes_nowhere() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let (key, user) = (app.service_key().await, user_id(&ada).await);
    let root = format!("service/users/{user}/instagram/graph/");
    let form = "application/x-www-form-urlencoded";
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nIGAAtheirs\r\n--b--\r\n";
    let calls = [
        ("me/media", form, "caption=x&access_token=IGAAtheirs"),
        ("me/media", form, "caption=x&access_token%00=IGAAtheirs"),
        ("me/media", form, "access.token=IGAAtheirs"),
        ("me/media", form, "%20access_token=IGAAtheirs"),
        ("me/media", "multipart/form-data; boundary=b", multipart),
        ("me/media", "application/json", r#"{"caption": "x", "access_token": "IGAAtheirs"}"#),
        ("me/media?ACCESS_TOKEN=IGAAtheirs", form, "a=b"),
        ("me/media?access.token=IGAAtheirs", form, "a=b"),
        ("me/media?access_token%2500=IGAAtheirs", form, "a=b"),
        ("me/media?appsecret_proof=x", form, "a=b"),
        ("REFRESH_ACCESS_TOKEN", form, "a=b"),
        ("me/media", "text/plain", "access_token=IGAAtheirs"),
    ];
    for state in ["connected", "not_connected"] {
        for (path, kind, body) in calls {
            let answer = service(&app, &key, Method::POST, &format!("{root}{path}"), kind, body).await;
            assert_eq!(answer.told(), (422, "graph-call-not-allowed"), "{state}: {path} {body}");
        }
        assert_eq!(ada.status().await["state"], state);
        ada.disconnect().await;
    }
}

/// A byte that is changed, counted from the start or back from the end: the text; the nonce; the
/// name of the data key; the key id of the wrapped key; that key.
const DAMAGES: [(&str, i32); 5] =
    [("grants", -20), ("grants", 20), ("grants", 4), ("user_keys", 3), ("user_keys", -20)];

/// The statement that changes a byte of each blob.
fn damage(engine: Engine, table: &str, at: i32) -> String {
    let at = if at < 0 { format!("length(blob) - {}", -at) } else { at.to_string() };
    match engine {
        // Another one, whatever it was.
        Engine::Sqlite => format!(
            "UPDATE {table} SET blob = CAST(substr(blob, 1, {at}) || CASE substr(blob, {at} + 1, 1) WHEN x'7a' THEN x'7b' \
             ELSE x'7a' END || substr(blob, {at} + 2) AS BLOB)"
        ),
        Engine::Postgres => {
            format!("UPDATE {table} SET blob = set_byte(blob, {at}, get_byte(blob, {at}) # 1)")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_grant_says_so_and_is_taken_up_again() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let (key, user) = (app.service_key().await, user_id(&ada).await);
    let token = format!("service/users/{user}/instagram/token");
    let engine = app.place.engine;
    let changed = DAMAGES.map(|(table, at)| (table, damage(engine, table, at)));
    let gone = [("grants", "DELETE FROM grants".to_owned())];
    for (table, damage) in changed.into_iter().chain(gone) {
        execute_on(&app.place, &format!("CREATE TABLE kept AS SELECT * FROM {table}; {damage}")).await;
        let answer = service(&app, &key, Method::POST, &token, "application/json", "").await;
        assert_eq!(answer.told(), (424, "grant_unreadable"), "{damage}: {}", answer.text());
        let status = ada.status().await;
        assert_eq!(
            (&status["state"], &status["reason"]),
            (&json!("reconnect_required"), &json!("grant_unreadable"))
        );
        execute_on(
            &app.place,
            &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept"),
        )
        .await;
        let answer = service(&app, &key, Method::POST, &token, "application/json", "").await;
        assert_eq!(answer.status, StatusCode::OK, "{damage}: {}", answer.text());
        assert_eq!(ada.status().await["state"], "connected", "{damage}");
    }
    let counted = app.metrics.render();
    assert!(counted.contains("holdfast_grants_unreadable_total 6"), "{counted}");
}

/// The statement that flips the last bit of that person's grant, which is one of its tag.
fn flip(engine: Engine, of_person: &str) -> String {
    let flipped = match engine {
        Engine::Sqlite => {
            "unhex(substr(hex(blob), 1, length(hex(blob)) - 1) || \
             substr('1032547698BADCFE', instr('0123456789ABCDEF', substr(hex(blob), -1)), 1))"
        }
        Engine::Postgres => "set_byte(blob, length(blob) - 1, get_byte(blob, length(blob) - 1) # 1)",
    };
    format!("UPDATE grants SET blob = {flipped} WHERE {of_person}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_with_a_flipped_bit_of_another_person_or_gone_is_said_and_raises_an_alert() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    ada.connect_account("ada.makes").await;
    grace.connect_account("grace.hops").await;
    let key = app.service_key().await;
    let of = |person: Person| {
        format!("connection_id = (SELECT id FROM connections WHERE user_id = '{}')", person.user_id())
    };
    let of_ada = of(Person::Ada);
    let exchanged = "UPDATE grants SET blob = (SELECT kept.blob FROM kept \
         WHERE kept.connection_id <> grants.connection_id)"
        .to_owned();
    let damages = [
        (flip(app.place.engine, &of_ada), vec![(Person::Ada, &ada)], vec![(Person::Grace, &grace)]),
        (exchanged, vec![(Person::Ada, &ada), (Person::Grace, &grace)], vec![]),
        (
            format!("DELETE FROM grants WHERE {of_ada}"),
            vec![(Person::Ada, &ada)],
            vec![(Person::Grace, &grace)],
        ),
    ];
    let ask = async |person: Person| {
        let token = format!("service/users/{}/instagram/token", person.user_id());
        service(&app, &key, Method::POST, &token, "application/json", "").await
    };
    // What the alert HoldfastGrantDamaged looks at.
    let damaged = async || {
        app.overview.look().await.unwrap();
        let series = "holdfast_connections{provider=\"instagram\",state=\"reconnect_required\",reason=\"grant_unreadable\"} ";
        let told = app.metrics.render();
        let count = told.lines().find_map(|line| line.strip_prefix(series));
        count.map_or(0, |count| count.trim_end_matches(".0").parse::<usize>().unwrap())
    };
    let mut found = 0;
    for (damage, concerned, others) in &damages {
        execute_on(&app.place, &format!("CREATE TABLE kept AS SELECT * FROM grants; {damage}")).await;
        for (person, session) in concerned {
            let answer = ask(*person).await;
            assert_eq!(answer.told(), (424, "grant_unreadable"), "{person:?}, {damage}");
            let status = session.status().await;
            let told = [&status["state"], &status["reason"], &status["connected"], &status["action"]];
            let expected = [
                &json!("reconnect_required"),
                &json!("grant_unreadable"),
                &json!(false),
                &json!("reconnect"),
            ];
            assert_eq!(told, expected, "{person:?}, {damage}");
        }
        for (person, session) in others {
            assert_eq!(ask(*person).await.status, StatusCode::OK, "{person:?}, {damage}");
            assert_eq!(session.status().await["state"], "connected", "{person:?}, {damage}");
        }
        found += concerned.len();
        assert!(
            app.metrics.render().contains(&format!("holdfast_grants_unreadable_total {found}\n")),
            "{damage}"
        );
        assert_eq!(damaged().await, concerned.len(), "{damage}");
        let restored = "DELETE FROM grants; INSERT INTO grants SELECT * FROM kept; DROP TABLE kept";
        execute_on(&app.place, restored).await;
        for (person, session) in concerned {
            assert_eq!(ask(*person).await.status, StatusCode::OK, "{person:?}, {damage}");
            assert_eq!(session.status().await["state"], "connected", "{person:?}, {damage}");
        }
        assert_eq!(damaged().await, 0, "{damage}");
    }
}
