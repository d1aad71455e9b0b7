//! Forward authentication: the verdict of the protected routes, for endpoints elsewhere.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clerk_session::{Clerk, FetchError, FetchJwks, Fetched, Session};
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::standin::clerk::{Case, Expectation, Fault, Person, Surface};
use holdfast::transport::{Answer, Outgoing};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};

const SECRET: &str = "shared-by-holdfast-and-the-backend-48-bytes-long";

/// One request without Origin, as a proxy or a middleware sends it.
async fn ask(app: &App, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Outgoing::new(method, app.base.join(path.trim_start_matches('/')).unwrap());
    for (name, value) in headers {
        request.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    app.send(request).await
}

fn minted(app: &App, case: &str) -> String {
    format!("Bearer {}", app.clerk.mint(Case::find(case).unwrap(), Person::Ada, ORIGIN).unwrap())
}

fn identity(answer: &Answer) -> Vec<(String, String)> {
    let named = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-auth-"));
    named.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_gets_the_verdict_of_the_protected_routes() {
    // The clock stands still: the verdict is one on a token at one instant.
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let app = App::at(clock, &[], |_| {}).await;
    for case in app.clerk.corpus(Person::Ada, ORIGIN).unwrap() {
        let Ok(value) = HeaderValue::from_bytes(format!("Bearer {}", case.token).as_bytes()) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value);
        let own = app.request_with(Method::GET, "/user/instagram/status", headers.clone(), None).await;
        let forwarded = app.request_with(Method::GET, "/forward-auth", headers, None).await;
        assert_eq!(forwarded.told(), own.told(), "{}", case.name);
        assert_eq!(
            forwarded.headers.get("www-authenticate"),
            own.headers.get("www-authenticate"),
            "{}",
            case.name
        );
        assert_eq!(forwarded.headers["cache-control"], "no-store", "{}", case.name);
        let is_accepted = case.expect == Expectation::Accepted;
        assert_eq!(forwarded.headers.contains_key("x-auth-user"), is_accepted, "{}", case.name);
        if is_accepted {
            assert!(forwarded.body.is_empty(), "{}", case.name);
        } else if forwarded.status != StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            let told: Value = serde_json::from_slice(forwarded.headers["x-auth-problem"].as_bytes()).unwrap();
            assert_eq!(told, forwarded.json(), "{}", case.name);
        }
    }
}

/// Gets the document that it was given.
struct Document(Vec<u8>);

impl FetchJwks for Document {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
        Box::pin(async { Ok(self.0.clone().into()) })
    }
}

