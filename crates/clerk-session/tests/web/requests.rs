//! One router behind the extractor and one behind the layer: the same answers.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::{any, get};
use clerk_session::{Clerk, FetchError, FetchJwks, Fetched, Session, SessionLayer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::*;

const PUBLISHABLE_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";

fn clerk() -> Clerk {
    Clerk::from_publishable_key(PUBLISHABLE_KEY)
        .unwrap()
        .authorized_party(APP)
        .unwrap()
        .clock(|| NOW)
        .accept_session_cookie()
        .pinned(&OURS.spki_pem())
        .unwrap()
}

/// Keys that cannot be had.
fn unreachable() -> Clerk {
    struct Down;
    impl FetchJwks for Down {
        fn fetch(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
            Box::pin(async { Err(FetchError::NoAnswer("connection refused".to_owned())) })
        }
    }
    Clerk::from_publishable_key(PUBLISHABLE_KEY).unwrap().clock(|| NOW).fetching(Down)
}

async fn me(session: Session) -> String {
    session.subject.clone()
}

async fn optional(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |session| session.subject.clone())
}

fn extractor(clerk: Clerk) -> Router {
    Router::new().route("/", any(me)).route("/optional", get(optional)).with_state(clerk)
}

fn layer(clerk: Clerk) -> Router {
    async fn me(axum::Extension(session): axum::Extension<Session>) -> String {
        session.subject.clone()
    }
    Router::new().route("/", any(me)).layer(SessionLayer::new(clerk))
}

struct Answer {
    status: StatusCode,
    challenge: Option<String>,
    retry_after: Option<String>,
    body: String,
}

async fn ask(router: Router, request: Request<Body>) -> Answer {
    let answer = router.oneshot(request).await.unwrap();
    let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (challenge, retry_after) = (text(header::WWW_AUTHENTICATE), text(header::RETRY_AFTER));
    let status = answer.status();
    if !status.is_success() {
        assert_eq!(text(header::CONTENT_TYPE).as_deref(), Some("application/problem+json"));
        assert_eq!(text(header::CACHE_CONTROL).as_deref(), Some("no-store"));
    }
    let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
    Answer { status, challenge, retry_after, body: String::from_utf8(body.into()).unwrap() }
}

fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn cookie_of(token: &str, signed_in_since: i64) -> String {
    format!("__session={token}; __client_uat={signed_in_since}")
}

#[tokio::test]
async fn extractor_and_layer_give_the_same_answers() {
    let good = bearer(&mint(json!({}), json!({})));
    let expired = bearer(&mint(json!({}), json!({"exp": NOW_S - 14})));
    let pending = bearer(&mint(json!({}), json!({"sts": "pending"})));
    let cookie = cookie_of(&mint(json!({}), json!({})), NOW_S - 60);
    let expired_cookie = cookie_of(&mint(json!({}), json!({"exp": NOW_S - 14})), NOW_S - 60);
    let invalid = "Bearer error=\"invalid_token\", error_description=\"The session token expired 14 s ago.\"";
    for make in [extractor as fn(Clerk) -> Router, layer] {
        for (headers, status, code, challenge) in [
            (vec![("authorization", good.as_str())], 200, None, None),
            (vec![], 401, Some("session-token-missing"), Some("Bearer")),
            (vec![("authorization", "Basic YTpi")], 401, Some("session-token-missing"), Some("Bearer")),
            (vec![("authorization", &expired)], 401, Some("token-expired"), Some(invalid)),
            (vec![("authorization", &pending)], 403, Some("session-pending"), None),
            (
                vec![("authorization", &good), ("authorization", &good)],
                400,
                Some("multiple-credentials"),
                None,
            ),
            (vec![("cookie", &cookie)], 200, None, None),
            (vec![("cookie", &cookie), ("sec-fetch-site", "same-origin")], 200, None, None),
            (
                vec![("cookie", &cookie), ("sec-fetch-site", "cross-site")],
                401,
                Some("session-token-missing"),
                Some("Bearer"),
            ),
            (vec![("cookie", &expired_cookie)], 401, Some("token-expired"), Some(invalid)),
            // A refused header never falls back to a good cookie.
            (
                vec![("authorization", &expired), ("cookie", &cookie)],
                401,
                Some("token-expired"),
                Some(invalid),
            ),
        ] {
            let answer = ask(make(clerk()), request(&headers)).await;
            assert_eq!(answer.status.as_u16(), status, "{headers:?}: {}", answer.body);
            assert_eq!(answer.challenge.as_deref(), challenge, "{headers:?}");
            if status == 200 {
                assert_eq!(answer.body, "user_2abc");
            } else {
                let problem: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)));
            }
        }
    }
}

#[tokio::test]
async fn where_nobody_can_judge_it_is_503_with_retry_after() {
    for make in [extractor as fn(Clerk) -> Router, layer] {
        let good = bearer(&mint(json!({}), json!({})));
        let answer = ask(make(unreachable()), request(&[("authorization", &good)])).await;
        assert_eq!(
            (answer.status, answer.retry_after.as_deref()),
            (StatusCode::SERVICE_UNAVAILABLE, Some("1"))
        );
        assert_eq!(answer.challenge, None, "it is not a matter of credentials");
        let answer = ask(make(unreachable()), request(&[("authorization", "Bearer garbage")])).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "no key could make a token of it");
    }
}

#[tokio::test]
async fn optional_is_for_those_who_send_nothing() {
    let good = bearer(&mint(json!({}), json!({})));
    let old = cookie_of(&mint(json!({}), json!({})), NOW_S);
    let yesterday = json!({"iat": NOW_S - 86_460, "nbf": NOW_S - 86_470, "exp": NOW_S - 86_400});
    let expired = mint(json!({}), yesterday);
    let expired_cookie = cookie_of(&expired, NOW_S - 90_000);
    let expired = bearer(&expired);
    let pending = cookie_of(&mint(json!({}), json!({"sts": "pending"})), NOW_S - 60);
    for (headers, status, body) in [
        (vec![], 200, Some("nobody")),
        (vec![("authorization", good.as_str())], 200, Some("user_2abc")),
        (vec![("authorization", "Bearer null")], 401, None),
        (vec![("authorization", "Basic YTpi")], 401, None),
        // From before the person signed in anew.
        (vec![("cookie", old.as_str())], 200, Some("nobody")),
        // Clerk's script renews the cookie once the page is there.
        (vec![("cookie", &expired_cookie)], 200, Some("nobody")),
        (vec![("cookie", "__session=x; __client_uat=1")], 200, Some("nobody")),
        (vec![("authorization", &expired)], 401, None),
        (vec![("authorization", &expired), ("cookie", &expired_cookie)], 401, None),
        (vec![("cookie", &pending)], 403, None),
    ] {
        let mut request = request(&headers);
        *request.uri_mut() = "/optional".parse().unwrap();
        let answer = ask(extractor(clerk()), request).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        assert!(body.is_none_or(|body| body == answer.body), "{headers:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_unreadable_header_is_refused_and_not_passed_over() {
    let mut request = request(&[]);
    let value = axum::http::HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, value);
    assert_eq!(ask(extractor(clerk()), request).await.status, StatusCode::UNAUTHORIZED);
}
