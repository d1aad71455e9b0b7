//! How bodies and parameters are judged.

use super::*;

#[tokio::test]
async fn bodies_are_judged_by_type_size_and_syntax() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let connect = "/user/instagram/connect";
    let complete = "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete";
    let json_type = ("content-type", "application/json");
    let huge = format!("{{\"return_to\": \"{}\"}}", "a".repeat(70_000));
    let cases: &[(&str, &[(&str, &str)], &str, u16, &str)] = &[
        // An empty body is fine on connect: what is missing is Instagram's configuration.
        (connect, &[], "", 424, "not_configured"),
        (connect, &[json_type], "", 424, "not_configured"),
        (connect, &[json_type], "{}", 424, "not_configured"),
        (connect, &[json_type], "{\"unknown\": [1]}", 424, "not_configured"),
        (connect, &[("content-type", "application/json; charset=utf-8")], "{}", 424, "not_configured"),
        (connect, &[], "{}", 415, "unsupported-media-type"),
        (connect, &[("content-type", "text/plain")], "{}", 415, "unsupported-media-type"),
        (connect, &[json_type], "[]", 422, "body-not-acceptable"),
        (connect, &[json_type], " \n[\"https://app.example.com\"]", 422, "body-not-acceptable"),
        (connect, &[json_type], "[1, ", 400, "malformed-body"),
        (connect, &[json_type], "null", 422, "body-not-acceptable"),
        (complete, &[json_type], "[\"x\"]", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"force_reauth\": 1}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"expect\": \"whatever\"}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"return_to\": null, \"return_to\": null}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"return_to\": \"\\ud800\"}", 422, "body-not-acceptable"),
        (
            connect,
            &[json_type],
            "{\"return_to\": null, \"force_reauth\": null, \"expect\": null}",
            424,
            "not_configured",
        ),
        (connect, &[json_type], "{\"return_to\": ", 400, "malformed-body"),
        (connect, &[json_type], "[]]", 400, "malformed-body"),
        (connect, &[json_type], &huge, 413, "body-too-large"),
        (complete, &[json_type], "", 400, "malformed-body"),
        (complete, &[json_type], "{}", 422, "body-not-acceptable"),
        (complete, &[], "{\"completion\": \"x\"}", 415, "unsupported-media-type"),
        (complete, &[json_type], "{\"completion\": \"x\"}", 424, "not_configured"),
        (complete, &[json_type], "\u{feff}{\"completion\": \"x\"}", 424, "not_configured"),
        (
            "/user/instagram/connect/no-uuid/complete",
            &[json_type],
            "{\"completion\": \"x\"}",
            404,
            "attempt-not-found",
        ),
    ];
    for (path, headers, body, status, code) in cases {
        let (got, _, answer) = stage.post(path, &ada, headers, body).await;
        let shown: String = body.chars().take(40).collect();
        assert_eq!((got.as_u16(), &answer["code"]), (*status, &json!(code)), "{path} {headers:?} {shown}");
    }
    let (_, _, answer) = stage.post(connect, &ada, &[json_type], "{\n  \"return_to\": x}").await;
    assert_eq!(answer["detail"], "The body is not JSON, at line 2, column 16.");
    let (_, _, answer) = stage.post(complete, &ada, &[json_type], "{\"completion\": 12345678}").await;
    assert!(!answer.to_string().contains("12345678"), "a body may hold a secret: {answer}");
    let headers = [("authorization", ada.as_str()), json_type];
    let not_utf8 = stage.send(Method::POST, connect, &headers, b"{\"return_to\": \"\xff\"}".as_slice()).await;
    assert_eq!(read(not_utf8).await.2["detail"], "The body is not UTF-8.");
}

#[tokio::test]
async fn a_member_of_another_type_is_named_with_what_it_takes_and_null_is_as_absent() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let connect = "/user/instagram/connect";
    let complete = "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete";
    let values = [
        json!(null),
        json!(true),
        json!(5),
        json!(-5),
        json!(0.5),
        json!("secret-text"),
        json!([{"a": []}]),
        json!({"a": [1]}),
    ];
    // The types that each member takes, and how the refusal of the others ends.
    let members = [
        (connect, "return_to", "text", "takes text."),
        (connect, "force_reauth", "flag", "takes true or false."),
        (connect, "expect", "", "takes \"same_account\" or \"any_account\"."),
        (complete, "completion", "text", "takes text."),
    ];
    for (path, name, kind, takes) in members {
        for value in &values {
            let body = json!({name: value}).to_string();
            let (status, _, answer) =
                stage.post(path, &ada, &[("content-type", "application/json")], &body).await;
            let fits = match value {
                Value::Null => path == connect,
                Value::Bool(_) => kind == "flag",
                Value::String(_) => kind == "text",
                _ => false,
            };
            if fits {
                assert_eq!((status.as_u16(), &answer["code"]), (424, &json!("not_configured")), "{body}");
                continue;
            }
            assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("body-not-acceptable")), "{body}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("`{name}` ")) && detail.ends_with(takes), "{body}: {detail}");
            assert!(!answer.to_string().contains("secret-text"), "a body may hold a secret: {answer}");
        }
    }
    for (expect, fits) in [("same_account", true), ("any_account", true), ("SameAccount", false), ("", false)]
    {
        let body = json!({"expect": expect}).to_string();
        let (status, ..) = stage.post(connect, &ada, &[("content-type", "application/json")], &body).await;
        assert_eq!(status == 424, fits, "{expect}");
    }
}

#[tokio::test]
async fn a_body_that_dribbles_is_a_408() {
    let stage = stage().await;
    let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let ada = stage.bearer(Person::Ada);
    let headers = [("authorization", ada.as_str()), ("content-type", "application/json")];
    let clock = stage.clock.clone();
    let advance = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(9));
    };
    let (response, ()) =
        tokio::join!(stage.send(Method::POST, "/user/instagram/connect", &headers, body), advance);
    let (status, _, answer) = read(response).await;
    assert_eq!((status.as_u16(), &answer["code"]), (408, &json!("request-timeout")));
}

#[tokio::test]
async fn paging_parameters_are_judged() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let (status, _, body) = stage.get("/user/instagram/history?limit=5", &ada).await;
    assert_eq!((status.as_u16(), body), (200, json!({"entries": [], "next": null})));
    for query in ["limit=0", "limit=101", "limit=x", "limit=-1", "before=nonsense", "limit=1&limit=2"] {
        let (status, _, body) = stage.get(&format!("/user/instagram/history?{query}"), &ada).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!("malformed-parameter")), "{query}");
    }
}
