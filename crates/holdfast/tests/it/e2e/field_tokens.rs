//! Situations from public issue threads of Clerk's SDKs and of gateways, each named by repository
//! and number: who is calling.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{ManualClock, SystemClock};
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::{Case, ClerkStandin, Fault, Mint, Person, Rotation, Surface};
use holdfast::transport::{Answer, Outgoing};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::edge::client::Raw;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN, SignedIn};
use crate::testing::database::{Engine, Place};
use crate::testing::leaks;
use crate::testing::waiting::until;

const STATUS: &str = "/user/instagram/status";

/// One request without `Origin`, as programs and proxies make it.
async fn bare(app: &App, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Outgoing::new(method, app.base.join(&path[1..]).unwrap());
    for (name, value) in headers {
        if *name == "authorization" {
            leaks::secret_if_long(value.trim_start_matches("Bearer "));
        }
        request.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    app.send(request).await
}

async fn with_token(app: &App, token: &str) -> Answer {
    app.get_as(&format!("Bearer {token}"), STATUS).await
}

/// Status, code and action.
fn told(answer: &Answer) -> (u16, String, String) {
    let problem = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let action = problem["action"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), answer.code().to_owned(), action)
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap_or_default().to_owned()
}

/// The page of a refusal's code.
async fn page(app: &App, refused: &Answer) -> String {
    app.get(&format!("/docs/errors/{}", refused.code())).await.text()
}

/// clerk/clerk-sdk-python#90, clerk/javascript#9249: tokens that a backend mints, and those of
/// top-level navigations, name no party. No fresh token mends that, and one setting does.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_party_is_told_so_and_sends_nobody_for_another() {
    let app = App::start().await;
    let none = app.clerk.token(&app.clerk.sign_in(Person::Ada).unwrap(), None).unwrap();
    let refused = with_token(&app, &none).await;
    let (status, code, action) = told(&refused);
    assert_eq!((status, code.as_str()), (401, "token-invalid-authorized-parties"));
    assert_ne!(action, "refresh_session_token");
    assert!(detail(&refused).contains("front end"), "{}", detail(&refused));
    assert!(page(&app, &refused).await.contains("CLERK_AUTHORIZED_PARTIES_MODE"));

    let lenient = App::with(&[("CLERK_AUTHORIZED_PARTIES_MODE", "if_present")], |_| {}).await;
    let none = lenient.clerk.token(&lenient.clerk.sign_in(Person::Ada).unwrap(), None).unwrap();
    assert_eq!(with_token(&lenient, &none).await.status, StatusCode::OK);
    let other = lenient.clerk.mint(Case::find("azp-other").unwrap(), Person::Ada, ORIGIN).unwrap();
    assert_eq!(with_token(&lenient, &other).await.status, StatusCode::UNAUTHORIZED);
}

/// adrianhajdin/threads#86, clerk/javascript#2242: this machine slept, and its clock is behind.
/// What was refused for that is good a moment later, however often it was shown meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_the_future_is_not_locked_out_once_its_time_has_come() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    app.clerk.skew(30);
    let early = app.clerk.token(&app.clerk.sign_in(Person::Ada).unwrap(), Some(ORIGIN)).unwrap();
    let refused = with_token(&app, &early).await;
    assert_eq!(refused.code(), "token-not-active-yet", "{}", refused.text());
    assert!(detail(&refused).contains(" s"), "by how much: {}", detail(&refused));
    for _ in 0..12 {
        assert!(with_token(&app, &early).await.status.is_client_error());
    }
    clock.advance(Duration::from_secs(30));
    with_token(&app, &early).await.good();
}

/// clerk/clerk-sdk-go#133, clerk/clerk-ios#50, adrianhajdin/threads#124: a token that was kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_kept_is_to_be_replaced_and_the_session_is_fine() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    let ada = app.sign_in(Person::Ada);
    let kept = ada.authorization();
    clock.advance(Duration::from_secs(65));
    let refused = app.get_as(&kept, STATUS).await;
    assert_eq!(told(&refused), (401, "token-expired".to_owned(), "refresh_session_token".to_owned()));
    assert_eq!(ada.get(STATUS).await.status, StatusCode::OK);
}

