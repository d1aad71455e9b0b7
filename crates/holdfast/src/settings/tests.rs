mod derived;
mod names;
mod otel;
mod values;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::entry::Fallback;
use super::table::TABLE;
use super::*;

const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

/// `clerk.example.com`.
const PUBLISHABLE_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";

fn tools<const N: usize>(values: [(&str, &str); N]) -> Result<Settings, Faults> {
    load(&Environment::of(values), None, Purpose::Tools)
}

fn texts(origins: &[OriginPattern]) -> Vec<&str> {
    origins.iter().map(OriginPattern::as_str).collect()
}

fn returns(settings: &Settings) -> Vec<&str> {
    settings.return_urls.iter().map(ReturnUrl::as_str).collect()
}

fn faulty_names<const N: usize>(values: [(&str, &str); N]) -> Vec<String> {
    tools(values).unwrap_err().0.into_iter().map(|fault| fault.name).collect()
}

#[test]
fn every_default_that_is_text_can_be_read() {
    // An empty environment reads them all; a default that cannot be read would leave its setting
    // out.
    let settings = tools([]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_url.expose_secret(), "sqlite://holdfast.db");
    assert_eq!(settings.clerk.api_url.as_str(), "https://api.clerk.com/");
    assert_eq!(settings.clerk.clock_skew, Duration::from_secs(5));
    assert_eq!(settings.clerk.parties_mode, PartiesMode::Enforce);
    assert_eq!((settings.max_connections.get(), settings.max_requests.get()), (4096, 1024));
    assert_eq!((settings.requests_per_address, settings.http2), (None, false));
    assert_eq!(settings.check_interval, Duration::from_mins(1));
    assert_eq!(settings.refresh.min_age, Duration::from_hours(24));
    assert!((settings.refresh.at - 0.5).abs() < f64::EPSILON);
    assert!(settings.worker);
    assert_eq!((settings.drain, settings.core_files), (Duration::from_secs(3), false));
    assert_eq!(settings.log, "info");
    assert!(settings.traces.is_none());
    let traces = tools([COLLECTOR]).unwrap().traces.unwrap();
    assert_eq!((traces.timeout, traces.delay), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(traces.sampler, traces::Sampler { parent_based: true, share: 1.0 });
    let texts = TABLE.iter().filter(|each| matches!(each.default, Fallback::Text(_))).count();
    assert_eq!(texts, 27, "a new default needs its line above");
}

#[test]
fn empty_values_count_as_unset() {
    let settings =
        tools([("HOLDFAST_LISTEN", ""), ("INSTAGRAM_APP_ID", "  "), ("CLERK_JWT_KEY", "")]).unwrap();
    assert_eq!(settings.listen.port(), 8080);
    assert!(settings.instagram.is_none());
}

#[test]
fn half_a_pair_is_a_fault_with_the_name_of_the_missing_half() {
    assert_eq!(faulty_names([("INSTAGRAM_APP_ID", "990602627938098")]), ["INSTAGRAM_APP_SECRET"]);
    assert_eq!(faulty_names([("INSTAGRAM_APP_SECRET", "a1C2b3D4e5F6")]), ["INSTAGRAM_APP_ID"]);
    assert_eq!(
        faulty_names([("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook")]),
        ["HOLDFAST_WEBHOOK_SECRET"]
    );
    assert_eq!(faulty_names([("HOLDFAST_WEBHOOK_SECRET", "whsec_AAAA")]), ["HOLDFAST_WEBHOOK_URL"]);
}

#[test]
fn a_broken_half_is_reported_as_broken_not_as_missing() {
    assert_eq!(
        faulty_names([
            ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook"),
            ("HOLDFAST_WEBHOOK_SECRET", "nonsense")
        ]),
        ["HOLDFAST_WEBHOOK_SECRET"]
    );
}

#[test]
fn of_a_value_that_cannot_be_had_nothing_else_follows() {
    let (key, key_file) = ("HOLDFAST_ENCRYPTION_KEYS", "HOLDFAST_ENCRYPTION_KEYS_FILE");
    let complete = [
        ("CLERK_SECRET_KEY", "sk_test_of_nobody"),
        (key, "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("INSTAGRAM_APP_ID", "990602627938098"),
        ("INSTAGRAM_APP_SECRET", "a1C2b3D4e5F6"),
        ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook"),
        ("HOLDFAST_WEBHOOK_SECRET", "whsec_AAAA"),
    ];
    let names = |values: &[(&str, &str)], file: Option<&ConfigFile>| -> Vec<String> {
        match load(&Environment::of(values.iter().copied()), file, Purpose::Serve) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.into_iter().map(|fault| fault.name).collect(),
        }
    };
    assert!(names(&complete, None).is_empty());
    for (name, _) in complete {
        let file = format!("{name}_FILE");
        let twice: Vec<_> = complete.into_iter().chain([(file.as_str(), "/nowhere/at/all")]).collect();
        assert_eq!(names(&twice, None), [name], "given twice");
        let unreadable: Vec<_> = twice.into_iter().filter(|(each, _)| *each != name).collect();
        assert_eq!(names(&unreadable, None), [file.as_str()], "in a file that is not there");
        let without: Vec<_> = complete.into_iter().filter(|(each, _)| *each != name).collect();
        let toml = |text: String| ConfigFile { path: "holdfast.toml".into(), text };
        let shapeless = toml(format!("{name} = 2026-11-23\n"));
        assert_eq!(names(&without, Some(&shapeless)), [name], "of no form that is read");
        let broken = toml(format!("{name} = \n"));
        assert_eq!(names(&without, Some(&broken)), ["holdfast.toml"], "in a file that is no TOML");
    }
    assert_eq!(names(&[("CLERK_SECRET_KEY", "sk_test_of_nobody"), (key_file, "/nowhere")], None), [key_file]);
}

#[test]
fn serving_needs_a_key_and_somebody_to_trust() {
    let faults = load(&Environment::default(), None, Purpose::Serve).unwrap_err();
    let names: Vec<_> = faults.0.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, ["HOLDFAST_ENCRYPTION_KEYS", "CLERK_PUBLISHABLE_KEY"]);
}

