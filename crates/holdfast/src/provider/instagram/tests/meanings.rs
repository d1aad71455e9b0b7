//! Every row of what is known about Instagram's errors.

use proptest::prelude::*;
use serde_json::json;

use crate::provider::instagram::meaning::{Context, of_error, of_status};
use crate::provider::instagram::wire::Body;
use crate::provider::{AppFault, DeathCause, LimitScope, Meaning, UserAction};

use Context::{Extend, Identify, Redeem, Refresh, Use};

const WITH_TOKEN: &[Context] = &[Extend, Refresh, Identify, Use];
const OURS: &[Context] = &[Redeem, Extend, Refresh, Identify];
const STORED: &[Context] = &[Refresh, Identify, Use];
const ALL: &[Context] = &Context::ALL;

fn meaning_of(context: Context, body: &serde_json::Value) -> Meaning {
    match Body::read(body.to_string().as_bytes()) {
        Body::Error(error) => of_error(context, &error),
        Body::Object(_) | Body::Unreadable => of_status(400),
    }
}

/// Code, sub-code, message, in which calls, what it means there.
type Row = (i64, Option<i64>, &'static str, &'static [Context], Meaning);

#[rustfmt::skip]
const GRAPH: &[Row] = &[
    (190, None, "Session has expired on Thursday, 06-Oct-22 00:00:00 PDT. The current time is Friday.", WITH_TOKEN, Meaning::Dead(DeathCause::Expired)),
    (190, None, "Error validating access token: Session has expired on Thursday, 06-Oct-22 00:00:00 PDT.", WITH_TOKEN, Meaning::Dead(DeathCause::Expired)),
    (190, None, "The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.", WITH_TOKEN, Meaning::Dead(DeathCause::PasswordChanged)),
    (190, None, "Error validating access token: The user has not authorized application 1234567890.", WITH_TOKEN, Meaning::Dead(DeathCause::Revoked)),
    (190, None, "Session key is malformed.", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, None, "Session key 18.0,AZ.3600.166-1784 is malformed because of invalid user id.", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, None, "The access token could not be decrypted", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, None, "Invalid OAuth access token - Cannot parse access token", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, None, "", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, Some(999_999), "Something new.", WITH_TOKEN, Meaning::DeadUnexplained),
    (190, None, "API access deactivated. To reactivate, go to the app dashboard.", ALL, Meaning::App(AppFault::Deactivated)),
    (190, None, "Graph API access deactivated due to inactivity", ALL, Meaning::App(AppFault::Deactivated)),
    (190, Some(458), "Error validating access token: The user has not authorized application 1.", WITH_TOKEN, Meaning::Dead(DeathCause::Revoked)),
    (190, Some(459), "You cannot access the app till you log in to www.instagram.com and follow the instructions given.", ALL, Meaning::UserAction(UserAction::Checkpoint)),
    (190, None, "You cannot access the app till you log in to www.instagram.com and follow the instructions given.", ALL, Meaning::UserAction(UserAction::Checkpoint)),
    (459, None, "The session is invalid because the user has been checkpointed", ALL, Meaning::UserAction(UserAction::Checkpoint)),
    (190, Some(460), "The session has been invalidated because the user changed their password.", WITH_TOKEN, Meaning::Dead(DeathCause::PasswordChanged)),
    (190, Some(463), "Session has expired on Thursday.", WITH_TOKEN, Meaning::Dead(DeathCause::Expired)),
    (190, Some(464), "Sessions for the user are not allowed because the user is not a confirmed user.", ALL, Meaning::UserAction(UserAction::Unconfirmed)),
    (190, Some(467), "Error validating access token: The session is invalid because the user logged out.", WITH_TOKEN, Meaning::Dead(DeathCause::Invalid)),
    (190, Some(467), "Session has expired on Thursday.", WITH_TOKEN, Meaning::Dead(DeathCause::Expired)),
    (190, Some(492), "Invalid session.", WITH_TOKEN, Meaning::Dead(DeathCause::Invalid)),
    (190, None, "The user is not an Instagram Business", WITH_TOKEN, Meaning::Dead(DeathCause::AccountIneligible)),
    (190, Some(463), "Session has expired.", &[Redeem], Meaning::CodeRejected),
    (190, None, "Session key is malformed.", &[Redeem], Meaning::CodeRejected),
    (102, None, "Session key invalid or no longer valid", WITH_TOKEN, Meaning::DeadUnexplained),
    (102, Some(463), "Session has expired.", WITH_TOKEN, Meaning::Dead(DeathCause::Expired)),
    (452, Some(4_279_019), "Session key invalid. This could be because the session key has an incorrect format, or because the user has revoked this session", STORED, Meaning::DeadUnexplained),
    (452, Some(4_279_019), "Session key invalid. This could be because the session key has an incorrect format, or because the user has revoked this session", &[Extend], Meaning::Dead(DeathCause::Invalid)),
    (483, None, "The session is invalid because the user is in consent app blocking", ALL, Meaning::UserAction(UserAction::ConsentBlocked)),
    (25, Some(2_207_050), "The Instagram account is restricted.", ALL, Meaning::UserAction(UserAction::Restricted)),
    (10, None, "Application does not have permission for this action", ALL, Meaning::Permission),
    (10, None, "The user is not an Instagram Business", OURS, Meaning::Dead(DeathCause::AccountIneligible)),
    (100, None, "The user is not an Instagram Business", &[Use], Meaning::Content),
    (200, None, "(#200) Requires instagram_business_manage_insights permission to manage the object", ALL, Meaning::Permission),
    (200, None, "API access deactivated. To reactivate, go to the app dashboard.", ALL, Meaning::App(AppFault::Deactivated)),
    (200, None, "(#200) API access blocked.", ALL, Meaning::App(AppFault::Deactivated)),
    (201, None, "", ALL, Meaning::Permission),
    (299, None, "", ALL, Meaning::Permission),
    (3, None, "Application does not have the capability to make this API call.", OURS, Meaning::App(AppFault::Request)),
    (3, None, "Application does not have the capability to make this API call.", &[Use], Meaning::Permission),
    (4, Some(1_349_210), "Application request limit reached", ALL, Meaning::RateLimited(LimitScope::App)),
    (4, None, "(#4) Application request limit reached", ALL, Meaning::RateLimited(LimitScope::App)),
    (4, Some(2_207_051), "We restrict certain activity to protect our community", ALL, Meaning::RateLimited(LimitScope::Account)),
    (341, None, "Application limit reached", ALL, Meaning::RateLimited(LimitScope::App)),
    (17, None, "User request limit reached", ALL, Meaning::RateLimited(LimitScope::Account)),
    (32, None, "(#32) Page request limit reached", ALL, Meaning::RateLimited(LimitScope::Account)),
    (613, Some(1996), "Calls to this API have exceeded the rate limit.", ALL, Meaning::RateLimited(LimitScope::Account)),
    (80_002, None, "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again.", ALL, Meaning::RateLimited(LimitScope::Account)),
    (80_014, None, "", ALL, Meaning::RateLimited(LimitScope::Account)),
    (368, None, "The action attempted has been deemed abusive or is otherwise disallowed", ALL, Meaning::RateLimited(LimitScope::Account)),
    (1, None, "An unknown error has occurred.", ALL, Meaning::Unavailable),
    (1, None, "Error validating client secret.", ALL, Meaning::App(AppFault::Credentials)),
    (100, None, "Error validating client secret.", ALL, Meaning::App(AppFault::Credentials)),
    (2, None, "An unexpected error has occurred. Please retry your request later.", ALL, Meaning::Unavailable),
    (-1, Some(2_207_001), "Instagram server error. Try again.", ALL, Meaning::Unavailable),
    (-2, Some(2_207_003), "Timeout downloading media.", ALL, Meaning::Unavailable),
    (100, None, "Unsupported request - method type: get", OURS, Meaning::App(AppFault::Request)),
    (100, None, "Unsupported request - method type: get", &[Use], Meaning::Content),
    (100, None, "(#100) Tried accessing nonexisting field (nope)", &[Use], Meaning::Content),
    (100, Some(33), "Unsupported get request. Object with ID '1' does not exist, cannot be loaded due to missing permissions, or does not support this operation", &[Identify], Meaning::Permission),
    (100, Some(33), "Unsupported get request. Object with ID '1' does not exist, cannot be loaded due to missing permissions, or does not support this operation", &[Use], Meaning::Content),
    (24, Some(2_207_006), "The requested resource does not exist", &[Use], Meaning::Content),
    (9, Some(2_207_042), "", &[Use], Meaning::Content),
    (9004, None, "", &[Use], Meaning::Content),
    (9007, None, "", &[Use], Meaning::Content),
    (9009, None, "", &[Use], Meaning::Content),
    (36_000, None, "", &[Use], Meaning::Content),
    (36_004, None, "", &[Use], Meaning::Content),
    (352, None, "", &[Use], Meaning::Content),
    (9007, None, "", OURS, Meaning::Unavailable),
    (104, None, "Incorrect signature", ALL, Meaning::App(AppFault::Request)),
    (110, None, "Invalid user id", OURS, Meaning::App(AppFault::Request)),
    (110, None, "Invalid user id", &[Use], Meaning::Content),
    (2500, None, "Error parsing graph query", OURS, Meaning::App(AppFault::Request)),
    (2500, None, "Error parsing graph query", &[Use], Meaning::Content),
    (987_654, None, "Never seen before.", ALL, Meaning::Unavailable),
    (0, None, "", ALL, Meaning::Unavailable),
];

