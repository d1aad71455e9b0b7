//! Situations from public issue threads of apps that keep users in step with Clerk, each named by
//! repository and number.

use futures_util::future::{join, join_all};
use holdfast::standard_webhooks::SigningKey;
use holdfast::standin::clerk::{Deliver, EventKind, Person};
use holdfast::transport::{Answer, Outgoing};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::statuses::told;
use crate::testing::answer::AnswerExt;
use crate::testing::app::{App, ORIGIN};
use crate::testing::leaks;

const WELL: (&str, Option<&str>, &str) = ("connected", None, "none");

fn signature(app: &App, id: &str, at: &str, event: &str) -> String {
    SigningKey::parse(app.clerk.webhook_secret().expose_secret()).unwrap().sign(id, at, event.as_bytes())
}

/// A delivery with these headers, which are beside `svix-id` and `svix-timestamp`.
async fn deliver(app: &App, id: &str, at: &str, signatures: Option<&str>, event: &str) -> Answer {
    let mut request = Outgoing::new(Method::POST, app.base.join("webhooks/clerk").unwrap());
    let signatures = signatures.map(|value| ("svix-signature", value));
    for (name, value) in [("svix-id", id), ("svix-timestamp", at)].into_iter().chain(signatures) {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    request.headers.insert("content-type", HeaderValue::from_static("application/json"));
    request.body = event.to_owned().into();
    app.send(request).await
}

fn now(app: &App) -> String {
    app.clock.now().as_second().to_string()
}

/// A signed event of now.
async fn signed(app: &App, id: &str, event: &Value) -> u16 {
    let (event, at) = (event.to_string(), now(app));
    deliver(app, id, &at, Some(&signature(app, id, &at, &event)), &event).await.status.as_u16()
}

/// Ada's record as Clerk sends it, of that version.
fn record(version: i64, change: impl FnOnce(&mut Value)) -> Value {
    let mut data = json!({
        "id": Person::Ada.user_id(), "object": "user", "first_name": "Ada", "last_name": "Lovelace",
        "image_url": "https://img.example.com/ada.png", "primary_email_address_id": "idn_1",
        "email_addresses": [
            {"id": "idn_1", "email_address": "ada@example.com", "verification": {"status": "verified"}},
            {"id": "idn_2", "email_address": "countess@example.com", "verification": {"status": "verified"}},
        ],
        "banned": false, "locked": false, "created_at": 1, "updated_at": version,
    });
    change(&mut data);
    json!({"object": "event", "type": "user.updated", "data": data, "timestamp": version})
}

/// svix/svix-webhooks#1463, SatyamPandey-07/WorkSphere#481: the signature is over the bytes that
/// were sent, not over what a parser makes of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_over_the_bytes_as_they_came() {
    let app = App::start().await;
    let id = Person::Ada.user_id();
    let event = format!(
        "{{\n  \"type\" : \"user.updated\",\r\n\t\"data\": {{\"updated_at\": 9e3, \"id\":\"{id}\", \"first_name\": \"\\u0041da\", \"zz\": 1.0}} }}\n"
    );
    let at = now(&app);
    let signed = signature(&app, "msg_1", &at, &event);
    let rewritten = serde_json::from_str::<Value>(&event).unwrap().to_string();
    deliver(&app, "msg_1", &at, Some(&signed), &rewritten).await.is(400, "signature-invalid");
    let believed = deliver(&app, "msg_1", &at, Some(&signed), &event).await;
    assert!(believed.status.is_success(), "{}", believed.text());
}

/// lobehub/lobehub#4084, harshdwivediiiii/pathfinder-ai#1720: made by hand, and not signed.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_signed_is_told_which_header_is_missing_and_erases_nobody() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let event = json!({"type": "user.deleted", "data": {"id": Person::Ada.user_id(), "deleted": true}});
    let at = now(&app);
    let unsigned = deliver(&app, "msg_1", &at, None, &event.to_string()).await;
    unsigned.is(400, "signature-invalid");
    assert!(unsigned.text().contains("svix-signature"), "{}", unsigned.text());
    for forged in ["v1,", "v1,AAAA", "v1", "", "v2,AAAA"] {
        let refused = deliver(&app, "msg_1", &at, Some(forged), &event.to_string()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{forged}");
    }
    assert_eq!(told(&ada.status().await), WELL);
}

