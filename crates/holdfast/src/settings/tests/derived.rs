//! What follows from other settings.

use super::*;
use crate::caller::keys::KeySource;

fn urls(urls: &[Url]) -> Vec<&str> {
    urls.iter().map(Url::as_str).collect()
}

#[test]
fn what_is_derived_follows_what_is_set() {
    let settings = tools([
        ("HOLDFAST_LISTEN", "127.0.0.1:9000"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com"),
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
    ])
    .unwrap();
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:9000/");
    assert_eq!(settings.clerk.issuers, ["https://clerk.example.com"]);
    assert_eq!(urls(&settings.clerk.frontend_apis), ["https://clerk.example.com/.well-known/jwks.json"]);
    assert_eq!(texts(&settings.clerk.parties), ["https://app.example.com"]);
    assert_eq!(returns(&settings), ["https://app.example.com"]);
}

#[test]
fn a_pattern_that_strangers_can_meet_is_no_return_address_by_default() {
    const STRANGERS: &str = "https://acme-*-team.vercel.app";
    const OWN: [&str; 3] =
        ["https://app.example.com", "https://deploy-preview-*--acme.netlify.app", "https://pr-*.example.com"];
    let origins = format!("{},{STRANGERS}", OWN.join(","));
    let origins = ("HOLDFAST_ALLOWED_ORIGINS", origins.as_str());
    let settings = tools([origins]).unwrap();
    assert_eq!(returns(&settings), OWN);
    assert!(texts(&settings.allowed_origins).contains(&STRANGERS), "its pages may call");
    let about = |settings: &Settings, name: &str| {
        let found = settings.warnings.iter().find(|each| each.name == name && each.what.contains(STRANGERS));
        found.map(|each| each.remedy.clone())
    };
    assert!(about(&settings, "HOLDFAST_ALLOWED_ORIGINS").unwrap().contains("set HOLDFAST_RETURN_URLS"));

    let settings = tools([origins, ("HOLDFAST_RETURN_URLS", "https://app.example.com/settings")]).unwrap();
    assert_eq!(about(&settings, "HOLDFAST_ALLOWED_ORIGINS"), None, "the remedy ends the warning");
    let settings = tools([origins, ("HOLDFAST_RETURN_URLS", STRANGERS)]).unwrap();
    assert_eq!(returns(&settings), [STRANGERS], "who names it has it");
    assert!(about(&settings, "HOLDFAST_RETURN_URLS").is_some());
}

#[test]
fn the_issuer_follows_the_address_of_the_jwks_where_nothing_else_names_it() {
    let settings = tools([("CLERK_JWKS_URL", "http://127.0.0.1:8081/.well-known/jwks.json")]).unwrap();
    assert_eq!(settings.clerk.issuers, ["http://127.0.0.1:8081"]);
    let settings = tools([("CLERK_JWKS_URL", "https://keys.example.com/all")]).unwrap();
    assert!(settings.clerk.issuers.is_empty());
}

#[test]
fn a_key_alone_is_enough_and_several_issuers_may_be_named() {
    let key = ("HOLDFAST_ENCRYPTION_KEYS", "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    for alone in [
        ("CLERK_SECRET_KEY", "sk_test_0123456789abcdefghijklmnop"),
        ("CLERK_JWKS_URL", "https://keys.example.com/all"),
    ] {
        let settings = load(&Environment::of([key, alone]), None, Purpose::Serve).unwrap();
        assert!(settings.clerk.issuers.is_empty());
        assert!(settings.warnings.iter().any(|warning| warning.name == "CLERK_ISSUER"), "{alone:?}");
    }
    let two = "https://clerk.example.com, https://app.example.com/__clerk";
    let settings = tools([("CLERK_ISSUER", two)]).unwrap();
    assert_eq!(settings.clerk.issuers, ["https://clerk.example.com", "https://app.example.com/__clerk"]);
}

#[test]
fn what_is_set_wins_over_what_is_derived() {
    let settings = tools([
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_ISSUER", "https://other.example.com"),
        ("CLERK_JWKS_URL", "https://keys.example.com/all"),
        ("CLERK_AUTHORIZED_PARTIES", "https://only.example.com"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com"),
    ])
    .unwrap();
    assert_eq!(settings.clerk.issuers, ["https://other.example.com"]);
    assert_eq!(settings.clerk.jwks_url.map(String::from).as_deref(), Some("https://keys.example.com/all"));
    assert_eq!(texts(&settings.clerk.parties), ["https://only.example.com"]);
}

#[test]
fn c4_the_backend_apis_address_may_name_its_version() {
    for (written, meant) in [
        ("https://api.clerk.com", "https://api.clerk.com/"),
        ("https://api.clerk.com/v1", "https://api.clerk.com/"),
        ("https://api.clerk.com/v1/", "https://api.clerk.com/"),
        ("http://127.0.0.1:9/clerk/v1", "http://127.0.0.1:9/clerk"),
        ("http://127.0.0.1:9/v10", "http://127.0.0.1:9/v10"),
    ] {
        assert_eq!(tools([("CLERK_API_URL", written)]).unwrap().clerk.api_url.as_str(), meant, "{written}");
    }
}

#[test]
fn a_path_that_clerks_backend_api_lacks_is_a_fault() {
    for written in
        ["https://api.clerk.com/v2", "https://api.clerk.com/v1/jwks", "https://api.clerk.com/v1/users/"]
    {
        assert_eq!(faulty_names([("CLERK_API_URL", written)]), ["CLERK_API_URL"], "{written}");
    }
}

#[test]
fn c5_proxies_and_satellites_are_further_issuers() {
    let settings = tools([
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_PROXY_URL", "https://app.example.com/__clerk/"),
        ("NEXT_PUBLIC_CLERK_DOMAIN", "shop.example"),
    ])
    .unwrap();
    assert_eq!(
        settings.clerk.issuers,
        ["https://clerk.example.com", "https://app.example.com/__clerk", "https://clerk.shop.example"]
    );
    let relative = tools([
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_PROXY_URL", "/__clerk"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com,https://pr-*--x.netlify.app,tauri://localhost"),
    ])
    .unwrap();
    assert_eq!(relative.clerk.issuers, ["https://clerk.example.com", "https://app.example.com/__clerk"]);
    for (name, value) in [
        ("CLERK_DOMAIN", "shop.example/path"),
        ("CLERK_DOMAIN", "shop"),
        ("CLERK_PROXY_URL", "app.example.com/__clerk"),
        ("CLERK_PROXY_URL", "//evil.example/__clerk"),
    ] {
        assert_eq!(faulty_names([(name, value)]), [name], "{value}");
    }
    assert_eq!(
        tools([("CLERK_DOMAIN", "https://clerk.shop.example/")]).unwrap().clerk.issuers,
        ["https://clerk.shop.example"]
    );
}

/// As in Clerk's SDKs. An allowed origin may call, but is not trusted to name keys.
#[test]
fn where_an_app_proxies_clerk_keys_are_asked_for_there_too() {
    let own = "https://clerk.example.com/.well-known/jwks.json";
    for (name, value, proxied) in [
        ("CLERK_PROXY_URL", "https://app.example.com/__clerk", Some("https://app.example.com/__clerk")),
        ("CLERK_PROXY_URL", "/__clerk", None),
        ("CLERK_PROXY_URL", "http://app.example.com/__clerk", None),
        ("CLERK_DOMAIN", "shop.example", None),
    ] {
        let origins = ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com");
        let settings = tools([("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), origins, (name, value)]).unwrap();
        let proxied = proxied.map(|base| format!("{base}/.well-known/jwks.json"));
        let wanted: Vec<_> = [own.to_owned()].into_iter().chain(proxied).collect();
        assert_eq!(urls(&settings.clerk.frontend_apis), wanted, "{name}={value}");
    }
}

/// Where keys are fetched, and whether with the secret key; the first is asked first.
fn key_servers(settings: &Settings) -> Vec<(String, bool)> {
    let servers = match settings.clerk.key_source() {
        Some(KeySource::Fetched(servers)) => servers,
        Some(KeySource::Pinned(_)) | None => Vec::new(),
    };
    servers.iter().map(|each| (each.url().to_string(), each.wants_secret())).collect()
}

#[test]
fn the_most_explicit_source_of_keys_wins() {
    let mut settings = tools([
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_PROXY_URL", "https://app.example.com/__clerk"),
        ("CLERK_JWKS_URL", "https://keys.example.com/jwks"),
        ("CLERK_SECRET_KEY", "sk_live_secret"),
    ])
    .unwrap();
    settings.clerk.jwt_key = Some("pem".to_owned());
    assert!(matches!(settings.clerk.key_source(), Some(KeySource::Pinned(_))));
    settings.clerk.jwt_key = None;
    assert_eq!(key_servers(&settings), [("https://keys.example.com/jwks".to_owned(), false)]);
    settings.clerk.jwks_url = None;
    let public = ["https://clerk.example.com", "https://app.example.com/__clerk"]
        .map(|base| (format!("{base}/.well-known/jwks.json"), false));
    let backend = ("https://api.clerk.com/v1/jwks".to_owned(), true);
    let all = [&public[..], std::slice::from_ref(&backend)].concat();
    assert_eq!(key_servers(&settings), all, "each where the one before gives none");
    let secret_key = settings.clerk.secret_key.take();
    assert_eq!(key_servers(&settings), public);
    settings.clerk.frontend_apis.clear();
    assert!(settings.clerk.key_source().is_none());
    settings.clerk.secret_key = secret_key;
    assert_eq!(key_servers(&settings), [backend]);
}

#[test]
fn c1_the_backend_apis_own_keys_are_asked_for_with_the_secret_key_and_nobody_elses() {
    let chosen = |url: &str| {
        key_servers(&tools([("CLERK_JWKS_URL", url), ("CLERK_SECRET_KEY", "sk_live_secret")]).unwrap())
    };
    let own = "https://api.clerk.com/v1/jwks";
    assert_eq!(chosen(own), [(own.to_owned(), true)]);
    for elsewhere in [
        "https://api.clerk.com.evil.example/v1/jwks",
        "http://api.clerk.com/v1/jwks",
        "https://api.clerk.com:8443/v1/jwks",
        "https://api.clerk.com/.well-known/jwks.json",
    ] {
        assert_eq!(chosen(elsewhere), [(elsewhere.to_owned(), false)]);
    }
}

#[test]
fn an_address_that_would_be_the_only_issuer_is_told() {
    let key = ("HOLDFAST_ENCRYPTION_KEYS", "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let secret_key = ("CLERK_SECRET_KEY", "sk_test_0123456789abcdefghijklmnop");
    let told = |more: &[(&str, &str)]| {
        let environment = Environment::of([key, secret_key].iter().chain(more).copied());
        let settings = load(&environment, None, Purpose::Serve).unwrap();
        let about = settings.warnings.into_iter().find(|each| each.name == "CLERK_ISSUER");
        about.map(|each| each.what).unwrap_or_default()
    };
    for (name, value, issuer) in [
        ("CLERK_PROXY_URL", "https://app.example.com/__clerk", "https://app.example.com/__clerk"),
        ("CLERK_DOMAIN", "shop.example", "https://clerk.shop.example"),
    ] {
        let what = told(&[(name, value)]);
        assert!(what.contains("would be refused") && what.contains(issuer), "{name}: {what}");
        for known in [
            ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
            ("CLERK_ISSUER", "https://clerk.example.com"),
            ("CLERK_JWKS_URL", "https://clerk.example.com/.well-known/jwks.json"),
        ] {
            assert_eq!(told(&[(name, value), known]), "", "{known:?} ends it");
        }
    }
}

/// The keys stay those of the instance that the server began with: with the issuer of another one
/// every token would be refused.
#[test]
fn what_is_derived_from_what_needs_a_restart_waits_for_it() {
    let other = "pk_live_Y2xlcmsub3RoZXIuZXhhbXBsZSQ=";
    let environment = |values: &[(&str, &str)]| {
        let always = [("HOLDFAST_ENCRYPTION_KEYS", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")];
        Environment::of(always.iter().chain(values).copied())
    };
    let began = environment(&[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)]);
    let (_, before) = load_with_reading(&began, None, Purpose::Serve).unwrap();
    let reloadable = &["HOLDFAST_ALLOWED_ORIGINS", "CLERK_ISSUER", "CLERK_DOMAIN"];
    let now = environment(&[
        ("CLERK_PUBLISHABLE_KEY", other),
        ("CLERK_DOMAIN", "shop.example"),
        ("CLERK_CLOCK_SKEW_MS", "20000"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://new.example"),
    ]);
    let (settings, reading) = load_again(&now, None, &before, reloadable).unwrap();
    assert_eq!(settings.clerk.issuers, ["https://clerk.example.com", "https://clerk.shop.example"]);
    assert_eq!(settings.clerk.clock_skew, Duration::from_secs(5));
    assert_eq!(texts(&settings.clerk.parties), ["https://new.example"]);
    let mut waiting = reading.changed_since(&before);
    waiting.retain(|name| !reloadable.contains(name));
    assert_eq!(waiting, ["CLERK_CLOCK_SKEW_MS", "CLERK_PUBLISHABLE_KEY"]);
    let told =
        |settings: &Settings| settings.warnings.iter().any(|each| each.name == "CLERK_AUTHORIZED_PARTIES");
    assert!(!told(&settings));
    let (settings, _) = load_again(&began, None, &before, reloadable).unwrap();
    assert!(told(&settings), "nobody's tokens are kept out any more, and nothing says so");
    // What needs a restart is judged all the same.
    let faulty =
        environment(&[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("HOLDFAST_MAX_REQUESTS", "many")]);
    assert!(load_again(&faulty, None, &before, reloadable).is_err());
}

#[test]
fn c7_origins_of_apps_are_parties_origins_and_return_addresses() {
    let settings = tools([
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com,capacitor://localhost,tauri://localhost"),
        ("HOLDFAST_RETURN_URLS", "https://app.example.com,myapp://instagram"),
    ])
    .unwrap();
    assert_eq!(texts(&settings.clerk.parties), texts(&settings.allowed_origins));
    assert_eq!(returns(&settings), ["https://app.example.com", "myapp://instagram"]);
    for origin in ["file://x", "data:x", "blob:https://x.example", "javascript:x"] {
        assert_eq!(faulty_names([("HOLDFAST_ALLOWED_ORIGINS", origin)]), ["HOLDFAST_ALLOWED_ORIGINS"]);
        assert_eq!(faulty_names([("HOLDFAST_RETURN_URLS", origin)]), ["HOLDFAST_RETURN_URLS"]);
    }
}

/// `iss` is compared letter by letter.
#[test]
fn an_issuer_that_clerk_spells_otherwise_is_told_as_clerk_spells_it() {
    let told = |name: &str, value: &str| -> Vec<String> {
        let settings = tools([("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), (name, value)]).unwrap();
        settings.warnings.into_iter().filter(|each| each.name == name).map(|each| each.remedy).collect()
    };
    for (name, written, spelt) in [
        ("CLERK_ISSUER", "https://Clerk.Example.com", "https://clerk.example.com"),
        ("CLERK_ISSUER", "HTTPS://clerk.example.com", "https://clerk.example.com"),
        ("CLERK_ISSUER", "http://clerk.example.com", "https://clerk.example.com"),
        ("CLERK_ISSUER", "https://clerk.example.com:443", "https://clerk.example.com"),
        ("CLERK_PROXY_URL", "https://App.Example.com/__clerk/", "https://app.example.com/__clerk"),
        ("CLERK_PROXY_URL", "http://app.example.com/__Clerk", "https://app.example.com/__Clerk"),
    ] {
        assert_eq!(told(name, written), [format!("write {spelt}")], "{written}");
        assert_eq!(told(name, spelt), [""; 0], "{spelt}");
    }
    // A stand-in on this machine, or beside it.
    for local in ["http://127.0.0.1:4000", "http://clerk:4000"] {
        assert_eq!(told("CLERK_PROXY_URL", local), [""; 0], "{local}");
    }
    let faults = tools([("CLERK_ISSUER", "https://app.example.com/__clerk/")]).unwrap_err().0;
    assert!(faults[0].what.ends_with("write https://app.example.com/__clerk"), "{faults:?}");
}
