//! Answers as documented, recorded and reported: what is read out of them.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::provider::instagram::meaning::{Context, of_error};
use crate::provider::instagram::wire::{self, Body, ErrorForm, Unusable};
use crate::provider::{AppFault, DeathCause, LONGEST_LIFE, Meaning};

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/", $name, ".json"))
    };
}

fn object(bytes: &[u8]) -> Map<String, Value> {
    match Body::read(bytes) {
        Body::Object(object) => object,
        other @ (Body::Error(_) | Body::Unreadable) => panic!("no object: {other:?}"),
    }
}

fn object_of(value: &Value) -> Map<String, Value> {
    object(value.to_string().as_bytes())
}

#[test]
fn a_short_token_is_read_as_documented_and_as_live() {
    let documented = wire::token(&object(recorded!("short_token_documented"))).unwrap();
    assert_eq!(documented.access_token.expose_secret(), "IGAAdocumented");
    assert_eq!(documented.user_id.as_deref(), Some("25982752248032036"));
    let live = wire::token(&object(recorded!("short_token_live"))).unwrap();
    assert_eq!(live.access_token.expose_secret(), "IGAAlive");
    assert_eq!(live.user_id.as_deref(), Some("27640875392278831"), "beyond 2^53");
    for body in [documented, live] {
        assert_eq!(
            body.permissions.unwrap(),
            ["instagram_business_basic", "instagram_business_manage_messages"]
        );
    }
}

#[test]
fn permissions_come_in_many_forms() {
    for (permissions, expected) in [
        (json!("a,b"), Some(vec!["a", "b"])),
        (json!("a, b,,a"), Some(vec!["a", "b"])),
        (json!("a b"), Some(vec!["a", "b"])),
        (json!(["a", " b ", "a"]), Some(vec!["a", "b"])),
        (json!(""), None),
        (json!([]), None),
        (json!(null), None),
        (json!(7), None),
        (json!([1]), None),
        (json!({"a": true}), None),
    ] {
        let body =
            wire::token(&object_of(&json!({"access_token": "t", "permissions": permissions}))).unwrap();
        let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(body.permissions, expected, "{permissions}");
    }
    let silent = wire::token(&object_of(&json!({"access_token": "t"}))).unwrap();
    assert_eq!((silent.permissions, silent.user_id), (None, None));
}

