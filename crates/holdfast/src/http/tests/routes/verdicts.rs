//! What a good, a bad and an unjudged credential lead to.

use super::*;

/// A concrete address for a path template.
fn concrete(path: &str) -> String {
    path.replace("{attempt_id}", "01890000-0000-7000-8000-000000000000")
        .replace("{user_id}", "user_x")
        .replace("{path}", "me")
        .replace("{code}", "x")
}

#[tokio::test]
async fn no_protected_route_answers_anything_but_a_verdict_to_a_bad_credential() {
    let stage = stage().await;
    let document = crate::http::document("https://api.example.com");
    let mut protected = 0;
    for (method, path, operation) in operations(&document) {
        let Some(security) = operation["security"].as_array().filter(|all| !all.is_empty()) else { continue };
        protected += 1;
        let is_service = security[0].get("service_key").is_some();
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let path = concrete(&path);
        let wrong_kind = if is_service { stage.bearer(Person::Ada) } else { stage.service() };
        for bad in
            [None, Some("Bearer x"), Some("Basic eDp4"), Some("Bearer"), Some(""), Some(wrong_kind.as_str())]
        {
            let headers: Vec<_> = bad.iter().map(|value| ("authorization", *value)).collect();
            // A hostile body behind a bad credential is never looked at.
            let response = stage.send(method.clone(), &path, &headers, "{\"broken").await;
            let (status, headers, body) = read(response).await;
            assert_eq!(status, 401, "{method} {path} with {bad:?}: {body}");
            assert_eq!(body["source"], if is_service { "service_key" } else { "session" });
            let challenge = headers["www-authenticate"].to_str().unwrap();
            let is_missing = body["code"].as_str().unwrap().ends_with("-missing");
            assert!(is_missing || bad.is_some(), "{method} {path}: {body}");
            assert_eq!(challenge == "Bearer", is_missing, "{method} {path} {bad:?}: {challenge}");
        }
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        let (status, _, body) = read(stage.send(method.clone(), &path, &twice, Body::empty()).await).await;
        assert_eq!(
            (status.as_u16(), &body["code"]),
            (400, &json!("multiple-credentials")),
            "{method} {path}"
        );
    }
    assert!(protected >= 13, "only {protected} protected operations");
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_and_never_a_401() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    stage.store.close().await;
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history", "/user/events"] {
        let (status, headers, body) = stage.get(path, &ada).await;
        assert_eq!((status.as_u16(), &body["source"]), (503, &json!("database")), "{path}");
        assert!(headers.contains_key("retry-after"), "{path}");
        assert!(!headers.contains_key("www-authenticate"), "{path}");
    }
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/status", &stage.service()).await;
    assert_eq!((status.as_u16(), &body["source"]), (503, &json!("database")));
}

#[tokio::test]
async fn service_routes_take_a_service_key() {
    let stage = stage().await;
    let key = stage.service();
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/status", &key).await;
    assert_eq!((status.as_u16(), &body["state"]), (200, &json!("unavailable")));
    let (status, _, body) = stage.get("/service/users/nobody/instagram/status", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!("user-not-found")));
    let (status, _, body) = stage.post("/service/users/user_ada/instagram/token", &key, &[], "").await;
    assert_eq!((status.as_u16(), &body["code"]), (424, &json!("not_configured")), "{body}");
    assert_eq!(body["reason"], "not_configured", "the status has the same");
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/graph/me", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (424, &json!("not_configured")));
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/graph/v22.0/me", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (422, &json!("graph-call-not-allowed")));
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_nobody_is_refused_and_the_server_is_not_ready() {
    let stage = stage().await;
    stage.clerk.set_fault(Surface::Jwks, Some(Fault::Down));
    let ada = stage.bearer(Person::Ada);
    for path in ["/user/profile", "/user/instagram/status", "/user/events"] {
        let (status, headers, body) = stage.get(path, &ada).await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &json!("keys-unavailable")), "{path}");
        assert_eq!(body["source"], "clerk");
        assert!(headers.contains_key("retry-after") && !headers.contains_key("www-authenticate"));
    }
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["checks"][0]["ok"]), (503, &json!(false)), "{body}");
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);

    stage.clerk.set_fault(Surface::Jwks, None);
    stage.clock.advance(Duration::from_secs(35));
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    assert_eq!(stage.send(Method::GET, "/readyz", &[], Body::empty()).await.status(), 200);
}

#[tokio::test]
async fn a_repeated_token_is_told_what_helps_against_its_refusal() {
    let stage = stage().await;
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    for (name, action) in [("azp-other", "contact_support"), ("sid-missing", "fix_request")] {
        let corpus = stage.clerk.corpus(Person::Ada, ORIGIN).unwrap();
        let token = corpus.into_iter().find(|each| each.name == name).unwrap().token;
        let bearer = format!("Bearer {token}");
        let mut refused = 0;
        let stopped = loop {
            let (status, _, body) = stage.get("/user/profile", &bearer).await;
            assert_eq!(body["action"], action, "{name}: {body}");
            refused += 1;
            if status != 401 {
                break (status.as_u16(), body["code"].clone());
            }
            assert!(refused < 100, "{name}");
        };
        assert_eq!(stopped, (429, json!("stop-repeating")), "{name}");
    }
}

#[tokio::test]
async fn every_token_of_the_corpus_has_one_verdict_on_all_protected_routes() {
    let stage = stage().await;
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    let document = crate::http::document("https://api.example.com");
    let reads = ["/user/profile", "/user/instagram/status", "/user/instagram/history", "/user/events"];
    for path in reads {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    let mut judged = 0;
    for token in stage.clerk.corpus(Person::Ada, ORIGIN).unwrap() {
        let value = format!("Bearer {}", token.token);
        let mut verdicts = Vec::new();
        for path in reads {
            let headers = [("authorization", value.as_str())];
            let request =
                Request::builder().uri(path).header("host", "x").header("authorization", headers[0].1);
            // What is not even a header value cannot be sent.
            let Ok(request) = request.body(Body::empty()) else { continue };
            let response = stage.application.answer(request, None).await;
            let status = response.status().as_u16();
            let code = if status == 200 { Value::Null } else { read(response).await.2["code"].clone() };
            verdicts.push((status, code));
        }
        verdicts.dedup();
        assert!(verdicts.len() <= 1, "{}: {verdicts:?}", token.name);
        judged += verdicts.len();
    }
    assert!(judged >= 100, "only {judged} tokens");
}