#[test]
fn a_public_address_without_tls_is_a_warning() {
    let warned = |url| tools([("HOLDFAST_PUBLIC_URL", url)]).unwrap().warnings.len();
    assert_eq!(warned("http://api.example.com"), 1);
    for url in [
        "https://api.example.com",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:8080",
        "http://x.localhost",
    ] {
        assert_eq!(warned(url), 0, "{url}");
    }
}

fn warned<const N: usize>(values: [(&str, &str); N]) -> Vec<String> {
    tools(values)
        .unwrap()
        .warnings
        .into_iter()
        .map(|fault| format!("{}: {}", fault.name, fault.what))
        .collect()
}

#[test]
fn what_contradicts_itself_is_told_before_a_token_is_refused() {
    let key = ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY);
    for (name, values) in [
        ("CLERK_ISSUER", [key, ("CLERK_ISSUER", "https://clerk.other.example"), ("HOLDFAST_LOG", "info")]),
        ("CLERK_SECRET_KEY", [key, ("CLERK_SECRET_KEY", "sk_test_0123456789"), ("HOLDFAST_LOG", "info")]),
        (
            "CLERK_JWKS_URL",
            [
                key,
                ("CLERK_JWKS_URL", "https://clerk.other.example/.well-known/jwks.json"),
                ("HOLDFAST_LOG", "info"),
            ],
        ),
        (
            "CLERK_JWKS_URL",
            [
                key,
                ("CLERK_JWKS_URL", "https://api.elsewhere.example/v1/jwks"),
                ("CLERK_SECRET_KEY", "sk_live_0123456789"),
            ],
        ),
        (
            "CLERK_AUTHORIZED_PARTIES",
            [
                key,
                ("CLERK_AUTHORIZED_PARTIES", "https://app.example.com"),
                ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com,https://admin.example.com"),
            ],
        ),
    ] {
        let told = warned(values);
        assert!(told.len() == 1 && told[0].starts_with(&format!("{name}: ")), "{name}: {told:?}");
    }
    assert_eq!(faulty_names([("CLERK_JWKS_URL", "https://api.clerk.com/v1/jwks")]), ["CLERK_JWKS_URL"]);
    let fine = warned([
        key,
        ("CLERK_SECRET_KEY", "sk_live_0123456789"),
        ("CLERK_JWKS_URL", "https://api.clerk.com/v1/jwks"),
    ]);
    assert!(fine.is_empty(), "{fine:?}");
}

