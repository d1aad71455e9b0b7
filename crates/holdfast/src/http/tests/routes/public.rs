//! The routes that need no caller.

use super::*;

#[tokio::test]
async fn a_callback_without_a_usable_attempt_is_a_page_that_reflects_nothing() {
    let stage = stage().await;
    for (query, what) in [
        ("", "This address is for Instagram"),
        ("?code=REFLECTED", "This address is for Instagram"),
        ("?state=%3Cscript%3Ealert(1)%3C/script%3E&code=REFLECTED", "This attempt is over"),
        // As in Meta's own sample of a person who declined.
        (
            "?error=access_denied&error_reason=user_denied&error_description=REFLECTED",
            "The access was declined",
        ),
        ("?error=REFLECTED&state=", "Instagram reported an error"),
        ("?state=REFLECTED&state=REFLECTED", "answer was not complete"),
        ("?state=%ff%fe&code=REFLECTED", "This attempt is over"),
    ] {
        let path = format!("/instagram/callback{query}");
        let (status, headers, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
        assert_eq!(status, 400, "{query}");
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(headers["content-security-policy"].to_str().unwrap().contains("style-src 'sha256-"));
        assert_eq!(headers["cache-control"], "no-store");
        let page = page.as_str().unwrap();
        assert!(page.contains(what), "{query}: {page}");
        assert!(!page.contains("REFLECTED") && !page.contains("alert(1)"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}

#[tokio::test]
async fn pages_and_documents_are_served() {
    let stage = stage().await;
    for path in ["/docs", "/docs/errors"] {
        let (status, headers, page) = read(stage.send(Method::GET, path, &[], Body::empty()).await).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        let page = page.as_str().unwrap();
        assert!(!page.contains("<script") && !page.contains("src="), "{path} loads something");
    }
    for code in crate::http::problem::ProblemCode::all() {
        let path = format!("/docs/errors/{}", code.entry().code);
        let (status, _, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.as_str().unwrap().contains("How to fix it"));
    }
    let (status, _, page) =
        read(stage.send(Method::GET, "/docs/errors/%3Cb%3E", &[], Body::empty()).await).await;
    assert_eq!(status, 404);
    assert!(!page.as_str().unwrap().contains("<b>"));
    let (_, _, document) = read(stage.send(Method::GET, "/openapi.json", &[], Body::empty()).await).await;
    assert_eq!(document, crate::http::document("https://api.example.com"));
    let (_, _, home) = read(stage.send(Method::GET, "/", &[], Body::empty()).await).await;
    assert_eq!(home["docs"], "https://api.example.com/docs");
}

/// `HOLDFAST_PUBLIC_URL` may have a path, which a proxy takes off before it asks.
#[tokio::test]
async fn links_of_pages_hold_where_a_proxy_puts_a_path_before_them() {
    let stage = stage().await;
    let mut found = std::collections::BTreeSet::new();
    for path in ["/docs", "/docs/errors", "/docs/errors/token-expired", "/docs/errors/none"] {
        let (_, _, page) = read(stage.send(Method::GET, path, &[], Body::empty()).await).await;
        let here = url::Url::parse(&format!("https://example.com/base{path}")).unwrap();
        for link in
            page.as_str().unwrap().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap())
        {
            let target = here.join(link).unwrap();
            let Some(below) = target.path().strip_prefix("/base") else { panic!("{link} on {path}") };
            found.insert(below.to_owned());
        }
    }
    for path in &found {
        assert_eq!(stage.send(Method::GET, path, &[], Body::empty()).await.status(), 200, "{path}");
    }
    assert!(found.contains("/openapi.json") && found.contains("/docs/errors/jwk-kid-mismatch"), "{found:?}");
}

#[tokio::test]
async fn health_and_readiness_say_what_they_know() {
    let stage = stage().await;
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!(
        (status.as_u16(), &body["checks"][0]["ok"]),
        (503, &json!(false)),
        "no key has been fetched yet"
    );
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["ready"]), (200, &json!(true)), "{body}");
    stage.store.close().await;
    stage.clock.advance(Duration::from_secs(1));
    let (status, headers, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["ready"]), (503, &json!(false)));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);
}

