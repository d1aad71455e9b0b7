//! What holds of every error of Instagram's, known or not; those that are known stand in
//! `testdata/answers.md`.

use proptest::prelude::*;
use serde_json::json;

use crate::provider::instagram::meaning::{Context, of_error, of_status, scopes_named};
use crate::provider::instagram::wire::Body;
use crate::provider::{LimitScope, Meaning};

use Context::Use;

fn meaning_of(context: Context, body: &serde_json::Value) -> Meaning {
    match Body::read(body.to_string().as_bytes()) {
        Body::Error(error) => of_error(context, 400, &error),
        Body::Object(_) | Body::Unreadable => of_status(400),
    }
}

#[test]
fn transient_trouble_is_not_our_fault() {
    for code in [3, 10, 12, 100, 110, 200, 803, 2500] {
        for context in Context::ALL {
            let body = json!({"error": {"message": "x", "code": code, "is_transient": true}});
            let meaning = meaning_of(context, &body);
            let is_of_the_call = context == Use && meaning == Meaning::Content;
            assert!(meaning == Meaning::Unavailable || is_of_the_call, "{context:?} {code}: {meaning:?}");
        }
    }
}

#[test]
fn what_the_caller_sent_is_not_taken_for_what_instagram_says() {
    for message in ["Unknown path: API access deactivated", "Cannot find user Invalid platform app"] {
        let body = json!({"error": {"message": message, "code": 2500}});
        assert_eq!(meaning_of(Use, &body), Meaning::Content, "{message}");
    }
}

#[test]
fn a_status_alone_kills_nothing() {
    for status in 100..=999 {
        let expected =
            if status == 429 { Meaning::RateLimited(LimitScope::App) } else { Meaning::Unavailable };
        assert_eq!(of_status(status), expected, "{status}");
    }
}

/// An error about one call of the app tells nobody to do anything, whatever its code.
#[test]
fn an_error_of_a_number_that_nobody_knows_is_about_the_call_that_met_it() {
    for code in [-100, 0, 7, 99, 299_999, 2_207_001, 987_654] {
        let body = json!({"error": {"message": "Something new.", "code": code}});
        assert_eq!(meaning_of(Use, &body), Meaning::Content, "{code}");
        assert_ne!(meaning_of(Context::Identify, &body), Meaning::Content, "{code}");
    }
}

#[test]
fn a_refusal_for_want_of_a_permission_names_its_scopes() {
    for (message, expected) in [
        (
            "(#10) Requires instagram_business_content_publish permission",
            vec!["instagram_business_content_publish"],
        ),
        (
            "needs Instagram_Business_Manage_Comments, or `instagram_business_manage_messages`.",
            vec!["instagram_business_manage_comments", "instagram_business_manage_messages"],
        ),
        ("(#200) Requires pages_read_engagement permission", vec![]),
        ("Application does not have permission for this action", vec![]),
        // The app's own level of access: nobody can grant it.
        (
            "(#200) App does not have Advanced Access to instagram_business_content_publish permission and \
             recipient user does not have role on app",
            vec![],
        ),
        ("instagram_business_basic instagram_business_basic", vec!["instagram_business_basic"]),
    ] {
        assert_eq!(scopes_named(message), expected, "{message}");
    }
    let endless = (0..100).map(|each| format!("instagram_business_{each}")).collect::<Vec<_>>().join(" ");
    assert!(scopes_named(&endless).len() <= 8);
}

fn kills(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Dead(_) | Meaning::DeadUnexplained)
}

fn context() -> impl Strategy<Value = Context> {
    prop::sample::select(&Context::ALL[..])
}

proptest! {
    /// Only 190, 102, 452 and what Meta lists beside them speak of the token; and of the account
    /// only a text that says so.
    #[test]
    fn no_other_code_kills(code in any::<i64>(), subcode in any::<Option<i64>>(), message in "\\PC{0,80}", context in context()) {
        let body = json!({"error": {"message": message, "code": code, "error_subcode": subcode}});
        if ![102, 190, 450, 452, 457, 458, 460, 463, 467].contains(&code) {
            prop_assert!(!kills(meaning_of(context, &body)), "{body}");
        }
    }

    #[test]
    fn no_unknown_body_kills(bytes in prop::collection::vec(any::<u8>(), 0..200), context in context()) {
        let meaning = match Body::read(&bytes) {
            Body::Error(error) => of_error(context, 401, &error),
            Body::Object(_) | Body::Unreadable => of_status(401),
        };
        prop_assert!(!kills(meaning));
    }

    /// A recorded death, cut anywhere, is no death.
    #[test]
    fn no_truncated_body_kills(cut in 0_usize..150, context in context()) {
        let body = include_str!("../testdata/expired.json");
        let cut = cut.min(body.len() - 1);
        prop_assert!(matches!(Body::read(&body.as_bytes()[..cut]), Body::Unreadable), "{context:?}");
    }
}
