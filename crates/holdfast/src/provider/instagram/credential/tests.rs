use super::*;

const SPELLINGS: [&str; 16] = [
    "access_token",
    "ACCESS_TOKEN",
    "access_token%00",
    "access_token%00x",
    "access.token",
    " access_token",
    "+access_token",
    "access token",
    "access%5Ftoken",
    "access%255Ftoken",
    "access_token[]",
    "access_token[0]",
    "access-token",
    "client_secret",
    "appsecret_proof",
    "%61ccess_token",
];
const HARMLESS: [&str; 7] =
    ["caption", "fields", "image_url", "media_type", "creation_id", "access_tokens_used", "is_token"];

#[test]
fn every_spelling_is_found_in_every_place() {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    for name in SPELLINGS {
        assert!(none_of(std::iter::once(name)).is_err(), "{name}");
        assert!(query(&[("fields".into(), "id".into()), (name.into(), "x".into())]).is_err(), "{name}");
        for text in [format!("{name}=x"), format!("a=b&{name}=x"), format!("a=b;{name}=x"), name.to_owned()] {
            assert_eq!(body(form, &text.into()), Err(NotPassable::Credential), "{name}");
        }
        for text in [
            serde_json::json!({name: "x"}),
            serde_json::json!([{"a": {name: 1}}]),
            serde_json::json!({"\u{0}".to_owned() + name: null}),
        ] {
            assert_eq!(body("application/json", &text.to_string().into()), Err(NotPassable::Credential));
        }
        for line in ["\r\n", "\n"] {
            for disposition in [
                format!("form-data; name=\"{name}\""),
                format!("form-data;NAME={name}"),
                format!("form-data; name*=UTF-8''{name}"),
            ] {
                let text = format!(
                    "--b{line}Content-Disposition: form-data; name=\"caption\"{line}{line}hello{line}\
                     --b{line}Content-Type: text/plain{line}Content-Disposition: {disposition}{line}{line}x{line}--b--{line}"
                );
                let found = body("multipart/form-data; boundary=\"b\"", &text.into());
                assert_eq!(found, Err(NotPassable::Credential), "{disposition}");
            }
        }
    }
}

#[test]
fn further_calls_are_named_as_such() {
    let json = r#"{"batch": [{"method": "GET", "relative_url": "me"}]}"#;
    assert_eq!(body("application/json", &json.into()), Err(NotPassable::Batch));
    assert_eq!(query(&[("BATCH[]".into(), "x".into())]), Err(NotPassable::Batch));
}

#[test]
fn a_read_is_not_made_another_call_by_a_parameter() {
    for name in ["method", "METHOD", "_method", "%6dethod", "method[]"] {
        assert_eq!(query(&[(name.into(), "delete".into())]), Err(NotPassable::Method), "{name}");
    }
    assert!(query(&[("methods".into(), "x".into())]).is_ok());
}

#[test]
fn what_is_none_passes() {
    for name in HARMLESS {
        assert!(none_of(std::iter::once(name)).is_ok(), "{name}");
    }
    let form = "application/x-www-form-urlencoded";
    let sent = "caption=my%20access_token%3D&image_url=https%3A%2F%2Fx";
    assert_eq!(body(form, &sent.into()).as_deref(), Ok(form));
    let json = "application/json";
    let sent = r#"{"caption": "access_token=x", "n": [1]}"#;
    assert_eq!(body(json, &sent.into()).as_deref(), Ok(json));
    let text =
        "--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nname=access_token\r\n--b--\r\n";
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(body(kind, &text.into()).as_deref(), Ok(kind));
}

#[test]
fn every_reader_finds_the_same_boundary() {
    let part = |boundary: &str, name: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n")
    };
    // One that we would not find, and others would: cut at a comma, unescaped, by a longer
    // name, or merely not the one in the body.
    for (parameters, real) in [
        ("boundary=real,fake", "real"),
        ("boundary=\"a\\-b\"", "a-b"),
        ("boundary=\"re al\"", "re al"),
        ("boundary=fake", "real"),
        ("xboundary=real; boundary=fake", "real"),
        ("boundary*=real; boundary=fake", "real"),
    ] {
        let text = part(real, "caption") + &part(real, "access_token") + &format!("--{real}--\r\n");
        let kind = format!("multipart/form-data; {parameters}");
        assert!(body(&kind, &text.into()).is_err(), "{parameters}");
    }
    // With both in the body, others are told of the one that we have looked at.
    let text = part("fake", "a") + &part("real", "caption") + &part("real", "b") + "--real--\r\n--fake--";
    let kind = "multipart/form-data; xboundary=real; Boundary=\"fake\"; charset=utf-16";
    let sent = body(kind, &text.into());
    assert_eq!(sent.as_deref(), Ok("multipart/form-data; boundary=fake"));
    let sent = body("Application/JSON; charset=utf-16", &"{}".into());
    assert_eq!(sent.as_deref(), Ok("application/json"));
}

#[test]
fn what_cannot_be_looked_through_does_not_pass() {
    assert_eq!(body("application/json", &"{".into()), Err(NotPassable::Unreadable));
    assert_eq!(body("multipart/form-data", &"--b".into()), Err(NotPassable::Unreadable));
    assert_eq!(
        body("multipart/form-data; boundary=a; boundary=b", &"--b".into()),
        Err(NotPassable::Unreadable)
    );
    assert_eq!(body("text/plain", &"access_token=x".into()), Err(NotPassable::ContentType));
}

#[test]
fn token_paths_are_found_however_written() {
    for each in
        ["access_token", "REFRESH_ACCESS_TOKEN", "me/Access_Token", "oauth/x", "access.token", "oauth."]
    {
        assert_eq!(path(each), Err(NotPassable::TokenPath), "{each}");
    }
    for each in ["me", "me/media", "17841479677897649/insights"] {
        assert_eq!(path(each), Ok(()), "{each}");
    }
}