#[test]
fn every_graph_error_means_what_the_table_says() {
    for (code, subcode, message, contexts, expected) in GRAPH {
        for context in *contexts {
            let mut body = json!({"error": {"message": message, "type": "OAuthException", "code": code}});
            if let Some(subcode) = subcode {
                body["error"]["error_subcode"] = json!(subcode);
            }
            assert_eq!(meaning_of(*context, &body), *expected, "{context:?}: {body}");
        }
    }
}

#[test]
fn every_answer_of_the_code_exchange_means_what_the_table_says() {
    let rows = [
        ("Matching code was not found or was already used", Meaning::CodeRejected),
        (
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request",
            Meaning::App(AppFault::RedirectUri),
        ),
        ("Redirect URI does not match registered redirect URI", Meaning::App(AppFault::RedirectUri)),
        ("Invalid redirect_uri", Meaning::App(AppFault::RedirectUri)),
        ("Invalid platform app", Meaning::App(AppFault::Credentials)),
        ("Error validating client secret.", Meaning::App(AppFault::Credentials)),
        ("Insufficient developer role", Meaning::App(AppFault::NotLive)),
        ("Invalid scope: user_profile", Meaning::App(AppFault::Scope)),
        ("Invalid scope field(s): user_profile", Meaning::App(AppFault::Scope)),
        ("You are not a sandbox user of this client", Meaning::App(AppFault::NotLive)),
        ("Never seen before.", Meaning::Unavailable),
        ("", Meaning::Unavailable),
    ];
    for (message, expected) in rows {
        let flat = json!({"error_type": "OAuthException", "code": 400, "error_message": message});
        assert_eq!(meaning_of(Redeem, &flat), expected, "{message}");
        assert_eq!(meaning_of(Redeem, &json!({ "meta": flat })), expected, "{message}");
    }
}

#[test]
fn transient_trouble_is_not_our_fault() {
    for code in [3, 100, 104, 110, 2500] {
        for context in Context::ALL {
            let body = json!({"error": {"message": "x", "code": code, "is_transient": true}});
            assert_eq!(meaning_of(context, &body), Meaning::Unavailable, "{context:?} {code}");
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

fn kills(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Dead(_) | Meaning::DeadUnexplained)
}

fn context() -> impl Strategy<Value = Context> {
    prop::sample::select(&Context::ALL[..])
}

proptest! {
    /// Only 190, 102 and 452 speak of the token; and of the account only a text that says so.
    #[test]
    fn no_other_code_kills(code in any::<i64>(), subcode in any::<Option<i64>>(), message in "\\PC{0,80}", context in context()) {
        let body = json!({"error": {"message": message, "code": code, "error_subcode": subcode}});
        if ![102, 190, 452].contains(&code) {
            prop_assert!(!kills(meaning_of(context, &body)), "{body}");
        }
    }

    #[test]
    fn no_unknown_body_kills(bytes in prop::collection::vec(any::<u8>(), 0..200), context in context()) {
        let meaning = match Body::read(&bytes) {
            Body::Error(error) => of_error(context, &error),
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