/// A server of somebody else's, whose route has the extractor of `clerk-session`.
async fn extractor(app: &App, clock: &Arc<ManualClock>) -> axum::Router {
    let jwks = app.send(Outgoing::new(Method::GET, app.clerk.jwks_url())).await;
    let clock = Arc::clone(clock);
    let clerk = Clerk::from_publishable_key("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")
        .unwrap()
        .authorized_party(ORIGIN)
        .unwrap()
        .policy(|policy| policy.issuers = vec![app.clerk.issuer()])
        .clock(move || clock.now().as_millisecond())
        .fetching(Document(jwks.body.to_vec()));
    let who = |session: Session| async move { session.subject.clone() };
    axum::Router::new().route("/", axum::routing::get(who)).with_state(clerk)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extractor_of_clerk_session_gives_every_token_the_same_verdict() {
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let app = App::at(clock.clone(), &[], |_| {}).await;
    let router = extractor(&app, &clock).await;
    let corpus = app.clerk.corpus(Person::Ada, ORIGIN).unwrap();
    assert!(corpus.len() >= 150, "{} tokens", corpus.len());
    for case in corpus {
        let Ok(value) = HeaderValue::from_bytes(format!("Bearer {}", case.token).as_bytes()) else {
            continue;
        };
        let request = http::Request::get("/").header("authorization", &value).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let (parts, content) = answer.into_parts();
        let content = axum::body::to_bytes(content, usize::MAX).await.unwrap();
        let told = if parts.status == StatusCode::OK {
            assert_eq!(content, Person::Ada.user_id(), "{}", case.name);
            String::new()
        } else {
            serde_json::from_slice::<Value>(&content).unwrap()["code"].as_str().unwrap().to_owned()
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value);
        let own = app.request_with(Method::GET, "/forward-auth", headers, None).await;
        if own.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{}", case.name);
            continue;
        }
        assert_eq!((parts.status.as_u16(), told.as_str()), own.told(), "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_method_and_what_follows_make_no_difference() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        for path in [
            "/forward-auth",
            "/forward-auth/",
            "/forward-auth/a/b%2Fc?d=e",
            "/forward-auth//?credentials=optional",
        ] {
            let method: Method = method.parse().unwrap();
            let bearer = ada.authorization();
            let accepted = ask(&app, method.clone(), path, &[("authorization", &bearer)]).await;
            assert_eq!(accepted.status, StatusCode::OK, "{method} {path}");
            assert_eq!(accepted.headers["x-auth-user"], Person::Ada.user_id(), "{method} {path}");
            let missing = ask(&app, method.clone(), path, &[]).await;
            assert_eq!(missing.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(missing.headers["www-authenticate"], "Bearer", "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_passes_only_where_the_operator_says_so() {
    let app = App::start().await;
    let optional = "/forward-auth?credentials=optional";
    let nobody = ask(&app, Method::GET, optional, &[]).await;
    assert_eq!((nobody.status, identity(&nobody)), (StatusCode::OK, Vec::new()));
    let preflight = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    for path in ["/forward-auth", "/forward-auth/posts"] {
        let answer = ask(&app, Method::OPTIONS, path, &preflight).await;
        assert_eq!((answer.status, identity(&answer)), (StatusCode::OK, Vec::new()), "{path}");
    }
    // A header that is empty, or of another scheme, carries nothing of ours. A token is judged,
    // however it is sent.
    for other in ["", "Basic dXNlcjpwYXNz", "Negotiate abc"] {
        let nobody = ask(&app, Method::GET, optional, &[("authorization", other)]).await;
        assert_eq!((nobody.status, identity(&nobody)), (StatusCode::OK, Vec::new()), "{other}");
        let asked = ask(&app, Method::GET, "/forward-auth", &[("authorization", other)]).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{other}");
    }
    let genuine = minted(&app, "genuine");
    for sent in ["Bearer", "a.b.c", genuine.trim_start_matches("Bearer ")] {
        let refused = ask(&app, Method::GET, optional, &[("authorization", sent)]).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{sent}");
    }
    ask(&app, Method::GET, optional, &[("authorization", &minted(&app, "expired-10s"))])
        .await
        .is(401, "token-expired");
    let accepted = ask(&app, Method::GET, optional, &[("authorization", &minted(&app, "genuine"))]).await;
    assert_eq!(accepted.headers["x-auth-user"], Person::Ada.user_id());
    // What comes from the client loosens nothing: not the path and query that Envoy appends, not
    // the query that Caddy keeps, nor a second value.
    for (path, uri) in [
        ("/forward-auth/posts?credentials=optional", "/posts?credentials=optional"),
        ("/forward-auth/?credentials=optional", "/?credentials=optional"),
        (optional, "/posts?credentials=optional"),
        ("/forward-auth?credentials=optional&x=?", "/posts?credentials=optional&x=?"),
        ("/forward-auth?credentials=optional", "/posts?%63redentials=optional#x"),
        ("/forward-auth/posts?rol=admin&page=2", "/posts?rol=admin&page=2"),
        ("/forward-auth?page=2&credentials=optional&q", "/posts?page=2&credentials=optional&q"),
        ("/forward-auth?credentials=none", "/posts?credentials=none"),
    ] {
        let answer = ask(&app, Method::GET, path, &[("x-forwarded-uri", uri)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {uri}");
    }
    let elsewhere = ask(&app, Method::GET, optional, &[("x-forwarded-uri", "/posts?page=2")]).await;
    assert_eq!(elsewhere.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_that_cannot_be_meant_lets_nobody_pass() {
    let app = App::start().await;
    let admin = minted(&app, "genuine-with-organization");
    for query in [
        "rol=admin",
        "Role=admin",
        "role%20=admin",
        "roles=admin&role=admin",
        "role=admin&permision=org:teams:read",
        "org[]=org_1",
        "page=2",
        "=",
        "role%00=admin",
        "credentials",
        "credentials=",
        "credentials=Optional",
        "credentials=optional,",
        "credentials=required&credentials=optional",
        "credentials=optional&credentials=required",
    ] {
        let path = format!("/forward-auth?{query}");
        for headers in
            [&[("authorization", admin.as_str())][..], &[], &[("x-forwarded-uri", "/posts?page=3")]]
        {
            let answer = ask(&app, Method::GET, &path, headers).await;
            assert_eq!(answer.told(), (400, "malformed-parameter"), "{query}");
            assert!(answer.text().contains("configuration of the proxy"), "{query}");
        }
    }
    // A client's own query may hold anything; its `role` asks for more, and never for less.
    for (query, status) in [("page=2&rol=x", StatusCode::OK), ("role=owner", StatusCode::FORBIDDEN)] {
        let (path, uri) = (format!("/forward-auth?{query}"), format!("/posts?{query}"));
        let headers = [("authorization", admin.as_str()), ("x-forwarded-uri", uri.as_str())];
        assert_eq!(ask(&app, Method::GET, &path, &headers).await.status, status, "{query}");
    }
    // Names and values may be spelt in any way that means the same.
    for query in ["", "&", "r%6Fle=%61dmin", "role=+admin+", "role=owner%2Cadmin", "role=owner&&role=admin"] {
        let path = format!("/forward-auth?{query}");
        let answer = ask(&app, Method::GET, &path, &[("authorization", &admin)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_passes_as_nobody_whatever_else_it_brings() {
    let app = App::start().await;
    let bearer = minted(&app, "genuine");
    for headers in [
        &[][..],
        &[("authorization", bearer.as_str())],
        &[("authorization", "Bearer null")],
        &[("origin", "https://elsewhere.example")],
        &[("origin", "https://elsewhere.example"), ("access-control-request-method", "PATCH")],
    ] {
        for path in ["/forward-auth", "/forward-auth?role=owner", "/forward-auth/", "/forward-auth/posts?x=y"]
        {
            let answer = ask(&app, Method::OPTIONS, path, headers).await;
            assert_eq!(
                (answer.status, identity(&answer)),
                (StatusCode::OK, Vec::new()),
                "{path} {headers:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_pending_is_forbidden_and_not_refused() {
    let app = App::start().await;
    for case in app.clerk.corpus(Person::Ada, ORIGIN).unwrap() {
        if case.expect != Expectation::Pending {
            continue;
        }
        for path in ["/forward-auth", "/forward-auth?credentials=optional", "/forward-auth?role=admin"] {
            let bearer = format!("Bearer {}", case.token);
            let answer = ask(&app, Method::GET, path, &[("authorization", &bearer)]).await;
            assert_eq!(answer.told(), (403, "session-pending"), "{} {path}", case.name);
            assert!(!answer.headers.contains_key("x-auth-user"), "{}", case.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_a_bad_request() {
    let app = App::start().await;
    let bearer = minted(&app, "genuine");
    for path in ["/forward-auth", "/forward-auth?credentials=optional"] {
        let two =
            ask(&app, Method::GET, path, &[("authorization", &bearer), ("authorization", &bearer)]).await;
        assert_eq!(two.told(), (400, "multiple-credentials"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_reads_alike_in_both_versions() {
    let app = App::start().await;
    for case in ["genuine-with-organization", "genuine-with-organization-v1"] {
        let bearer = minted(&app, case);
        let told = ask(&app, Method::GET, "/forward-auth", &[("authorization", &bearer)]).await;
        assert_eq!(told.headers["x-auth-org"], "org_1", "{case}");
        assert_eq!(told.headers["x-auth-org-role"], "admin", "{case}");
        let permissions = "org:dashboard:manage,org:dashboard:read,org:teams:read";
        assert_eq!(told.headers["x-auth-org-permissions"], permissions, "{case}");
        for (query, expected) in [
            ("org=any", ""),
            ("org=org_1", ""),
            ("org=org_2&org=org_1", ""),
            ("org=org_2,org_1", ""),
            ("org=org_2", "not-a-member"),
            ("role=admin", ""),
            ("role=org:admin", ""),
            ("role=member,admin", ""),
            ("role=member", "role-missing"),
            ("permission=org:teams:read", ""),
            ("permission=org:teams:manage&permission=org:teams:read", ""),
            ("permission=org:teams:manage", "permission-missing"),
            ("org=any&role=admin&permission=org:teams:manage", "permission-missing"),
            ("org=org_2&role=admin", "not-a-member"),
        ] {
            let path = format!("/forward-auth?{query}");
            let answer = ask(&app, Method::GET, &path, &[("authorization", &bearer)]).await;
            let status = if expected.is_empty() { 200 } else { 403 };
            assert_eq!(answer.told(), (status, expected), "{case} {query}");
            assert!(!answer.headers.contains_key("www-authenticate"), "{case} {query}");
        }
        // As of a variable that is not set: nobody's role is at fault.
        for query in ["org=", "org", "role=,", "permission=&role=admin"] {
            let answer =
                ask(&app, Method::GET, &format!("/forward-auth?{query}"), &[("authorization", &bearer)])
                    .await;
            assert_eq!(answer.told(), (400, "malformed-parameter"), "{query}");
        }
    }
    for case in ["genuine", "genuine-organization-unreadable", "genuine-organization-of-numbers"] {
        let bearer = minted(&app, case);
        for (query, expected) in [
            ("org=any", "not-a-member"),
            ("role=admin", "role-missing"),
            ("permission=a", "permission-missing"),
        ] {
            let path = format!("/forward-auth?{query}");
            let answer = ask(&app, Method::GET, &path, &[("authorization", &bearer)]).await;
            assert_eq!(answer.told(), (403, expected), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonator_is_named() {
    let app = App::start().await;
    for (case, who) in [("genuine-impersonated", "user_support"), ("genuine-act-string", "unknown")] {
        let told = ask(&app, Method::GET, "/forward-auth", &[("authorization", &minted(&app, case))]).await;
        assert_eq!(told.status, StatusCode::OK, "{}", told.text());
        assert_eq!(told.headers["x-auth-impersonator"], who, "{case}");
    }
    // nginx would drop an empty header, and cut spaces off.
    for sub in ["", " ", "\t", " user_support"] {
        let act = json!({"sub": sub});
        let token =
            app.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("act", act)).unwrap();
        let told =
            ask(&app, Method::GET, "/forward-auth", &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(told.headers["x-auth-impersonator"], "unknown", "{sub:?}");
    }
}

/// The claims of an assertion, its signature checked with the secret.
fn read(assertion: &str) -> Value {
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    assert_eq!(part(header), json!({"alg": "HS256", "typ": "JWT"}));
    part(payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_says_who_for_a_minute_at_most() {
    // The clock stands still: one of the tokens is good for less than another second.
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let app = App::at(clock, &[("HOLDFAST_FORWARD_AUTH_SECRET", SECRET)], |_| {}).await;
    let ask_as = async |case: &str, host: &str| {
        let bearer = minted(&app, case);
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-host", host)];
        let told = ask(&app, Method::GET, "/forward-auth", &headers).await;
        read(told.headers["x-auth-assertion"].to_str().unwrap())
    };
    let claims = ask_as("genuine-with-organization", "api.example.com").await;
    assert_eq!(claims["iss"], app.base.as_str().trim_end_matches('/'));
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!("api.example.com"), &json!(Person::Ada.user_id())));
    assert_eq!((&claims["org"], &claims["org_role"]), (&json!("org_1"), &json!("admin")));
    assert!(claims["sid"].as_str().unwrap().starts_with("sess_"));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((0..=60).contains(&lifetime), "{lifetime}");
    // A token that is accepted only for the allowed skew makes no assertion that outlives it.
    let late = ask_as("genuine-expired-4s", "api.example.com").await;
    assert!(late["exp"].as_i64().unwrap() < late["iat"].as_i64().unwrap(), "{late}");
    // The host as the proxy says it, with its port; where it says several, none.
    assert_eq!(ask_as("genuine", "api.example.com:8443").await["aud"], "api.example.com:8443");
    for several in ["api.example.com, evil.example", "a,b", "", " "] {
        assert_eq!(ask_as("genuine", several).await.get("aud"), None, "{several}");
    }
    let bearer = minted(&app, "genuine");
    let twice = [
        ("authorization", bearer.as_str()),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-host", "api.example.com"),
    ];
    let told = ask(&app, Method::GET, "/forward-auth", &twice).await;
    assert_eq!(read(told.headers["x-auth-assertion"].to_str().unwrap()).get("aud"), None);
    assert_eq!(ask_as("genuine-impersonated", "h").await["act"], json!({"sub": "user_support"}));
    assert_eq!(ask_as("genuine-act-string", "h").await["act"], json!({"sub": "unknown"}));
    let nobody = ask(&app, Method::GET, "/forward-auth?credentials=optional", &[]).await;
    assert_eq!(identity(&nobody), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart_while_clerk_is_away() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.get("/forward-auth").await.status, StatusCode::OK);
    app.clerk.set_fault(Surface::Jwks, Some(Fault::Down));
    // A server that begins where this one keeps its keys.
    let beside = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", beside.path().join("holdfast.db").display());
    let restarted = app.replica_with(&[("HOLDFAST_DATABASE_URL", &database)]).await;
    for path in ["/forward-auth", "/user/instagram/status", "/user/profile"] {
        assert_eq!(ada.at(&restarted).get(path).await.status, StatusCode::OK, "{path}");
    }
    // Where nothing is known there is no verdict, and that is no refusal.
    let elsewhere = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", elsewhere.path().join("holdfast.db").display());
    let journal = elsewhere.path().join("journal").display().to_string();
    let cold = [("HOLDFAST_JOURNAL_DIR", journal.as_str()), ("HOLDFAST_DATABASE_URL", database.as_str())];
    let cold = app.replica_with(&cold).await;
    for path in ["/forward-auth", "/user/instagram/status"] {
        let answer = ada.at(&cold).get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap(), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_clerks_keys_refuses_nobody() {
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let app = App::at(clock.clone(), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.get("/forward-auth").await.status, StatusCode::OK);
    app.clerk.set_fault(Surface::Jwks, Some(Fault::Down));
    for minute in 1..=60 {
        clock.advance(Duration::from_mins(1));
        for path in ["/forward-auth", "/user/instagram/status"] {
            let answer = ask(&app, Method::GET, path, &[("authorization", &ada.authorization())]).await;
            assert_eq!(answer.status, StatusCode::OK, "{path} after {minute} minutes");
        }
    }
    // A server that begins then, with what the other has kept.
    let beside = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", beside.path().join("holdfast.db").display());
    let restarted = app.replica_with(&[("HOLDFAST_DATABASE_URL", &database)]).await;
    for case in app.clerk.corpus(Person::Ada, ORIGIN).unwrap() {
        let Ok(value) = HeaderValue::from_bytes(format!("Bearer {}", case.token).as_bytes()) else {
            continue;
        };
        for base in [&app.base, &restarted.base] {
            let mut request = Outgoing::new(Method::GET, base.join("forward-auth").unwrap());
            request.headers.insert("authorization", value.clone());
            let answer = app.send(request).await;
            match case.expect {
                Expectation::Accepted => assert_eq!(answer.status, StatusCode::OK, "{}", case.name),
                Expectation::Pending => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", case.name),
                // Whether a newer key has signed it cannot be known now.
                Expectation::Refused("jwk-kid-mismatch" | "token-invalid-signature") => {
                    assert_ne!(answer.status, StatusCode::OK, "{}", case.name);
                }
                Expectation::Refused(expected) if answer.status == StatusCode::UNAUTHORIZED => {
                    assert_eq!(answer.code(), expected, "{}", case.name);
                }
                Expectation::Refused(_) => {
                    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{}", case.name);
                }
            }
        }
    }
}

/// The requests that Traefik and Envoy document, sent as they send them. Both themselves are asked
/// in `tests/backends`.
#[tokio::test(flavor = "multi_thread")]
async fn traefik_and_envoy_are_answered_as_they_ask() {
    let app = App::start().await;
    let bearer = minted(&app, "genuine");
    // Traefik: GET whatever the method was, with what was asked for in headers of its own.
    let traefik = [
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-uri", "/posts?credentials=optional"),
        ("x-forwarded-for", "192.0.2.7"),
        ("authorization", &bearer),
    ];
    let accepted = ask(&app, Method::GET, "/forward-auth", &traefik).await;
    assert_eq!(accepted.headers["x-auth-user"], Person::Ada.user_id());
    let missing = ask(&app, Method::GET, "/forward-auth", &traefik[..5]).await;
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
    // A client that gets this header through is no preflight by it.
    let feigned = ask(&app, Method::GET, "/forward-auth", &[("x-forwarded-method", "OPTIONS")]).await;
    assert_eq!(feigned.status, StatusCode::UNAUTHORIZED);
    // Envoy: the original method, behind its prefix the original address, and no body.
    let envoy = [("authorization", bearer.as_str()), ("content-length", "0")];
    let accepted = ask(&app, Method::POST, "/forward-auth/posts/7?credentials=optional", &envoy).await;
    assert_eq!(accepted.headers["x-auth-user"], Person::Ada.user_id());
    let missing = ask(&app, Method::POST, "/forward-auth/posts/7?credentials=optional", &envoy[1..]).await;
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
}

/// Latin-1 to Node and WSGI, UTF-8 to others: what is not ASCII would be somebody else to the next
/// reader.
#[tokio::test(flavor = "multi_thread")]
async fn identity_headers_are_ascii() {
    let app = App::start().await;
    let organization = json!({"id": "org_2abc", "rol": "chefköchin", "slg": "küche"});
    let token = app
        .clerk
        .mint_with(Person::Ada, Some(ORIGIN), |mint| {
            mint.with_claims(|claims| {
                claims.insert("o".to_owned(), organization);
                claims.insert("act".to_owned(), json!({"sub": "user_東"}));
            })
        })
        .unwrap();
    let answer =
        ask(&app, Method::GET, "/forward-auth", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = identity(&answer);
    let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(told.contains(&("x-auth-org", "org_2abc")), "{told:?}");
    assert!(
        told.contains(&("x-auth-impersonator", "unknown")),
        "an impersonator is never left out: {told:?}"
    );
    assert!(!told.iter().any(|(name, _)| *name == "x-auth-org-role"), "{told:?}");
}
