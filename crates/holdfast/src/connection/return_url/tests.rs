use proptest::prelude::*;

use super::*;

fn read(entries: &[&str]) -> ReturnUrls {
    entries.iter().map(|entry| ReturnUrl::parse(entry).unwrap()).collect()
}

fn list() -> ReturnUrls {
    read(&[
        "https://app.example.com",
        "https://deploy-preview-*--acme.netlify.app",
        "https://other.example.com/settings",
        "http://localhost:5173",
    ])
}

#[test]
fn addresses_on_the_list_are_allowed() {
    for url in [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/settings?tab=instagram#top",
        "https://APP.example.com/x",
        "https://app.example.com:443/x",
        "https://deploy-preview-7--acme.netlify.app/settings",
        "https://other.example.com/settings",
        "https://other.example.com/settings/",
        "https://other.example.com/settings/instagram",
        "http://localhost:5173/",
        "https://app.example.com/?",
        "https://app.example.com/#",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "https://app.example.com/a/b/c",
        "https://app.example.com/%20",
        "https://app.example.com/%0d%0a",
        "https://app.example.com/a%5cb",
        "https://app.example.com/?next=https://evil.com",
        "https://app.example.com/?next=//evil.com",
        "https://app.example.com//evil.com",
        "https://app.example.com/../evil",
        "https://app.example.com/@evil.com",
        "https://app.example.com/:8443",
        "HTTPS://app.example.com/",
        "https://app.example.com/ünïcode",
        "https://deploy-preview-123--acme.netlify.app",
        "https://deploy-preview-a-b--acme.netlify.app/?x#y",
        "https://other.example.com/settings?x=1",
        "https://other.example.com/settings#x",
        "https://other.example.com/settings/..%2fadmin",
        "https://other.example.com:443/settings",
        "https://app.example.com/settings/",
        "http://localhost:5173",
        "http://localhost:5173/settings?a=b",
        "http://LOCALHOST:5173/",
    ] {
        assert!(list().choose(Some(url)).is_ok(), "{url}");
    }
}

#[test]
fn everything_else_is_refused_with_a_reason() {
    use ReturnToError::{Ambiguous, NotAbsolute, NotAllowed};
    for (url, why) in [
        ("", NotAbsolute),
        ("/settings", NotAbsolute),
        ("//app.example.com", NotAbsolute),
        ("https:app.example.com", NotAbsolute),
        ("https:/app.example.com", NotAbsolute),
        ("javascript:alert(1)", NotAbsolute),
        ("data:text/html,x", NotAbsolute),
        ("ftp://app.example.com/", NotAllowed),
        ("http://app.example.com/", NotAllowed),
        ("https://app.example.com.evil.com/", NotAllowed),
        ("https://app.example.community/", NotAllowed),
        ("https://evil.com/https://app.example.com", NotAllowed),
        ("https://app.example.com:8443/", NotAllowed),
        ("https://app.example.com@evil.com/", Ambiguous),
        ("https://evil.com@app.example.com/", Ambiguous),
        ("https://@app.example.com/", Ambiguous),
        ("https://user:pw@app.example.com/", Ambiguous),
        ("https://app.example.com\\@evil.com", Ambiguous),
        ("https:\\\\app.example.com", Ambiguous),
        ("https://app.example.com/\r\nset-cookie:a=b", Ambiguous),
        ("\thttps://app.example.com/", Ambiguous),
        (" https://app.example.com/", Ambiguous),
        ("https://sub.app.example.com/", NotAllowed),
        ("https://deploy-preview-7--acme.netlify.app.evil.com/", NotAllowed),
        ("https://deploy-preview-7.evil--acme.netlify.app/", NotAllowed),
        ("https://deploy-preview---acme.netlify.app/", NotAllowed),
        ("https://other.example.com/", NotAllowed),
        ("https://other.example.com/settings-of-somebody-else", NotAllowed),
        ("https://other.example.com/settings/../admin", NotAllowed),
        ("https://other.example.com/settings/%2e%2e/admin", NotAllowed),
        ("http://localhost:5174/", NotAllowed),
        ("https://evil.com/?https://app.example.com/", NotAllowed),
        ("app.example.com", NotAbsolute),
        ("settings", NotAbsolute),
        ("?x", NotAbsolute),
        ("#x", NotAbsolute),
        ("///app.example.com", NotAbsolute),
        ("vbscript:x", NotAbsolute),
        ("file:///etc/passwd", NotAbsolute),
        ("blob:https://app.example.com/1", NotAbsolute),
        ("about:blank", NotAbsolute),
        ("ws://app.example.com/", NotAllowed),
        ("myapp://app.example.com/", NotAllowed),
        ("https://", NotAbsolute),
        ("https://app.example.com.", NotAllowed),
        ("https://app.example.com./", NotAllowed),
        ("https://example.com/", NotAllowed),
        ("https://app.example.com:444/", NotAllowed),
        ("https://app.example.com:99999/", NotAbsolute),
        ("https://app.example.com%2eevil.com/", NotAllowed),
        ("https://app.example.com%00.evil.com/", NotAbsolute),
        ("https://127.0.0.1/", NotAllowed),
        ("https://2130706433/", NotAllowed),
        ("https://[::1]/", NotAllowed),
        ("http://localhost/", NotAllowed),
        ("https://localhost:5173/", NotAllowed),
        ("https://app.example.com\t.evil.com/", Ambiguous),
        ("https://app.example.com\u{3002}evil.com/", NotAllowed),
        ("https://\u{430}pp.example.com/", NotAllowed),
        ("https://app.example.com/\u{2028}", Ambiguous),
        ("https://app.example.com/\u{a0}", Ambiguous),
        ("https://evil.com/@app.example.com", NotAllowed),
        ("https://evil.com?@app.example.com", NotAllowed),
        ("https://evil.com#@app.example.com", NotAllowed),
    ] {
        assert_eq!(list().choose(Some(url)).map(String::from), Err(why), "{url}");
    }
}

