//! What is answered past axum's router is answered as the router would.

use tower::ServiceExt as _;

use super::*;

/// Status, headers in order of their names, and body. The length is hyper's to say where no router
/// does.
async fn whole(response: Response) -> (StatusCode, Vec<(String, String)>, String) {
    let (parts, body) = response.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let mut headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.retain(|(name, _)| name != "content-length");
    headers.sort();
    // A stream does not end.
    let is_stream = headers.iter().any(|(_, value)| value.starts_with("text/event-stream"));
    let bytes = if is_stream { axum::body::Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
    (parts.status, headers, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn both_ways_give_the_same_answer() {
    let stage = stage().await;
    let router = stage.application.clone().into_router();
    let document = crate::http::document("https://api.example.com");
    let documented = operations(&document).into_iter().filter(|(method, ..)| method == "get");
    let paths = documented.map(|(_, path, _)| path).filter(|path| !path.contains('{'));
    let paths: Vec<String> = paths.chain(["/forward-auth/".to_owned()]).collect();
    let (ada, service) = (stage.bearer(Person::Ada), stage.service());
    let mut statuses = std::collections::BTreeSet::new();
    for path in &paths {
        for (name, value) in [
            ("accept", "*/*"),
            ("authorization", ada.as_str()),
            ("authorization", "Bearer nonsense"),
            ("authorization", service.as_str()),
        ] {
            let headers = [("x-request-id", "mine"), ("origin", ORIGIN), (name, value)];
            let request = || stage.request(&Method::GET, path, &headers, Body::empty());
            let direct = whole(stage.application.answer(request(), None).await).await;
            let routed = whole(router.clone().oneshot(request()).await.unwrap()).await;
            statuses.insert(direct.0.as_u16());
            assert_eq!(direct, routed, "{path} with {name}: {value}");
        }
    }
    assert!(paths.len() >= 12 && [200, 401].iter().all(|each| statuses.contains(each)), "{statuses:?}");
}

#[tokio::test]
async fn an_answer_without_the_router_is_counted_under_its_route() {
    let stage = stage().await;
    for method in [Method::GET, Method::HEAD] {
        let response = stage.send(method, "/healthz?x=secret", &[], Body::empty()).await;
        assert_eq!(response.status(), 200);
    }
    let metrics = stage.state.edge.metrics.render();
    for method in ["GET", "HEAD"] {
        let line =
            format!(r#"holdfast_http_requests_total{{method="{method}",route="/healthz",status="200"}} 1"#);
        assert!(metrics.contains(&line), "{line} is missing in\n{metrics}");
    }
}
