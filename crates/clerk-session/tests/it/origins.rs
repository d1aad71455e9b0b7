//! What is an allowed origin, and what it lets in. The same type decides `azp`, CORS and return
//! addresses.

use clerk_session::{OriginError, OriginPattern};

#[test]
fn an_origin_matches_itself_byte_by_byte() {
    for origin in [
        "https://app.example.com",
        "https://example.com",
        "http://localhost:5173",
        "http://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        "https://app.example.com:8443",
        "https://my_app.example.com",
    ] {
        let pattern = OriginPattern::parse(origin).unwrap_or_else(|error| panic!("{origin}: {error}"));
        assert!(pattern.matches(origin) && !pattern.is_pattern());
        for other in [
            format!("{origin}/"),
            format!("{origin}."),
            format!("{origin}:443"),
            format!("{origin}.evil.com"),
            format!("{origin} "),
            format!(" {origin}"),
            origin.to_uppercase(),
            origin.replacen("http", "ftp", 1),
            origin.replacen("://", "://evil.", 1),
            origin.replacen("://", "://evil@", 1),
            String::new(),
            "null".to_owned(),
            "*".to_owned(),
        ] {
            assert!(!pattern.matches(&other), "{origin} lets {other:?} in");
        }
    }
}

#[test]
fn c7_an_app_with_its_own_scheme_has_an_origin_too() {
    for origin in [
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://6f5e4d3c-2b1a-4c5d-8e9f-0a1b2c3d4e5f",
        "capacitor://localhost",
        "tauri://localhost",
        "ionic://localhost",
        "ionic://localhost:8100",
        "my-app://renderer",
        "app://-",
        "com.example.app://oauth",
    ] {
        let pattern = OriginPattern::parse(origin).unwrap_or_else(|error| panic!("{origin}: {error}"));
        assert!(pattern.matches(origin) && !pattern.is_pattern() && pattern.is_of_an_app(), "{origin}");
        assert!(!pattern.matches(&format!("{origin}/")) && !pattern.matches(&origin.to_uppercase()));
    }
    assert!(!OriginPattern::parse("https://app.example.com").unwrap().is_of_an_app());
}

#[test]
fn c16_all_names_before_a_project_on_pages_dev_are_its_own() {
    let previews = OriginPattern::parse("https://*.my-app.pages.dev").unwrap();
    assert!(previews.is_pattern());
    for (origin, matches) in [
        ("https://1a2b3c4d.my-app.pages.dev", true),
        ("https://feature-branch.my-app.pages.dev", true),
        ("https://my-app.pages.dev", false),
        ("https://x.another-app.pages.dev", false),
        ("https://a.b.my-app.pages.dev", false),
        ("https://.my-app.pages.dev", false),
        ("http://1a2b3c4d.my-app.pages.dev", false),
        ("https://1a2b3c4d.my-app.pages.dev.evil.example", false),
    ] {
        assert_eq!(previews.matches(origin), matches, "{origin}");
    }
}

#[test]
fn what_is_no_origin_says_what_to_write() {
    for (text, says) in [
        ("", "write an origin such as"),
        ("*", "would admit everybody"),
        ("null", "would admit everybody"),
        ("app.example.com", "must begin with https://"),
        ("file:///index.html", "anybody can make a page"),
        ("data:text/html,x", "anybody can make a page"),
        ("blob:https://app.example.com", "anybody can make a page"),
        ("javascript:alert(1)", "anybody can make a page"),
        ("FILE://x", "anybody can make a page"),
        ("app.example.com:8443", "must begin with https://"),
        ("capacitor:localhost", "must begin with https://"),
        ("my_app://renderer", "must begin with https://"),
        ("capacitor://localhost/", "write `capacitor://localhost`"),
        ("my-app://user@renderer", "no user name"),
        ("my-app://*", "without `*`"),
        ("chrome-extension://*", "without `*`"),
        ("https://*.pages.dev", "one `*` is allowed"),
        ("https://*.x.my-app.pages.dev", "one `*` is allowed"),
        ("HTTPS://app.example.com", "must begin with https://"),
        ("//app.example.com", "must begin with https://"),
        (" https://app.example.com", "must begin with https://"),
        ("https://app.example.com/", "write `https://app.example.com`"),
        ("https://app.example.com/path", "write `https://app.example.com`"),
        ("https://app.example.com?x", "write `https://app.example.com`"),
        ("https://app.example.com#x", "write `https://app.example.com`"),
        ("https://user@app.example.com", "no user name"),
        ("https://user:password@app.example.com/", "no user name"),
        ("https://App.example.com", "not a host"),
        ("https://app.example.com ", "not a host"),
        ("https://app..example.com", "not a host"),
        ("https://app.example.com.", "not a host"),
        ("https://bücher.example", "not a host"),
        ("https://", "not a host"),
        ("https://a%2eb", "not a host"),
        ("https://a\\b", "not a host"),
        ("http://[::1", "not a"),
        ("http://[0:0:0:0:0:0:0:1]", "not a host"),
        ("http://[v1.x]", "not a host"),
        ("https://app.example.com:443", "not a port"),
        ("http://app.example.com:80", "not a port"),
        ("https://app.example.com:", "not a port"),
        ("https://app.example.com:0", "not a port"),
        ("https://app.example.com:65536", "not a port"),
        ("https://app.example.com:08443", "not a port"),
        ("https://app.example.com:x", "not a port"),
        ("https://*.example.com", "one `*` is allowed, in the first label"),
        ("https://*", "one `*` is allowed"),
        ("https://app-*", "one `*` is allowed"),
        ("https://app-*.com", "one `*` is allowed"),
        ("https://app.*.example.com", "one `*` is allowed"),
        ("https://app.example-*.com", "one `*` is allowed"),
        ("https://a-*-*.example.com", "one `*` is allowed"),
        ("http*://app.example.com", "must begin with https://"),
        ("https://app.example.com:*", "not a port"),
    ] {
        let error = OriginPattern::parse(text).expect_err(text);
        assert!(error.to_string().contains(says), "{text:?}: {error}");
    }
    assert_eq!(OriginPattern::parse("*"), Err(OriginError::Everybody("*".to_owned())));
}

#[test]
fn a_preview_pattern_stands_for_one_label() {
    let previews = OriginPattern::parse("https://deploy-preview-*--site.netlify.app").unwrap();
    assert!(previews.is_pattern());
    for origin in
        ["https://deploy-preview-1--site.netlify.app", "https://deploy-preview-a-2--site.netlify.app"]
    {
        assert!(previews.matches(origin), "{origin}");
    }
    for origin in [
        "https://deploy-preview---site.netlify.app",
        "https://deploy-preview-1--other.netlify.app",
        "https://deploy-preview-1--site.netlify.app.evil.com",
        "https://deploy-preview-1.evil.com--site.netlify.app",
        "https://deploy-preview-x.y--site.netlify.app",
        "https://deploy-preview-evil.com/--site.netlify.app",
        "https://deploy-preview-evil.com#--site.netlify.app",
        "https://deploy-preview-evil.com:1--site.netlify.app",
        "https://deploy-preview-a@b--site.netlify.app",
        "https://deploy-preview-A--site.netlify.app",
        "https://deploy-preview-%31--site.netlify.app",
        "https://deploy-preview-\u{661}--site.netlify.app",
        "https://deploy-preview-*--site.netlify.app",
        "http://deploy-preview-1--site.netlify.app",
        "https://deploy-preview-1--site.netlify.app:8443",
        "https://site.netlify.app",
    ] {
        assert!(!previews.matches(origin), "{origin}");
    }
}