#[test]
fn c7_the_address_of_an_app_is_allowed_exactly() {
    let list =
        read(&["myapp://instagram", "com.example.app:/instagram?from=holdfast", "https://app.example.com"]);
    for allowed in ["myapp://instagram", "com.example.app:/instagram?from=holdfast"] {
        assert_eq!(list.choose(Some(allowed)).unwrap().as_str(), allowed);
    }
    for other in [
        "myapp://instagram/",
        "myapp://instagram?x=1",
        "myapp://instagram2",
        "MYAPP://instagram",
        "other://instagram",
        "com.example.app:/instagram",
    ] {
        assert!(list.choose(Some(other)).is_err(), "{other}");
    }
    assert_eq!(list.choose(None).unwrap().as_str(), "https://app.example.com/");
    let with = with_query(list.choose(Some("myapp://instagram")).unwrap(), &[("instagram", "denied")]);
    assert_eq!(with.as_str(), "myapp://instagram?instagram=denied");
    for wrong in ["myapp://x#y", "myapp://*", "javascript://x", "file:///etc", "data:/x"] {
        assert!(ReturnUrl::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_endless_address_is_refused() {
    let long = format!("https://app.example.com/{}", "a".repeat(MAX_RETURN_TO));
    assert_eq!(list().choose(Some(&long)), Err(ReturnToError::TooLong));
}

#[test]
fn without_a_wish_the_first_single_address_serves() {
    assert_eq!(list().choose(None).map(String::from), Ok("https://app.example.com/".to_owned()));
    let patterns = read(&["https://deploy-preview-*--acme.netlify.app"]);
    assert_eq!(patterns.choose(None), Err(ReturnToError::Missing));
}

#[test]
fn what_an_earlier_round_left_is_replaced_and_the_rest_stays() {
    let url = Url::parse("https://app.example.com/s?tab=1&instagram=denied&reason=denied#x").unwrap();
    let back = with_query(url, &[("instagram", "complete"), ("attempt", "7")]);
    assert_eq!(back.as_str(), "https://app.example.com/s?tab=1&instagram=complete&attempt=7#x");
}

#[test]
fn what_is_the_apps_own_comes_back_byte_for_byte() {
    for (given, kept) in [
        ("/s", "/s?"),
        ("/s?", "/s?"),
        ("/s?q=b%20c+d&e", "/s?q=b%20c+d&e&"),
        ("/s?a=%7e~%2F/'&&=&x==y&%zz", "/s?a=%7e~%2F/%27&&=&x==y&%zz&"),
        ("/s?in%73tagram=denied&a=1;reason=x&completion", "/s?a=1;reason=x&"),
        ("/s?a=%26instagram%3Ddenied", "/s?a=%26instagram%3Ddenied&"),
    ] {
        for fragment in ["", "#", "#/settings?tab=b%20c&instagram=denied", "#!/x", "#a=1"] {
            let url = format!("https://app.example.com{given}{fragment}");
            let url = list().choose(Some(&url)).unwrap();
            let back = with_query(url, &[("instagram", "complete"), ("completion", "a b&c#d")]);
            let expected =
                format!("https://app.example.com{kept}instagram=complete&completion=a+b%26c%23d{fragment}");
            assert_eq!(back.as_str(), expected);
            let again = with_query(back, &[("instagram", "complete"), ("completion", "a b&c#d")]);
            assert_eq!(again.as_str(), expected, "a second round changes nothing");
        }
    }
}

#[test]
fn a_fault_says_what_is_wrong() {
    let fault = ReturnUrl::parse("app.example.com").unwrap_err();
    assert_eq!(fault.to_string(), "is not an address to return to: it does not begin with a scheme and ://");
}

/// Pieces of addresses, good and hostile, to be put together in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "https:",
        "http:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        ".",
        "..",
        "%2f",
        "%40",
        "%00",
        "\t",
        "[::1]",
        "app.example.com",
        "evil.com",
        "other.example.com",
        "/settings",
        "deploy-preview-",
        "1",
        "*",
        "--acme.netlify.app",
        "localhost:5173",
        ":443",
        ":8443",
        "APP",
        "。",
        "ａpp.example.com",
        "user:pass",
        "javascript:",
        "&instagram=complete",
        "completion=x",
    ]);
    prop::collection::vec(piece, 1..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Read with nothing but string functions, an allowed address begins with an origin of the
    /// list.
    #[test]
    fn whatever_is_allowed_is_at_an_origin_of_the_list(rest in pieces(), on_list in any::<bool>()) {
        let asked = if on_list { format!("https://app.example.com{rest}") } else { rest };
        if let Ok(url) = list().choose(Some(&asked)) {
            let (scheme, after) = url.as_str().split_once("://").unwrap();
            let authority = &after[..after.find(['/', '?', '#']).unwrap_or(after.len())];
            let preview = authority
                .strip_prefix("deploy-preview-")
                .and_then(|rest| rest.strip_suffix("--acme.netlify.app"))
                .is_some_and(|label| !label.is_empty() && !label.contains(['.', ':', '@']));
            let listed = match (scheme, authority) {
                ("https", "app.example.com") | ("http", "localhost:5173") => true,
                ("https", "other.example.com") => url.path() == "/settings" || url.path().starts_with("/settings/"),
                (scheme, _) => scheme == "https" && preview,
            };
            prop_assert!(listed, "{} is allowed as {}", asked, url);
        }
    }
}