#[test]
fn a_rounded_id_is_dropped_but_costs_no_token() {
    for body in [
        r#"{"access_token":"t","user_id":2.7640875392278831e16}"#,
        r#"{"access_token":"t","user_id":27640875392278831.0}"#,
        r#"{"access_token":"t","user_id":123456789012345678901234567890}"#,
        r#"{"access_token":"t","user_id":-1}"#,
        r#"{"access_token":"t","user_id":{}}"#,
        r#"{"access_token":"t","user_id":""}"#,
    ] {
        let read = wire::token(&object(body.as_bytes())).unwrap();
        assert_eq!(read.user_id, None, "{body}");
    }
    let largest = wire::token(&object(br#"{"access_token":"t","user_id":18446744073709551615}"#)).unwrap();
    assert_eq!(largest.user_id.as_deref(), Some("18446744073709551615"));
}

#[test]
fn an_empty_token_is_none() {
    for token in [
        json!(""),
        json!(" "),
        json!("a b"),
        json!("a\n"),
        json!("undefined"),
        json!("null"),
        json!(null),
        json!(7),
    ] {
        let body = object_of(&json!({"access_token": token, "expires_in": 5_184_000}));
        assert_eq!(wire::token(&body).unwrap_err(), Unusable::NoToken, "{token}");
    }
    assert_eq!(wire::token(&object(b"{}")).unwrap_err(), Unusable::NoToken);
    assert_eq!(wire::token(&object(br#"{"data":[]}"#)).unwrap_err(), Unusable::NoToken);
}

#[test]
fn a_lifetime_is_read_in_every_form_or_not_at_all() {
    let recorded = wire::token(&object(recorded!("long_token"))).unwrap();
    assert_eq!(recorded.expires_in, Some(Duration::from_secs(5_183_944)));
    for (expires_in, expected) in [
        (json!("5183944"), Some(5_183_944)),
        (json!(" 5183944 "), Some(5_183_944)),
        (json!(5_183_944.0), Some(5_183_944)),
        (json!("5183944.0"), Some(5_183_944)),
        (json!(5.183_944e6), Some(5_183_944)),
        (json!(0.0), None),
        (json!(-5_183_944.0), None),
        (json!("5183944.5"), Some(5_183_944)),
        (json!(5_183_944.5), Some(5_183_944)),
        (json!(0.9), None),
        (json!(1e300), Some(LONGEST_LIFE.as_secs())),
        (json!("inf"), None),
        (json!("NaN"), None),
        (json!(true), None),
        (json!(1), Some(1)),
        // Milliseconds, a date, and what would never be refreshed.
        (json!(5_183_944_000_u64), Some(LONGEST_LIFE.as_secs())),
        (json!("1800000000"), Some(LONGEST_LIFE.as_secs())),
        (json!(u64::MAX), Some(LONGEST_LIFE.as_secs())),
        (json!(0), None),
        (json!(-1), None),
        (json!("0"), None),
        (json!("soon"), None),
        (json!(null), None),
        (json!([1]), None),
    ] {
        let body = object_of(&json!({"access_token": "t", "expires_in": expires_in}));
        let read = wire::token(&body).unwrap();
        assert_eq!(read.expires_in, expected.map(Duration::from_secs), "{expires_in}");
    }
    let missing = wire::token(&object(br#"{"access_token":"t","token_type":"bearer"}"#)).unwrap();
    assert_eq!((missing.access_token.expose_secret(), missing.expires_in), ("t", None));
    let empty = wire::token(&object(br#"{"access_token":"","expires_in":5183944}"#));
    assert_eq!(empty.unwrap_err(), Unusable::NoToken);
}

#[test]
fn an_account_is_read_as_documented_and_as_live() {
    let full = wire::account(&object(recorded!("me_full"))).unwrap();
    assert_eq!(full.id, "25982752248032036");
    assert_eq!(full.professional_id.as_deref(), Some("17841479677897649"));
    assert_eq!(full.name.as_deref(), Some("Ada 我 Lovelace"));
    assert_eq!(full.account_type.as_deref(), Some("media_creator"));
    assert_eq!(
        full.profile_picture_url.as_deref(),
        Some("https://scontent.cdninstagram.com/v/t51.jpg?oh=00&oe=66")
    );
    let recorded = wire::account(&object(recorded!("me_recorded"))).unwrap();
    assert_eq!(recorded.id, "6489782497758472");
    assert_eq!(recorded.account_type.as_deref(), Some("business"));
    assert_eq!(recorded.professional_id, None);
    let documented = wire::account(&object(recorded!("me_documented"))).unwrap();
    assert_eq!(documented.id, "17841479677897649", "the only id there is");
    assert_eq!(documented.professional_id.as_deref(), Some("17841479677897649"));
    let bare = wire::account(&object(recorded!("me_id_only"))).unwrap();
    assert_eq!((bare.id.as_str(), bare.username, bare.name), ("6489782497758472", None, None));
}

#[test]
fn an_account_without_an_exact_id_is_none() {
    for body in [
        r#"{"username":"ada"}"#,
        r#"{"id":null}"#,
        r#"{"id":""}"#,
        r#"{"id":1.7841479677897649e16}"#,
        r#"{"id":"0","user_id":0}"#,
        r#"{"data":[]}"#,
        "{}",
    ] {
        assert_eq!(wire::account(&object(body.as_bytes())).unwrap_err(), Unusable::NoId, "{body}");
    }
}

#[test]
fn the_three_error_forms_are_told_apart() {
    for (bytes, form, context, meaning) in [
        (&recorded!("code_spent")[..], ErrorForm::CodeExchange, Context::Redeem, Meaning::CodeRejected),
        (
            &recorded!("platform_app")[..],
            ErrorForm::CodeExchange,
            Context::Redeem,
            Meaning::App(AppFault::Credentials),
        ),
        (&recorded!("legacy_meta")[..], ErrorForm::CodeExchange, Context::Identify, Meaning::Unavailable),
        (&recorded!("expired")[..], ErrorForm::Graph, Context::Refresh, Meaning::Dead(DeathCause::Expired)),
        (
            &recorded!("password_changed")[..],
            ErrorForm::Graph,
            Context::Identify,
            Meaning::Dead(DeathCause::PasswordChanged),
        ),
        (&recorded!("malformed_key")[..], ErrorForm::Graph, Context::Identify, Meaning::DeadUnexplained),
        (&recorded!("undecryptable")[..], ErrorForm::Graph, Context::Identify, Meaning::DeadUnexplained),
        (&recorded!("no_permission")[..], ErrorForm::Graph, Context::Use, Meaning::Permission),
        (
            &recorded!("method_type_get")[..],
            ErrorForm::Graph,
            Context::Refresh,
            Meaning::App(AppFault::Unsupported),
        ),
        (
            &recorded!("deactivated_200")[..],
            ErrorForm::Graph,
            Context::Refresh,
            Meaning::App(AppFault::Deactivated),
        ),
    ] {
        match Body::read(bytes) {
            Body::Error(error) => {
                assert_eq!(error.form, form);
                assert_eq!(of_error(context, 400, &error), meaning, "{error:?}");
            }
            other @ (Body::Object(_) | Body::Unreadable) => panic!("no error: {other:?}"),
        }
    }
}

#[test]
fn an_error_beside_a_token_is_an_error() {
    let body = br#"{"access_token":"t","error":{"code":190,"message":"Session key is malformed."}}"#;
    assert!(matches!(Body::read(body), Body::Error(_)));
    assert!(matches!(Body::read(br#"{"access_token":"t","error":null}"#), Body::Object(_)));
    assert!(matches!(Body::read(br#"{"access_token":"t","error":"invalid_grant"}"#), Body::Error(_)));
    assert!(matches!(Body::read(br#"{"access_token":"t","error":true}"#), Body::Unreadable));
}

#[test]
fn what_is_no_object_is_unreadable() {
    let deep = "[".repeat(100_000);
    for body in [
        "",
        " ",
        "<!DOCTYPE html><html></html>",
        "null",
        "true",
        "[]",
        "\"x\"",
        "190",
        "{\"error\":{\"code\":190",
        "{'id':1}",
        &deep,
    ] {
        assert!(matches!(Body::read(body.as_bytes()), Body::Unreadable), "{}", &body[..body.len().min(20)]);
    }
}

#[test]
fn secrets_do_not_show() {
    let read = wire::token(&object(recorded!("short_token_live"))).unwrap();
    assert!(!format!("{read:?}").contains("IGAAlive"));
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Body::Object(object) = Body::read(&bytes) {
            let _ = (wire::token(&object), wire::account(&object));
        }
    }

    #[test]
    fn ids_arrive_unchanged(id in 1..=u64::MAX, professional in 1..=u64::MAX) {
        for body in [
            format!(r#"{{"id":{id},"user_id":{professional}}}"#),
            format!(r#"{{"id":"{id}","user_id":"{professional}"}}"#),
            format!(r#"{{"data":[{{"id":"{id}","user_id":{professional}}}]}}"#),
        ] {
            let account = wire::account(&object(body.as_bytes())).unwrap();
            prop_assert_eq!(account.id, id.to_string());
            prop_assert_eq!(account.professional_id, Some(professional.to_string()));
        }
    }

    /// Whatever the members are, a token that comes out is not empty and a lifetime is not zero.
    #[test]
    fn no_empty_grant_comes_out(token in "\\PC{0,40}", expires_in in any::<i64>()) {
        let body = json!({"access_token": token, "expires_in": expires_in});
        if let Ok(read) = wire::token(&object_of(&body)) {
            prop_assert!(!read.access_token.expose_secret().trim().is_empty());
            prop_assert!(read.expires_in.is_none_or(|life| !life.is_zero()));
        }
    }
}

#[test]
fn a_byte_order_mark_costs_no_token() {
    let body = b"\xef\xbb\xbf{\"access_token\":\"t\",\"user_id\":7}";
    assert_eq!(wire::token(&object(body)).unwrap().access_token.expose_secret(), "t");
}

#[test]
fn what_no_parser_takes_costs_its_own_member_only() {
    for name in [&br#""Ada \ud83d""#[..], b"\"Ad\xe9\"", b"1e400", b"[[1e400]]", br#"{"\ud83d":1e400}"#] {
        let body = [br#"{"id":"25","user_id":"17","username":"ada","name":"#, name, b"}"].concat();
        let account = wire::account(&object(&body)).unwrap();
        assert_eq!((account.id.as_str(), account.username.as_deref()), ("25", Some("ada")));
        let body = [br#"{"access_token":"t","expires_in":60,"token_type":"#, name, b"}"].concat();
        assert_eq!(wire::token(&object(&body)).unwrap().access_token.expose_secret(), "t");
        let body = [br#"{"error":{"code":190,"error_subcode":458,"message":"#, name, b"}}"].concat();
        let Body::Error(error) = Body::read(&body) else { panic!("no error: {body:?}") };
        assert_eq!(of_error(Context::Identify, 400, &error), Meaning::Dead(DeathCause::Revoked));
        assert!(matches!(Body::read(&[br#"{"id":"25","error":"#, name].concat()), Body::Unreadable));
    }
    let documented = object(br#"{"data":[{"user_id":"17","username":"\udc00"}]}"#);
    assert_eq!(wire::account(&documented).unwrap().id, "17");
}

#[test]
fn an_id_of_no_use_does_not_spoil_the_other() {
    for useless in ["\"\"", "\"0\"", "0", "null", "17841479677897649.0", "{}"] {
        let body = format!(r#"{{"id":"25","user_id":{useless}}}"#);
        let account = wire::account(&object(body.as_bytes())).unwrap();
        assert_eq!((account.id.as_str(), account.professional_id), ("25", None), "{useless}");
    }
}
