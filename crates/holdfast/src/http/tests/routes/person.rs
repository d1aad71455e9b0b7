//! The routes of the signed-in person.

use super::*;
use crate::http::streams::MAX_IN_ALL;

#[tokio::test]
async fn the_first_sync_makes_a_record_and_the_profile_does_too() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let (status, headers, body) = stage.post("/auth/sync", &ada, &[], "").await;
    assert_eq!((status.as_u16(), &body["created"]), (200, &json!(true)));
    assert_eq!(body["user"]["id"], Person::Ada.user_id());
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(stage.post("/auth/sync", &ada, &[], "").await.2["created"], false);

    let grace = stage.bearer(Person::Grace);
    let (status, _, body) = stage.get("/user/profile", &grace).await;
    assert_eq!(status, 200);
    assert_eq!(body["id"], Person::Grace.user_id());
    assert_eq!(body["email"], Value::Null, "absent facts are null");
    assert_eq!(body["connections"]["instagram"]["state"], "unavailable");
}

#[tokio::test]
async fn the_status_has_a_tag_and_is_not_sent_twice() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let path = "/user/instagram/status";
    let (status, headers, body) = stage.get(path, &ada).await;
    assert_eq!(status, 200);
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert_eq!((&body["connected"], &body["reason"]), (&json!(false), &json!("not_configured")));
    let tag = headers["etag"].to_str().unwrap();

    let asked = [("authorization", ada.as_str()), ("if-none-match", tag), ("origin", "https://x.example")];
    let (status, headers, body) = read(stage.send(Method::GET, path, &asked, Body::empty()).await).await;
    assert_eq!((status.as_u16(), body), (304, Value::Null));
    assert_eq!(headers["etag"].to_str().unwrap(), tag);
    assert!(headers.contains_key("x-request-id"));
    let other = [("authorization", ada.as_str()), ("if-none-match", "\"other\"")];
    assert_eq!(stage.send(Method::GET, path, &other, Body::empty()).await.status(), 200);

    let head = stage.send(Method::HEAD, path, &[("authorization", &ada)], Body::empty()).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["etag"].to_str().unwrap(), tag);
}

#[tokio::test]
async fn impersonated_sessions_may_look_but_not_act() {
    let stage = stage().await;
    let support = stage.impersonated(Person::Ada);
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history"] {
        assert_eq!(stage.get(path, &support).await.0, 200, "{path}");
    }
    assert_eq!(stage.post("/auth/sync", &support, &[], "").await.0, 200);
    let acts = [
        (Method::POST, "/user/instagram/connect"),
        (Method::POST, "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete"),
        (Method::POST, "/user/instagram/check"),
        (Method::DELETE, "/user/instagram"),
    ];
    for (method, path) in acts {
        let headers = [("authorization", support.as_str())];
        let (status, _, body) = read(stage.send(method, path, &headers, Body::empty()).await).await;
        assert_eq!((status.as_u16(), &body["code"]), (403, &json!("impersonation-not-allowed")), "{path}");
    }
}

#[tokio::test]
async fn disconnecting_nothing_is_fine() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    for _ in 0..2 {
        let headers = [("authorization", ada.as_str())];
        let (status, _, body) =
            read(stage.send(Method::DELETE, "/user/instagram", &headers, Body::empty()).await).await;
        assert_eq!((status.as_u16(), &body["disconnected"]), (200, &json!(true)), "{body}");
    }
}

#[tokio::test]
async fn the_newest_stream_of_who_has_most_ends_for_who_has_none() {
    let stage = stage().await;
    let (ada, streams) = (stage.bearer(Person::Ada), stage.state.streams());
    let own: Vec<_> = (0..11).map(|_| streams.open(Person::Ada.user_id()).unwrap()).collect();
    let response = stage.send(Method::GET, "/user/events", &[("authorization", &ada)], Body::empty()).await;
    let mut stream = response.into_body().into_data_stream();
    for _ in ["retry", "status"] {
        stream.next().await.unwrap().unwrap();
    }
    let others: Vec<_> =
        (own.len() + 1..MAX_IN_ALL).map(|n| streams.open(&format!("user_{}", n / 8)).unwrap()).collect();
    let stranger = streams.open("user_stranger").unwrap();
    assert!(stream.next().await.is_none(), "Ada has twelve");
    drop((stream, own, others, stranger));
    assert_eq!(stage.state.edge.metrics.streams.get(), 0);
}

#[tokio::test]
async fn events_begin_with_the_status_beat_and_end_with_the_token() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let response = stage.send(Method::GET, "/user/events", &[("authorization", &ada)], Body::empty()).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut stream = response.into_body().into_data_stream();
    let mut next =
        async || stream.next().await.map(|each| String::from_utf8(each.unwrap().to_vec()).unwrap());
    assert_eq!(next().await.unwrap(), "retry: 3000\n\n");
    let first = next().await.unwrap();
    assert!(first.starts_with("event: instagram.status\nid: "), "{first}");
    let data: Value =
        serde_json::from_str(first.lines().nth(2).unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["state"], "unavailable");
    assert_eq!(stage.state.edge.metrics.streams.get(), 1);
    let id = first.lines().nth(1).unwrap().strip_prefix("id: ").unwrap().to_owned();

    let clock = stage.clock.clone();
    let (beat, ()) = tokio::join!(next(), async { clock.advance(Duration::from_secs(16)) });
    assert_eq!(beat.unwrap(), ": still here\n\n");
    let (end, ()) = tokio::join!(next(), async { clock.advance(Duration::from_mins(1)) });
    assert_eq!(end, None, "the session token has expired");
    assert_eq!(stage.state.edge.metrics.streams.get(), 0);

    let ada = stage.bearer(Person::Ada);
    let again = [("authorization", ada.as_str()), ("last-event-id", id.as_str())];
    let response = stage.send(Method::GET, "/user/events", &again, Body::empty()).await;
    let mut stream = response.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), "retry: 3000\n\n");
    let (end, ()) = tokio::join!(stream.next(), async {
        tokio::task::yield_now().await;
        stage.stop.cancel();
    });
    assert!(end.is_none(), "nothing new to say, and the server stops");
}