/// clerk/clerk-sdk-go#549, kroo/reflex-clerk#11: the token is of another instance than the keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_instance_is_one_and_costs_clerk_no_storm() {
    let app = App::start().await;
    app.is_ready().await;
    let other = ClerkStandin::start(Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap();
    let asked = app.clerk.jwks_requests();
    for _ in 0..40 {
        let token = other.token(&other.sign_in(Person::Ada).unwrap(), Some(ORIGIN)).unwrap();
        with_token(&app, &token).await.is(401, "jwk-kid-mismatch");
    }
    assert!(app.clerk.jwks_requests() - asked <= 1, "{}", app.clerk.jwks_requests() - asked);
}

/// What each of them is answered with a fresh token; where that is "not now", with when to come
/// again.
async fn statuses(people: &[SignedIn<'_>; 2]) -> [StatusCode; 2] {
    let mut statuses = [StatusCode::OK; 2];
    for (status, person) in statuses.iter_mut().zip(people) {
        let answer = person.get(STATUS).await;
        *status = answer.status;
        let may_come_again = answer.headers.contains_key("retry-after");
        assert_eq!(may_come_again, answer.status == StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    }
    statuses
}

/// clerk/clerk-sdk-csharp#75, clerk/javascript#9394: the same token alternates between 200 and 401
/// from server to server while keys are replaced.
#[tokio::test(flavor = "multi_thread")]
async fn no_server_refuses_a_genuine_token_while_keys_are_replaced() {
    for rotation in [Rotation::NewKidKeepFormer, Rotation::NewKid, Rotation::SameKid] {
        let place = Place::new(Engine::Postgres).await;
        let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
        app.is_ready().await;
        let replica = app.replica().await;
        let ada = app.sign_in(Person::Ada);
        let both = [ada.clone(), ada.at(&replica)];
        until("both can judge", async || statuses(&both).await == [StatusCode::OK; 2]).await;
        app.clerk.rotate(rotation).unwrap();
        until("both have the new keys", async || {
            let statuses = statuses(&both).await;
            let (ok, wait) = (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE);
            assert!(statuses.iter().all(|each| [ok, wait].contains(each)), "{rotation:?}: {statuses:?}");
            statuses == [ok; 2]
        })
        .await;
        for _ in 0..10 {
            assert_eq!(statuses(&both).await, [StatusCode::OK; 2], "{rotation:?}");
        }
    }
}

/// screenpipe/screenpipe#1276, clerk/javascript#9469: a token of a JWT template, made to last.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_template_is_no_session() {
    let app = App::start().await;
    for make in [
        |mint: &Mint<'_>| mint.with_header("cat", "cl_B7d4PD222AAA"),
        |mint: &Mint<'_>| mint.without_claim("sid"),
    ] {
        let token = app.clerk.mint_with(Person::Ada, Some(ORIGIN), make).unwrap();
        let refused = with_token(&app, &token).await;
        let (status, code, action) = told(&refused);
        assert_eq!((status, code.as_str()), (401, "token-type-mismatch"));
        assert_ne!(action, "refresh_session_token", "the next one would be of the same kind");
        assert!(page(&app, &refused).await.contains("template"));
    }
}

/// superset-sh/superset#373: a page relies on the cookie, which does not come along to another
/// host, or is not read where it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_is_no_credential_and_the_answer_says_so() {
    let app = App::start().await;
    let token = app.clerk.token(&app.clerk.sign_in(Person::Ada).unwrap(), Some(ORIGIN)).unwrap();
    for name in ["__session", "__session_naoXFJnI"] {
        let cookies = format!("theme=dark; {name}={token}");
        let refused = bare(&app, Method::GET, STATUS, &[("cookie", &cookies)]).await;
        assert_eq!(told(&refused).1, "session-token-missing");
        assert!(detail(&refused).contains("cookie"), "{}", detail(&refused));
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        let through = bare(&app, Method::GET, "/forward-auth", &[("cookie", &cookies)]).await;
        assert_eq!((through.status, told(&through)), (StatusCode::UNAUTHORIZED, told(&refused)));
    }
    let other = bare(&app, Method::GET, STATUS, &[("cookie", "theme=dark")]).await;
    assert!(!detail(&other).contains("cookie"), "{}", detail(&other));
}