#[tokio::test]
async fn clerks_webhooks_are_proven_and_stored() {
    let stage = stage().await;
    let event = json!({"type": "user.created", "object": "event", "data": {
        "id": Person::Edsger.user_id(), "email_addresses": [], "first_name": "Hook", "created_at": 1, "updated_at": 2,
        "object": "user", "primary_email_address_id": null, "last_name": null, "image_url": "https://x/y"
    }});
    let body = event.to_string();
    let headers = svix(&stage.clock, "msg_1", &body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, _, answer) =
        read(stage.send(Method::POST, "/webhooks/clerk", &headers, body.clone()).await).await;
    assert_eq!(status, 204, "{answer}");
    let (_, _, profile) = stage.get("/user/profile", &stage.bearer(Person::Edsger)).await;
    assert_eq!(profile["first_name"], "Hook");

    let tampered = body.replace("Hook", "Evil");
    let (status, _, answer) =
        read(stage.send(Method::POST, "/webhooks/clerk", &headers, tampered).await).await;
    assert_eq!((status.as_u16(), &answer["code"]), (400, &json!("signature-invalid")));
    let (status, _, _) = read(stage.send(Method::POST, "/webhooks/clerk", &[], body).await).await;
    assert_eq!(status, 400);
    let large = "x".repeat(300 * 1024);
    let (status, _, answer) = read(stage.send(Method::POST, "/webhooks/clerk", &headers, large).await).await;
    assert_eq!((status.as_u16(), &answer["code"]), (413, &json!("body-too-large")));
}

fn svix(clock: &ManualClock, id: &str, body: &str) -> [(&'static str, String); 3] {
    use crate::clock::Clock;
    use aws_lc_rs::hmac;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let secret = STANDARD.decode(WEBHOOK_SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let timestamp = clock.now().as_second().to_string();
    let signed = format!("{id}.{timestamp}.{body}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(tag.as_ref()));
    [("svix-id", id.to_owned()), ("svix-timestamp", timestamp), ("svix-signature", signature)]
}

fn signed_request(secret: &str, payload: &Value) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), payload.as_bytes());
    format!("signed_request={}.{payload}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn metas_callbacks_are_proven_and_answered_with_a_page() {
    let stage = stage().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let payload = json!({"algorithm": "HMAC-SHA256", "user_id": "178", "issued_at": 1_790_000_000});
    let good = signed_request("app-secret", &payload);
    let deletion = "/webhooks/instagram/data-deletion";
    let (status, _, receipt) = read(stage.send(Method::POST, deletion, &form, good.clone()).await).await;
    assert_eq!(status, 200, "{receipt}");
    let code = receipt["confirmation_code"].as_str().unwrap();
    assert_eq!(receipt["url"], format!("https://api.example.com/data-deletion/{code}"));
    let path = format!("/data-deletion/{code}");
    let (status, _, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
    assert_eq!(status, 200);
    assert!(page.as_str().unwrap().contains("Your data is deleted"));
    assert_eq!(stage.send(Method::GET, "/data-deletion/other", &[], Body::empty()).await.status(), 404);

    for path in [deletion, "/webhooks/instagram/deauthorize"] {
        assert_eq!(stage.send(Method::POST, path, &form, good.clone()).await.status(), 200);
        let forged = signed_request("other-secret", &payload);
        let (status, _, body) = read(stage.send(Method::POST, path, &form, forged).await).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!("signature-invalid")));
        assert_eq!(stage.send(Method::POST, path, &[], good.clone()).await.status(), 415);
        for malformed in ["", "signed_request=x", "x=y", &format!("{good}&{good}")] {
            let (status, _, body) =
                read(stage.send(Method::POST, path, &form, malformed.to_owned()).await).await;
            assert_eq!((status.as_u16(), &body["code"]), (400, &json!("malformed-body")), "{malformed}");
        }
    }
}
