//! The table as a whole.

use std::collections::BTreeMap;

use aide::generate::{GenContext, in_context};
use aide::openapi::{Operation, ReferenceOr, StatusCode as OpenApiStatus};
use aide::operation::OperationOutput as _;
use clerk_session::RefusalCode;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;

use super::*;
use crate::connection::Reason;

#[test]
fn a_401_is_only_ever_about_the_callers_own_credential() {
    for code in ProblemCode::all() {
        let entry = code.entry();
        match code {
            ProblemCode::Session(_) | ProblemCode::ServiceKey(_) => {
                assert_eq!(entry.status, StatusCode::UNAUTHORIZED, "{}", entry.code);
            }
            ProblemCode::Request(_)
            | ProblemCode::Instagram(_)
            | ProblemCode::NotConnected
            | ProblemCode::Server(_) => assert_ne!(entry.status, StatusCode::UNAUTHORIZED, "{}", entry.code),
        }
    }
}

#[test]
fn what_instagram_says_is_always_a_424() {
    for reason in Reason::ALL {
        let code = ProblemCode::from(*reason);
        let entry = code.entry();
        assert_eq!(entry.status, StatusCode::FAILED_DEPENDENCY);
        assert_eq!(code.source(), Source::Instagram);
        assert_eq!(entry.code, reason.as_str());
    }
    assert_eq!(ProblemCode::NotConnected.entry().status, StatusCode::FAILED_DEPENDENCY);
}

#[test]
fn statuses_and_sources_belong_together_as_the_contract_has_them() {
    for code in ProblemCode::all() {
        let entry = code.entry();
        let allowed: &[u16] = match code.source() {
            Source::Session | Source::ServiceKey => &[401],
            Source::Request => &[400, 403, 404, 405, 408, 409, 410, 413, 414, 415, 422, 429, 431],
            Source::Instagram => &[424],
            Source::Clerk | Source::Database => &[503],
            Source::Server => &[500, 503],
        };
        assert!(allowed.contains(&entry.status.as_u16()), "{} is {}", entry.code, entry.status);
    }
}

#[test]
fn every_code_is_unique_and_has_a_whole_page() {
    let mut seen = BTreeMap::new();
    for code in ProblemCode::all() {
        let entry = code.entry();
        assert!(
            entry.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_'),
            "{}",
            entry.code
        );
        if let Some(other) = seen.insert(entry.code, code) {
            panic!("{} names both {other:?} and {code:?}", entry.code);
        }
        assert_eq!(ProblemCode::parse(entry.code), Some(code));
        for text in [entry.title, entry.meaning, entry.remedy].iter().chain(entry.causes) {
            assert!(!text.trim().is_empty(), "{} has an empty text", entry.code);
        }
        assert!(
            entry.meaning.ends_with('.') && entry.remedy.ends_with('.'),
            "{}: whole sentences",
            entry.code
        );
        assert!(!entry.causes.is_empty(), "{} has no cause", entry.code);
    }
    assert!(seen.len() > 50, "only {} codes", seen.len());
    assert_eq!(ProblemCode::parse("no-such-code"), None);
}

fn named(code: &str) -> ProblemCode {
    ProblemCode::parse(code).unwrap()
}