/// clerk/clerk-docs#2589, vm0-ai/vm0#8883, mozilla-services/cliquet#182: what is sent is something
/// else than a token.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_in_place_of_a_token_is_named() {
    let app = App::start().await;
    for (sent, named) in [
        ("dvb_2bXyZ0123456789abcdefghijk", "development"),
        ("null", "`null`"),
        ("undefined", "`undefined`"),
        ("None", "`None`"),
        ("[object Promise]", "`[object Promise]`"),
        ("sess_2bXyZ0123456789abcdefghijk", "a session id"),
        ("hf_sk_0123456789", "service key"),
    ] {
        let refused = with_token(&app, sent).await;
        assert_eq!(refused.told(), (401, "token-invalid"), "{sent}");
        assert!(detail(&refused).contains(named), "{sent}: {}", detail(&refused));
    }
}

/// clerk/javascript#4112: the organization was switched, and both tokens are still good.
#[tokio::test(flavor = "multi_thread")]
async fn each_token_speaks_for_the_organization_that_it_names() {
    let app = App::start().await;
    app.is_ready().await;
    let session = app.clerk.sign_in(Person::Ada).unwrap();
    let of = |org: Option<&str>| {
        let token = app.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| {
            mint.with_claims(|claims| {
                claims.insert("sid".to_owned(), session.as_str().into());
                if let Some(org) = org {
                    claims.insert("o".to_owned(), json!({"id": org, "rol": "admin", "slg": org}));
                }
            })
        });
        format!("Bearer {}", token.unwrap())
    };
    let tokens = [of(Some("org_1")), of(Some("org_2")), of(None)];
    for _ in 0..3 {
        for (token, org) in tokens.iter().zip([Some("org_1"), Some("org_2"), None]) {
            let told = bare(&app, Method::GET, "/forward-auth", &[("authorization", token)]).await;
            assert_eq!(told.status, StatusCode::OK);
            let named = told.headers.get("x-auth-org").map(|value| value.to_str().unwrap());
            assert_eq!(named, org);
        }
    }
}

/// authelia/authelia#648, thomseddon/traefik-forward-auth#186,
/// traefik-plugins/traefik-jwt-plugin#46: a preflight carries no credentials, and a page has to be
/// able to read why it was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_behind_a_proxy_gets_its_preflight_and_can_read_its_refusal() {
    let app = App::start().await;
    let preflight = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    let passed = bare(&app, Method::OPTIONS, "/forward-auth/posts", &preflight).await;
    assert_eq!(passed.status, StatusCode::OK);
    let refused = bare(&app, Method::POST, "/forward-auth/posts", &preflight[..1]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers["access-control-allow-origin"], ORIGIN);
}

/// bitly/oauth2_proxy#514: nginx announces the length of a body that it does not send.
#[tokio::test(flavor = "multi_thread")]
async fn an_announced_body_that_never_comes_holds_up_no_verdict() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock), &[], |_| {}).await;
    app.is_ready().await;
    let bearer = app.sign_in(Person::Ada).authorization();
    for (credential, status) in [(format!("Authorization: {bearer}\r\n"), 200), (String::new(), 401)] {
        let mut client = Raw::connect(app.address()).await;
        let request =
            format!("POST /forward-auth HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n{credential}\r\n");
        // The clock stands still, so nothing that is waited for can have run out.
        assert_eq!(client.ask(&request).await.unwrap().status, status);
    }
}