/// a16z-infra/ai-town#201: the address of the keys, in place of the issuer's.
#[test]
fn an_issuer_is_not_where_its_keys_are() {
    for address in ["https://clerk.example.com/.well-known/jwks.json", "https://clerk.example.com/"] {
        assert_eq!(faulty_names([("CLERK_ISSUER", address)]), ["CLERK_ISSUER"], "{address}");
    }
}

#[test]
fn what_does_not_go_together_is_told() {
    const APP: [(&str, &str); 2] =
        [("INSTAGRAM_APP_ID", "1"), ("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")];
    const EVENTS: (&str, &str) = ("HOLDFAST_WEBHOOK_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
    const ORIGINS: (&str, &str) =
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com,https://pr-*--x.netlify.app");
    let told = |more: &[(&str, &str)]| {
        let values = APP.iter().chain(more).copied();
        let settings = load(&Environment::of(values), None, Purpose::Tools).unwrap();
        settings.warnings.into_iter().map(|each| each.name).collect::<Vec<_>>()
    };
    for wrong in [
        &[("HOLDFAST_WEBHOOK_URL", "http://127.0.0.1:8080/webhooks/clerk"), EVENTS][..],
        &[("HOLDFAST_RETURN_URLS", "https://elsewhere.example/settings"), ORIGINS],
        &[("HOLDFAST_RETURN_URLS", "https://pr-*--y.netlify.app,https://app.example.com"), ORIGINS],
        &[("HOLDFAST_REFRESH_MIN_AGE_S", "5184000")],
        &[("HOLDFAST_REFRESH_MIN_AGE_S", "86399")],
        &[("INSTAGRAM_GRAPH_VERSION", "v20.0")],
        &[("INSTAGRAM_AUTHORIZE_URL", "https://api.instagram.com/oauth/authorize")],
        &[("INSTAGRAM_AUTHORIZE_URL", "https://www.facebook.com/v25.0/dialog/oauth")],
        &[("INSTAGRAM_API_URL", "https://graph.instagram.com")],
        &[("INSTAGRAM_API_URL", "https://api.instagram.com/oauth/access_token")],
        &[("INSTAGRAM_GRAPH_URL", "https://graph.facebook.com")],
        &[("INSTAGRAM_GRAPH_URL", "https://graph.instagram.com/v25.0")],
        &[("INSTAGRAM_CLIENT_ID", "1"), ("INSTAGRAM_APP_ID", ""), ("INSTAGRAM_APP_SECRET", "")],
    ] {
        assert_eq!(told(wrong), [wrong[0].0], "{wrong:?}");
    }
    for fine in [
        &[("HOLDFAST_WEBHOOK_URL", "http://127.0.0.1:3000/events"), EVENTS][..],
        &[("HOLDFAST_RETURN_URLS", "https://app.example.com/settings,myapp://instagram"), ORIGINS],
        &[("HOLDFAST_RETURN_URLS", "https://pr-7--x.netlify.app"), ORIGINS],
        &[("HOLDFAST_RETURN_URLS", "https://app.example.com")],
        &[("HOLDFAST_REFRESH_MIN_AGE_S", "5183999")],
        &[("HOLDFAST_REFRESH_MIN_AGE_S", "60"), ("INSTAGRAM_GRAPH_URL", "http://127.0.0.1:9")],
        &[("INSTAGRAM_GRAPH_URL", "https://mirror.example.com/video")],
        &[("CLERK_WEBHOOK_SECRET", EVENTS.1), ("CLERK_WEBHOOK_SIGNING_SECRET", EVENTS.1)],
    ] {
        assert_eq!(told(fine), [""; 0], "{fine:?}");
    }
}

#[test]
fn one_address_for_both_listeners_is_an_obstacle() {
    let obstacle = |listen: &str, metrics: &str| {
        let values = [("HOLDFAST_LISTEN", listen), ("HOLDFAST_METRICS_LISTEN", metrics)];
        let settings = load(&Environment::of(values), None, Purpose::Tools).unwrap();
        settings.obstacle().map(|fault| fault.name)
    };
    for taken in ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"] {
        assert_eq!(obstacle("127.0.0.1:8080", taken).as_deref(), Some("HOLDFAST_METRICS_LISTEN"), "{taken}");
    }
    for free in ["127.0.0.1:9464", "10.0.0.1:8080"] {
        assert_eq!(obstacle("127.0.0.1:8080", free), None, "{free}");
    }
    assert_eq!(obstacle("127.0.0.1:0", "127.0.0.1:0"), None, "a free port each");
}