fn rendered(problem: &Problem) -> Response {
    let document = document(problem, "https://api.example.com", "req-1");
    render(problem, document, problem.clone().into_response())
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn every_code_renders_to_a_problem_with_its_headers() {
    for code in ProblemCode::all() {
        let entry = code.entry();
        let response = rendered(&Problem::new(code));
        let (status, headers) = (response.status(), response.headers().clone());
        assert_eq!(status, entry.status);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{}", entry.code);
        if matches!(status.as_u16(), 429 | 503) || entry.action == ProblemAction::Retry {
            let wait: u64 = headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!(wait > 0);
        }
        let body = body(response).await;
        assert_eq!(body["type"], format!("https://api.example.com/docs/errors/{}", entry.code));
        assert_eq!(body["status"], entry.status.as_u16());
        assert_eq!(body["code"], entry.code);
        assert_eq!(body["detail"], entry.meaning);
        assert_eq!(body["error"], body["detail"]);
        assert_eq!(body["source"], code.source().as_str());
        assert_eq!(body["action"], entry.action.as_str());
        assert_eq!(body["title"], entry.title);
        assert_eq!(body["request_id"], "req-1");
        assert_eq!(body.get("reason").is_some(), matches!(code, ProblemCode::Instagram(_)));
    }
}

#[test]
fn retry_after_is_rounded_up_and_never_zero() {
    let seconds = |wait: Option<Duration>| {
        Problem::new(ServerCode::Overloaded).with_retry_after(wait).retry_after_seconds()
    };
    assert_eq!(seconds(Some(Duration::from_millis(1))), Some(1));
    assert_eq!(seconds(Some(Duration::ZERO)), Some(1));
    assert_eq!(seconds(Some(Duration::from_millis(2001))), Some(3));
    assert_eq!(seconds(Some(Duration::from_mins(1))), Some(60));
    assert_eq!(seconds(None), Some(5));
    assert_eq!(Problem::new(ServerCode::NotSetUp).retry_after_seconds(), Some(3600));
    assert_eq!(Problem::new(RequestCode::NotFound).retry_after_seconds(), None);
    let limited = Problem::new(Reason::RateLimited).with_retry_after(Some(Duration::from_secs(90)));
    assert_eq!(limited.retry_after_seconds(), Some(90));
}

#[test]
fn challenges_follow_rfc_6750() {
    let header = |problem: &Problem| rendered(problem).headers()[header::WWW_AUTHENTICATE].clone();
    assert_eq!(header(&Problem::new(named("service-key-missing"))), "Bearer");
    assert_eq!(
        header(&Problem::new(named("service-key-invalid"))),
        "Bearer error=\"invalid_token\", error_description=\"This service key is not accepted.\""
    );
    for code in RefusalCode::ALL {
        // Who sent nothing is told of no error (3.1).
        let is_missing = *code == RefusalCode::SessionTokenMissing;
        assert_eq!(header(&Problem::new(named(code.as_str()))) == "Bearer", is_missing, "{code}");
        let title = named(code.as_str()).entry().title;
        assert_eq!(title == "Session token missing", is_missing, "{code}");
    }
    let hostile = Problem::new(named("service-key-invalid")).with_detail("a \"b\" \\ c\r\nX-Evil: 1 — é");
    assert_eq!(
        header(&hostile),
        "Bearer error=\"invalid_token\", error_description=\"a 'b' ' c??X-Evil: 1 ? ?\""
    );
}

#[test]
fn a_client_is_told_to_refresh_exactly_where_a_fresh_token_may_help() {
    for code in RefusalCode::ALL {
        let refreshes = named(code.as_str()).entry().action == ProblemAction::RefreshSessionToken;
        assert_eq!(refreshes, code.fresh_token_may_help(), "{code}");
    }
}

#[test]
fn what_is_for_the_operator_alone_is_kept_and_not_told() {
    let judgement = Judgement {
        step: "step-name".to_owned(),
        found: "what-was-found".to_owned(),
        fingerprint: Some("the-fingerprint".to_owned()),
        claimed_user: Some("user_2abc".to_owned()),
        is_proven: true,
        remedy: Some("the-remedy".to_owned()),
    };
    let problem = Problem::new(named("session-token-missing")).with_judgement(judgement.clone());
    assert_eq!(problem.judgement(), Some(&judgement));
    let told = String::from_utf8(document(&problem, "https://api.example.com", "req-1")).unwrap();
    for private in ["step-name", "what-was-found", "the-fingerprint", "user_2abc", "the-remedy"] {
        assert!(!told.contains(private), "{told}");
    }
}

#[test]
fn a_document_fits_into_a_header_in_whatever_language_it_is() {
    let document = r#"{"detail":"größer — 😀"}"#;
    let mut headers = HeaderMap::new();
    repeat_in_header(document.as_bytes(), &mut headers);
    let header = &headers["x-auth-problem"];
    assert_eq!(header, r#"{"detail":"gr\u00f6\u00dfer \u2014 \ud83d\ude00"}"#);
    let read: Value = serde_json::from_slice(header.as_bytes()).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(document).unwrap());
}

#[test]
fn an_operation_names_each_code_once_beside_its_status() {
    let codes: [ProblemCode; 3] =
        [RequestCode::NotFound.into(), ServerCode::Overloaded.into(), ServerCode::NotSetUp.into()];
    let mut operation = Operation::default();
    let mut describe = |codes: &[ProblemCode]| {
        in_context(|ctx: &mut GenContext| Problem::describe(ctx, &mut operation, codes));
    };
    describe(&codes[..2]);
    describe(&codes);
    let responses = operation.responses.unwrap().responses;
    let found: Vec<_> = responses
        .iter()
        .map(|(status, response)| {
            let ReferenceOr::Item(response) = response else { panic!("{response:?}") };
            assert!(response.content[MEDIA_TYPE].schema.is_some(), "it says what the body is");
            (status.clone(), response.description.as_str())
        })
        .collect();
    let name = |code: ProblemCode| format!("`{}`", code.entry().code);
    let both = format!("{}, {}", name(codes[1]), name(codes[2]));
    let expected = [(OpenApiStatus::Code(404), &*name(codes[0])), (OpenApiStatus::Code(503), &*both)];
    assert_eq!(found, expected);
}

#[test]
fn a_problem_by_itself_adds_no_status_to_an_operation() {
    in_context(|ctx| {
        let mut operation = Operation::default();
        assert_eq!(Problem::inferred_responses(ctx, &mut operation), []);
        let response = Problem::operation_response(ctx, &mut operation).unwrap();
        assert!(!response.description.is_empty());
        assert!(response.content.contains_key(MEDIA_TYPE));
    });
}

#[test]
fn the_reference_has_every_code_in_one_group_each() {
    let groups = groups();
    let titles: Vec<_> = groups.iter().map(|(title, _)| *title).collect();
    assert_eq!(titles, ["Session token", "Service key", "Request", "Instagram", "Clerk, database, server"]);
    let listed: Vec<_> = groups.iter().flat_map(|(_, codes)| codes).map(|code| code.entry().code).collect();
    assert_eq!(listed, ProblemCode::all().map(|code| code.entry().code).collect::<Vec<_>>());
}