/// authelia/authelia#8519, oauth2-proxy/oauth2-proxy#2322: a gateway passes on 2xx, 401 and 403
/// only, and makes 500 of all else.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_the_header_is_refused_in_a_way_that_a_gateway_passes_on() {
    let app = App::start().await;
    app.is_ready().await;
    for value in [
        "",
        " ",
        "Basic",
        "Basic !!!",
        "Digest a=b",
        "Bearer",
        "Bearer ",
        "bearer x",
        "Token x",
        ",",
        "Bearer a b",
        "ÿ",
    ] {
        let answer = bare(&app, Method::GET, "/forward-auth", &[("authorization", value)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value:?}: {}", answer.text());
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("x-auth-user"));
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{value:?}");
    }
}

/// kubernetes/ingress-nginx#2292, nginx/nginx#715: the proxy hands on the answer's headers, and not
/// its body.
#[tokio::test(flavor = "multi_thread")]
async fn headers_alone_say_why_and_when_to_come_again() {
    let app = App::with(&[], |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::ServerError))).await;
    let bearer = app.sign_in(Person::Ada).authorization();
    for (headers, status, code) in [
        (&[("authorization", bearer.as_str())][..], 503, "keys-unavailable"),
        (&[], 401, "session-token-missing"),
    ] {
        let answer = bare(&app, Method::GET, "/forward-auth", headers).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        let problem: Value = serde_json::from_slice(answer.headers["x-auth-problem"].as_bytes()).unwrap();
        assert_eq!(problem["code"], code);
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
}

/// clerk/clerk-sdk-go#166, clerk/javascript#709: an instance behind a proxy, and one of its
/// satellites, under addresses of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxied_instance_and_a_satellite_are_the_instance() {
    let more = [("CLERK_PROXY_URL", "https://app.example.com/__clerk"), ("CLERK_DOMAIN", "shop.example")];
    let app = App::with(&more, |_| {}).await;
    app.is_ready().await;
    let from = |issuer: &str| {
        app.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("iss", issuer)).unwrap()
    };
    for issuer in [&app.clerk.issuer(), "https://app.example.com/__clerk", "https://clerk.shop.example"] {
        let answer = with_token(&app, &from(issuer)).await;
        assert_eq!(answer.status, StatusCode::OK, "{issuer}: {}", answer.text());
    }
    let refused = with_token(&app, &from("https://clerk.elsewhere.example")).await;
    assert_eq!(told(&refused).1, "token-invalid-issuer");
    let told = detail(&refused);
    assert!(told.contains("under another address") && !told.contains("another Clerk instance"), "{told}");
}

/// flanksource/mission-control#3301, clerk/clerk-sdk-python#96: the keys do not come when the
/// server starts.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_come_are_no_refusal_and_no_end() {
    let app = App::with(&[], |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::Hang))).await;
    let ada = app.sign_in(Person::Ada);
    // Before the server itself would give up: that has another code.
    let answer = ada.get(STATUS).await;
    assert_eq!(
        (answer.status, told(&answer).1.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "keys-unavailable")
    );
    assert!(answer.headers.contains_key("retry-after"));
    app.clerk.set_fault(Surface::Jwks, None);
    app.is_ready().await;
    assert_eq!(ada.get(STATUS).await.status, StatusCode::OK);
}

/// Hawxy/Clerk.Net#28: an app has several origins.
#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_origins_is_a_party_and_may_read() {
    let origins = "https://app.example.com,https://admin.example.com,http://localhost:5173";
    let app = App::with(&[("HOLDFAST_ALLOWED_ORIGINS", origins)], |_| {}).await;
    app.is_ready().await;
    let session = app.clerk.sign_in(Person::Ada).unwrap();
    for origin in origins.split(',') {
        let bearer = format!("Bearer {}", app.clerk.token(&session, Some(origin)).unwrap());
        let answer = bare(&app, Method::GET, STATUS, &[("authorization", &bearer), ("origin", origin)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{origin}: {}", answer.text());
        assert_eq!(answer.headers["access-control-allow-origin"], origin);
    }
}
