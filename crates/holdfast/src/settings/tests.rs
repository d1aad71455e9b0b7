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

fn faulty_names<const N: usize>(values: [(&str, &str); N]) -> Vec<String> {
    tools(values).unwrap_err().0.into_iter().map(|fault| fault.name).collect()
}

#[test]
fn every_name_is_taken_once() {
    let names: Vec<&str> = TABLE
        .iter()
        .flat_map(|each| std::iter::once(each.env()).chain(each.aliases().iter().copied()))
        .collect();
    let keys: BTreeSet<String> = TABLE.iter().map(|each| each.toml_key().to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(keys.len(), TABLE.len());
    assert!(!names.iter().any(|name| name.ends_with("_FILE")), "_FILE means: the value is in that file");
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
    assert_eq!(settings.refresh_min_age, Duration::from_hours(24));
    assert!((settings.refresh_at - 0.5).abs() < f64::EPSILON);
    assert!(settings.worker);
    assert_eq!((settings.drain, settings.core_files), (Duration::from_secs(3), false));
    assert_eq!(settings.log, "info");
    assert!(settings.traces.is_none());
    let traces = tools([COLLECTOR]).unwrap().traces.unwrap();
    assert_eq!((traces.timeout, traces.delay), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(traces.sampler, traces::Sampler { parent_based: true, share: 1.0 });
    let texts = TABLE.iter().filter(|each| matches!(each.default(), Fallback::Text(_))).count();
    assert_eq!(texts, 27, "a new default needs its line above");
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
    assert_eq!(
        settings.clerk.jwks_url.map(String::from).as_deref(),
        Some("https://clerk.example.com/.well-known/jwks.json")
    );
    assert_eq!(texts(&settings.clerk.parties), ["https://app.example.com"]);
    assert_eq!(settings.return_urls, ["https://app.example.com"]);
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
fn names_of_the_ecosystem_are_read_and_our_own_name_wins() {
    for alias in
        ["VITE_CLERK_PUBLISHABLE_KEY", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "REACT_APP_CLERK_PUBLISHABLE_KEY"]
    {
        let settings = tools([(alias, PUBLISHABLE_KEY)]).unwrap();
        assert_eq!(settings.clerk.publishable_key, PublishableKey::parse(PUBLISHABLE_KEY).ok(), "{alias}");
    }
    let other = "pk_test_Y2xlcmsub3RoZXIuY29tJA==";
    let settings =
        tools([("VITE_CLERK_PUBLISHABLE_KEY", other), ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)]).unwrap();
    assert_eq!(settings.clerk.publishable_key, PublishableKey::parse(PUBLISHABLE_KEY).ok());
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
fn mistyped_names_of_others_are_a_warning_only_where_one_of_ours_may_be_meant() {
    let settings = tools([
        ("CLERK_PUBLISABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_SIGN_IN_FALLBACK_REDIRECT_URL", "/welcome"),
        ("INSTAGRAM_BUSINESS_ACCOUNT_OF_THE_COMPANY", "1"),
    ])
    .unwrap();
    let warned: Vec<_> = settings.warnings.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(warned, ["CLERK_PUBLISABLE_KEY"]);
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

#[test]
fn single_values_are_read_strictly() {
    for (name, value) in [
        ("HOLDFAST_LISTEN", "8080"),
        ("HOLDFAST_LISTEN", "somewhere.example.com:8080"),
        ("HOLDFAST_LISTEN", "localhost"),
        ("HOLDFAST_LISTEN", ":"),
        ("HOLDFAST_LISTEN", "::1:8080"),
        ("HOLDFAST_PUBLIC_URL", "ftp://api.example.com"),
        ("HOLDFAST_PUBLIC_URL", "https://user:pw@api.example.com"),
        ("HOLDFAST_PUBLIC_URL", "https://api.example.com?x"),
        ("HOLDFAST_DATABASE_URL", "holdfast.db"),
        ("HOLDFAST_ALLOWED_ORIGINS", ","),
        ("HOLDFAST_ALLOWED_ORIGINS", "*"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("HOLDFAST_RETURN_URLS", "/settings"),
        ("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----"),
        ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("HOLDFAST_TRUSTED_PROXIES", "proxy.internal"),
        ("HOLDFAST_MAX_CONNECTIONS", "0"),
        ("HOLDFAST_MAX_REQUESTS", "many"),
        ("HOLDFAST_REQUESTS_PER_ADDRESS", "-1"),
        ("HOLDFAST_HTTP2", "2"),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "1d"),
        ("HOLDFAST_REFRESH_AT", "-0.1"),
        ("HOLDFAST_REFRESH_AT", "1"),
        ("HOLDFAST_REFRESH_AT", "NaN"),
        ("HOLDFAST_WORKER", "yes please"),
        ("HOLDFAST_LOG_FORMAT", "xml"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_bm9kb2xsYXIuY29t"),
        ("CLERK_SECRET_KEY", "sk_live_with space"),
        ("CLERK_ISSUER", "https://clerk.example.com/"),
        ("CLERK_CLOCK_SKEW_MS", "-1"),
        ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_"),
        ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_!!!"),
        ("INSTAGRAM_SCOPES", "instagram_business_manage_messages"),
        ("INSTAGRAM_SCOPES", "instagram_business_basic pages_show_list"),
        ("INSTAGRAM_GRAPH_VERSION", "v25"),
    ] {
        let faults = faulty_names([(name, value)]);
        assert_eq!(faults, [name], "{value}");
    }
}

#[test]
fn a_place_to_listen_is_written_as_elsewhere() {
    for (written, meant) in [
        ("localhost:8080", "127.0.0.1:8080"),
        ("LocalHost:0", "127.0.0.1:0"),
        (":8080", "0.0.0.0:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("10.0.0.1:80", "10.0.0.1:80"),
    ] {
        let settings = tools([("HOLDFAST_LISTEN", written)]).unwrap();
        assert_eq!(settings.listen.to_string(), meant, "{written}");
    }
}

#[test]
fn a_refresh_may_be_due_from_the_minimum_age_on_but_not_at_the_end() {
    assert!(tools([("HOLDFAST_REFRESH_AT", "0")]).unwrap().refresh_at.abs() < f64::EPSILON);
    let faults = tools([("HOLDFAST_REFRESH_AT", "1")]).unwrap_err();
    assert!(faults.to_string().contains("end of a grant's life"), "{faults}");
}

#[test]
fn every_bad_part_of_a_list_is_named() {
    for (name, value, bad, good) in [
        ("HOLDFAST_ALLOWED_ORIGINS", "https://a.com/,*,https://b.com,https://*.com", &[1, 2, 4][..], 3),
        ("CLERK_AUTHORIZED_PARTIES", "https://b.com,a.com,https://c.com/x", &[2, 3], 1),
        ("HOLDFAST_RETURN_URLS", "/a,https://b.com/c,file:///c", &[1, 3], 2),
        ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/33,10.0.0.1,proxy", &[1, 3], 2),
        ("INSTAGRAM_SCOPES", "instagram_business_basic,Email,pages-show", &[2, 3], 1),
        ("CLERK_ISSUER", "https://a.com/,https://b.com,c.com", &[1, 3], 2),
        ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_AAAA,whsec_!,AAAA", &[2, 3], 1),
    ] {
        let faults = tools([(name, value)]).unwrap_err().to_string();
        for part in bad {
            assert!(faults.contains(&format!("part {part} ")), "{name} {part}: {faults}");
        }
        assert!(!faults.contains(&format!("part {good} ")), "{name}: {faults}");
    }
}

#[test]
fn a_misspelt_name_is_noticed_and_the_ecosystems_own_names_are_not() {
    let warned = |name: &str| tools([(name, "x")]).unwrap().warnings;
    for (name, meant) in [
        ("INSTAGRAM_APP_SECRTE", "INSTAGRAM_APP_SECRET"),
        ("INSTAGRAM_APPID", "INSTAGRAM_APP_ID"),
        ("INSTAGRAM_SCOPE", "INSTAGRAM_SCOPES"),
        ("CLERK_JWKS_URI", "CLERK_JWKS_URL"),
        ("CLERK_SECRETKEY", "CLERK_SECRET_KEY"),
        ("CLERK_PUBLISHABLE_KEY_FIL", "CLERK_PUBLISHABLE_KEY"),
        ("CLERK_AUTHORISED_PARTIES", "CLERK_AUTHORIZED_PARTIES"),
        ("CLERK_WEBHOOK_SIGNIN_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"),
    ] {
        let warnings = warned(name);
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        assert_eq!(warnings[0].remedy, format!("did you mean {meant}?"));
    }
    let half = tools([("INSTAGRAM_APP_ID", "990602627938098"), ("INSTAGRAM_APP_SECRTE", "a1C2b3D4e5F6")]);
    let half = half.unwrap_err().to_string();
    assert!(half.contains("did you mean INSTAGRAM_APP_SECRET?"), "{half}");
    for name in [
        "CLERK_API_KEY",
        "CLERK_API_VERSION",
        "CLERK_ENCRYPTION_KEY",
        "CLERK_FRONTEND_API",
        "CLERK_IS_SATELLITE",
        "CLERK_JS_URL",
        "CLERK_MACHINE_SECRET_KEY",
        "CLERK_SIGN_IN_URL",
        "CLERK_SIGN_UP_URL",
        "CLERK_SIGN_IN_FALLBACK_REDIRECT_URL",
        "CLERK_TELEMETRY_DISABLED",
        "INSTAGRAM_ACCESS_TOKEN",
        "INSTAGRAM_REDIRECT_URI",
        "INSTAGRAM_USER_ID",
        "INSTAGRAM_USERNAME",
        "INSTAGRAM_VERIFY_TOKEN",
        "INSTAGRAM_ACCESS_TOKEN_FILE",
        "INSTAGRAM_BUSINESS_ACCOUNT_ID",
    ] {
        assert_eq!(warned(name), [], "{name}");
    }
}

#[test]
fn a_publishable_key_goes_by_the_name_that_the_framework_gave_it() {
    for prefix in ["NEXT_PUBLIC_", "VITE_", "REACT_APP_", "EXPO_PUBLIC_", "NUXT_PUBLIC_", "PUBLIC_"] {
        let name = format!("{prefix}CLERK_PUBLISHABLE_KEY");
        let settings = tools([(name.as_str(), PUBLISHABLE_KEY)]).unwrap();
        assert!(settings.clerk.publishable_key.is_some(), "{name}");
    }
}

/// Values that are good, each for some settings.
fn values() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "127.0.0.1:9000",
        "[::1]:0",
        "https://api.example.com",
        "https://app.example.com, http://localhost:5173",
        "https://deploy-preview-*--acme.netlify.app",
        "https://app.example.com/settings",
        PUBLISHABLE_KEY,
        "report",
        "if_present",
        "0",
        "1",
        "60",
        "86400",
        "0.25",
        "off",
        "json",
        "debug,holdfast=trace",
        "instagram_business_basic",
        "v25.0",
        "a,b , c",
        "10.0.0.0/8",
        "990602627938098",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_config_print_shows_reads_as_the_same_settings(
        chosen in prop::collection::btree_map(0..TABLE.len(), values(), 0..4),
    ) {
        let given = chosen.into_iter().filter(|(at, _)| !TABLE[*at].is_secret()).map(|(at, value)| (TABLE[at].env(), value));
        let environment = Environment::of(given);
        if let Ok(settings) = load(&environment, None, Purpose::Tools) {
            let printed = shown(&environment, None).into_iter().filter(|line| line.origin != Origin::Default);
            let again = Environment::of(printed.map(|line| (line.name, line.value)));
            let again = load(&again, None, Purpose::Tools).unwrap();
            prop_assert_eq!(format!("{settings:?}"), format!("{again:?}"));
        }
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "0123456789abcdef0123456789abcdef";
    let swapped = [("INSTAGRAM_APP_ID", secret), ("INSTAGRAM_APP_SECRET", "1234567890")];
    let told = tools(swapped).unwrap_err().to_string();
    assert!(told.contains("INSTAGRAM_APP_ID") && told.contains("swapped"), "{told}");
    assert!(!told.contains(secret), "{told}");
}

#[test]
fn addresses_are_shown_without_what_may_be_secret_in_them() {
    let values = [
        ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook?token=hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:hunter2@collector.example.com/"),
        ("HOLDFAST_PUBLIC_URL", "https://api.example.com"),
    ];
    let shown = shown(&Environment::of(values), None);
    assert!(shown.iter().all(|each| !each.value.contains("hunter2")), "{shown:?}");
    let value = |name: &str| shown.iter().find(|each| each.name == name).map(|each| each.value.as_str());
    assert_eq!(value("HOLDFAST_WEBHOOK_URL"), Some("https://app.example.com/hook (and what is not shown)"));
    assert_eq!(value("HOLDFAST_PUBLIC_URL"), Some("https://api.example.com"));
}

#[test]
fn while_signing_secrets_rotate_several_are_read() {
    let both = "whsec_YWJjZGVmZ2g=,whsec_aWprbG1ub3A=";
    assert!(tools([("CLERK_WEBHOOK_SIGNING_SECRET", both)]).unwrap().clerk.webhook_secret.is_some());
    assert_eq!(
        faulty_names([("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_YWJjZGVmZ2g=,secret")]),
        ["CLERK_WEBHOOK_SIGNING_SECRET"]
    );
}

#[test]
fn what_is_for_traces_only_wins_over_what_is_for_everything() {
    let traces = tools([COLLECTOR]).unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://collector:4318/v1/traces");
    assert_eq!(traces.service_name, "holdfast");
    assert!(traces.headers.is_empty());
    let traces = tools([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all.example.com/otlp/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20YTpi+/=,x-tenant=a%2Cb"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        // Not what traces are sent by.
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-the-resource"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    let traces = traces.unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "https://all.example.com/otlp/v1/traces");
    assert_eq!(traces.headers["authorization"], "Basic YTpi+/=");
    assert_eq!(traces.headers["x-tenant"], "a,b");
    assert!(!format!("{traces:?}").contains("YTpi"), "{traces:?}");
    assert_eq!(traces.service_name, "from-the-resource");
    assert_eq!(traces.sampler, traces::Sampler { parent_based: false, share: 0.25 });
    let traces = tools([
        COLLECTOR,
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:9/as/it/is"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-for=all"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-for=traces"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=overruled"),
        ("OTEL_SERVICE_NAME", "named"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ]);
    let traces = traces.unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://traces:9/as/it/is");
    assert_eq!(
        (&traces.headers["x-for"], traces.service_name.as_str()),
        (&"traces".parse().unwrap(), "named")
    );
    assert_eq!(traces.sampler, traces::Sampler { parent_based: true, share: 0.0 });
}

#[test]
fn settings_of_traces_are_judged_only_where_there_are_traces() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=elsewhere"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x=%00"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=value"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_SDK_DISABLED", "maybe"),
    ] {
        assert_eq!(faulty_names([COLLECTOR, (name, value)]), [name], "{value}");
        assert!(tools([(name, value)]).unwrap().traces.is_none(), "{name}={value}");
    }
    assert_eq!(
        faulty_names([COLLECTOR, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]),
        ["OTEL_TRACES_SAMPLER_ARG"]
    );
    assert_eq!(
        faulty_names([("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]),
        ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    );
    for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert!(tools([COLLECTOR, off]).unwrap().traces.is_none());
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

#[test]
fn c7_origins_of_apps_are_parties_origins_and_return_addresses() {
    let settings = tools([
        ("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com,capacitor://localhost,tauri://localhost"),
        ("HOLDFAST_RETURN_URLS", "https://app.example.com,myapp://instagram"),
    ])
    .unwrap();
    assert_eq!(texts(&settings.clerk.parties), texts(&settings.allowed_origins));
    assert_eq!(settings.return_urls, ["https://app.example.com", "myapp://instagram"]);
    for origin in ["file://x", "data:x", "blob:https://x.example", "javascript:x"] {
        assert_eq!(faulty_names([("HOLDFAST_ALLOWED_ORIGINS", origin)]), ["HOLDFAST_ALLOWED_ORIGINS"]);
        assert_eq!(faulty_names([("HOLDFAST_RETURN_URLS", origin)]), ["HOLDFAST_RETURN_URLS"]);
    }
}

#[test]
fn c12_a_mangled_key_is_told_how_it_was_mangled() {
    let what = |text: &str| tools([("CLERK_JWT_KEY", text)]).unwrap_err().0[0].what.clone();
    assert!(what("-----BEGIN PUBLIC KEY-----").contains("only its first line is there"));
    assert!(what("\"MIIBIjANBg\"").contains("quotation marks"));
}

#[test]
fn c12_a_value_in_quotation_marks_is_never_taken() {
    for (name, value) in [
        ("INSTAGRAM_APP_SECRET", "'0123456789abcdef0123456789abcdef'"),
        ("HOLDFAST_PUBLIC_URL", "\"https://api.example.com\""),
        ("CLERK_PUBLISHABLE_KEY", "\"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k\""),
    ] {
        let faults = tools([(name, value)]).unwrap_err().0;
        assert_eq!(faults[0].name, name);
        assert!(faults[0].what.contains("quotation marks"), "{:?}", faults[0]);
        assert!(!format!("{faults:?}").contains("0123456789abcdef"));
    }
}

#[test]
fn c15_two_names_with_two_values_are_told() {
    const OTHER: &str = "pk_test_Y2xlcmsub3RoZXIuZXhhbXBsZSQ=";
    let told = warned([("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("VITE_CLERK_PUBLISHABLE_KEY", OTHER)]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("CLERK_PUBLISHABLE_KEY") && told[0].contains("VITE_CLERK_PUBLISHABLE_KEY"));
    let same =
        warned([("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("VITE_CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)]);
    assert!(same.is_empty(), "{same:?}");
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

#[test]
fn s11_what_goes_in_the_clear_and_who_is_believed_is_said() {
    let in_the_clear = "whoever is on the way there reads what is sent, and may change what is answered";
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
    let quiet = warned([
        ("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json"),
        ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/8"),
    ]);
    assert!(!quiet.iter().any(|each| each.contains(in_the_clear) || each.contains("TRUSTED")), "{quiet:?}");
}