#[test]
fn s11_what_goes_in_the_clear_and_who_is_believed_is_said() {
    let in_the_clear = "anybody on the network path can read what is sent and change what is answered";
    let warnings = warned([
        ("CLERK_JWKS_URL", "http://keys.example.com/jwks.json"),
        ("INSTAGRAM_APP_ID", "1"),
        ("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef"),
        ("INSTAGRAM_GRAPH_URL", "http://graph.example.com"),
        ("HOLDFAST_WEBHOOK_URL", "http://app.example.com/events"),
        ("HOLDFAST_WEBHOOK_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
        ("HOLDFAST_TRUSTED_PROXIES", "0.0.0.0/0"),
    ]);
    for name in ["CLERK_JWKS_URL", "INSTAGRAM_GRAPH_URL", "HOLDFAST_WEBHOOK_URL"] {
        assert!(warnings.contains(&format!("{name}: {in_the_clear}")), "{name}: {warnings:?}");
    }
    assert!(warnings.iter().any(|each| each.starts_with("HOLDFAST_TRUSTED_PROXIES")), "{warnings:?}");
    for everywhere in ["0.0.0.0:8080", "[::]:8080", ":8080"] {
        let warnings = warned([("HOLDFAST_LISTEN", everywhere)]);
        let nowhere = "HOLDFAST_PUBLIC_URL: it names every address of this machine";
        assert!(warnings.iter().any(|each| each.starts_with(nowhere)), "{everywhere}: {warnings:?}");
    }
    let quiet = warned([
        ("HOLDFAST_LISTEN", "0.0.0.0:8080"),
        ("HOLDFAST_PUBLIC_URL", "https://api.example.com"),
        ("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json"),
        ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/8"),
    ]);
    assert!(
        !quiet
            .iter()
            .any(|each| each.contains(in_the_clear) || each.contains("TRUSTED") || each.contains("PUBLIC")),
        "{quiet:?}"
    );
}

#[test]
fn a_secret_that_can_be_guessed_is_told_with_how_to_make_one() {
    use base64::Engine as _;
    let whsec = |key: &[u8]| format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(key));
    let random: Vec<u8> = (0..32).map(|each| each * 7).collect();
    let about = |name: &str, value: &str| -> Vec<String> {
        let url = ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook");
        let settings = if name == "HOLDFAST_WEBHOOK_SECRET" {
            tools([url, (name, value)])
        } else {
            tools([(name, value)])
        };
        let warnings = settings.unwrap().warnings.into_iter().filter(|fault| fault.name == name);
        warnings.map(|fault| format!("{}; {}", fault.what, fault.remedy)).collect()
    };
    let key = |bytes: [u8; 32]| whsec(&bytes).replacen("whsec_", "k1:", 1);
    let all_alike = key([7; 32]);
    let two = format!("{},{}", whsec(&random), whsec(&random[..16]));
    for (name, weak, good, how) in [
        (
            "HOLDFAST_WEBHOOK_SECRET",
            &*whsec(&random[..23]),
            &*whsec(&random[..24]),
            "echo whsec_$(openssl rand -base64 32)",
        ),
        ("HOLDFAST_WEBHOOK_SECRET", &*whsec(&[7; 32]), &*whsec(&random), "openssl rand"),
        ("CLERK_WEBHOOK_SIGNING_SECRET", &*two, &*whsec(&random[..24]), "Clerk dashboard"),
        (
            "HOLDFAST_FORWARD_AUTH_SECRET",
            &"secret".repeat(6),
            "0123456789abcdef0123456789abcdef",
            "openssl rand",
        ),
        (
            "HOLDFAST_ENCRYPTION_KEYS",
            &all_alike,
            &key(random.clone().try_into().unwrap()),
            "holdfast keys generate",
        ),
    ] {
        let told = about(name, weak);
        assert!(matches!(&told[..], [one] if one.contains(how)), "{name}: {told:?}");
        assert!(!told[0].contains(weak), "{name} is repeated");
        assert_eq!(about(name, good), [""; 0], "{name}");
    }
}