/// redwoodjs/graphql#4598: a header with several signatures, as while a secret is replaced, some of
/// versions to come.
#[tokio::test(flavor = "multi_thread")]
async fn one_signature_of_several_that_fits_is_enough() {
    let app = App::start().await;
    let event = record(1, |_| {}).to_string();
    let at = now(&app);
    let good = signature(&app, "msg_1", &at, &event);
    for several in [format!("v1,AAAA {good}"), format!("v1a,x v2,y {good} v1,AAAA")] {
        let believed = deliver(&app, "msg_1", &at, Some(&several), &event).await;
        assert!(believed.status.is_success(), "{}", believed.text());
    }
    let moved = good.replacen("v1,", "v2,", 1);
    assert_eq!(deliver(&app, "msg_1", &at, Some(&moved), &event).await.status, StatusCode::BAD_REQUEST);
}

/// engram-app/Engram#329, Mik1810/PaperDeck#223, clerk/clerk-docs#1122: the primary address
/// changes, and what was sent before arrives after it, under an id of its own and twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_primary_address_stands_whatever_arrives_later() {
    let app = App::with(&[("CLERK_SECRET_KEY", "")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let email = async || ada.get("/user/profile").await.json()["email"].clone();
    let primary = |id: &'static str| move |data: &mut Value| data["primary_email_address_id"] = id.into();
    for (id, event, expected) in [
        ("msg_1", record(1_000, |_| {}), "ada@example.com"),
        ("msg_3", record(3_000, primary("idn_2")), "countess@example.com"),
        ("msg_2", record(2_000, |_| {}), "countess@example.com"),
        ("msg_1", record(1_000, |_| {}), "countess@example.com"),
        ("msg_3", record(3_000, primary("idn_2")), "countess@example.com"),
        ("msg_4", record(4_000, primary("idn_1")), "ada@example.com"),
    ] {
        assert!(signed(&app, id, &event).await < 300, "{id}");
        assert_eq!(email().await, expected, "{id}");
    }
    // None of them is the primary one: nothing is invented.
    assert!(signed(&app, "msg_5", &record(5_000, primary("idn_gone"))).await < 300);
    assert_eq!(email().await, Value::Null);
}

/// Clawdi-AI/clawdi#805: a ban can be lifted, and is no deletion.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_or_a_lock_loses_nothing() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    for (id, word, is_set) in [("a", "banned", true), ("b", "locked", true), ("c", "banned", false)] {
        let event = record(app.clock.now().as_millisecond(), |data| data[word] = is_set.into());
        assert!(signed(&app, id, &event).await < 300);
        assert_eq!(told(&ada.status().await), WELL, "{word} {is_set}");
    }
}

/// khushi897920-lang/hercycle-ai#459, Lonli-Lokli/uk-travel-history#107: the event and the person's
/// first calls arrive at one time.
#[tokio::test(flavor = "multi_thread")]
async fn the_event_and_the_first_calls_make_one_record_and_no_error() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let calls = join_all((0..6).map(|_| ada.sync()));
    let events =
        join_all((0..4).map(|_| app.clerk.send_webhook(EventKind::Created, Person::Ada, Deliver::Twice)));
    let (calls, events) = join(calls, events).await;
    for delivered in events.into_iter().flat_map(Result::unwrap) {
        assert_eq!(delivered.status, Some(204));
    }
    assert!(
        calls.iter().all(|answer| answer.status == StatusCode::OK),
        "{:?}",
        calls.iter().map(AnswerExt::text).collect::<Vec<_>>()
    );
    assert_eq!(calls.iter().filter(|answer| answer.json()["created"] == true).count(), 1);
}

/// koala73/worldmonitor#8498: a deletion cannot be taken back. A person who signs up with the same
/// address afterwards is somebody else, who may connect the same account.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_after_a_deletion_is_somebody_new() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let deleted = app.clerk.send_webhook(EventKind::Deleted, Person::Ada, Deliver::Twice).await.unwrap();
    assert!(deleted.iter().all(|each| each.status == Some(204)), "{deleted:?}");
    let again = app.clerk.mint_with(Person::Grace, Some(ORIGIN), |mint| {
        mint.with_claims(|claims| {
            claims.insert("sub".to_owned(), "user_2adaAgain".into());
            claims.insert("email".to_owned(), "ada@example.com".into());
        })
    });
    let bearer = format!("Bearer {}", again.unwrap());
    leaks::secret(&bearer[7..]);
    let status = app.get_as(&bearer, "/user/instagram/status").await;
    assert_eq!(told(&status.json()), ("not_connected", None, "connect"));
    assert_eq!(told(&app.sign_in(Person::Grace).connect_account("ada.makes").await), WELL);
}
