use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::*;

fn answer(status: u16, body: &'static str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[test]
fn every_answer_has_its_own_meaning() {
    let read = |status, body| read(&answer(status, body), "user_1", Timestamp::UNIX_EPOCH);
    assert_eq!(read(200, r#"{"id":"user_1"}"#), Ok(UserFacts::default()));
    assert_eq!(read(200, r#"{"id":"user_2"}"#), Err(BackendError::OddRecord));
    assert_eq!(read(200, r#"{"object":"user"}"#), Err(BackendError::OddRecord));
    let odd = r#"{"id":"user_1","first_name":{"x":1},"last_name":"L","email_addresses":[7,null]}"#;
    assert_eq!(read(200, odd).unwrap().last_name.as_deref(), Some("L"));
    assert_eq!(read(200, "<html>maintenance</html>"), Err(BackendError::NotUnderstood));
    assert_eq!(read(200, "[]"), Err(BackendError::NotUnderstood));
    assert_eq!(read(401, r#"{"errors":[]}"#), Err(BackendError::SecretRefused(401)));
    assert_eq!(read(404, r#"{"errors":[{"code":"resource_not_found"}]}"#), Err(BackendError::NoSuchUser));
    assert_eq!(read(404, "<h1>not found</h1>"), Err(BackendError::Status(404)));
    assert_eq!(read(503, "<html>"), Err(BackendError::Status(503)));
    assert_eq!(read(302, ""), Err(BackendError::Status(302)));
}

#[test]
fn retry_after_is_kept_within_bounds() {
    let asked = |status: u16, value: Option<&'static str>| {
        let mut answer = answer(status, "");
        if let Some(value) = value {
            answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        }
        read(&answer, "user_1", "2026-10-21T07:27:30Z".parse().unwrap()).unwrap_err()
    };
    let wait = |value| asked(429, value).cool_down().unwrap().as_secs();
    assert_eq!(wait(Some("7")), 7);
    assert_eq!(wait(Some("0")), 1);
    assert_eq!(wait(Some("86400")), 60);
    assert_eq!(wait(Some("Wed, 21 Oct 2026 07:28:00 GMT")), 30);
    assert_eq!(wait(Some("Wed, 21 Oct 2026 07:27:00 GMT")), 1);
    assert_eq!(wait(Some("Thu, 22 Oct 2026 07:28:00 GMT")), 60);
    assert_eq!(wait(Some("soon")), 10);
    assert_eq!(wait(None), 10);
    let overloaded = |seconds| BackendError::Overloaded { retry_after: Duration::from_secs(seconds) };
    assert_eq!(asked(503, Some("7")), overloaded(7));
    assert_eq!(asked(503, Some("86400")), overloaded(60));
    assert_eq!(asked(503, Some("soon")), BackendError::Status(503));
}
