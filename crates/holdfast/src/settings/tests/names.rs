//! Which names are taken, and what a misspelt one leads to.

use super::*;

#[test]
fn every_name_is_taken_once() {
    let names: Vec<&str> = TABLE.iter().flat_map(|each| each.names()).collect();
    let keys: BTreeSet<String> = TABLE.iter().map(|each| each.toml_key().to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(keys.len(), TABLE.len());
    assert!(!names.iter().any(|name| name.ends_with("_FILE")), "_FILE means: the value is in that file");
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
fn what_kubernetes_sets_is_told_from_what_somebody_wrote() {
    for (name, value) in [
        ("HOLDFAST_SERVICE_HOST", "10.0.0.1"),
        ("HOLDFAST_SERVICE_PORT", "80"),
        ("HOLDFAST_SERVICE_PORT_HTTP", "80"),
        ("HOLDFAST_PORT", "tcp://10.0.0.1:80"),
        ("HOLDFAST_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ] {
        assert!(tools([(name, value)]).is_ok(), "{name}");
    }
    for name in ["HOLDFAST_PORT", "HOLDFAST_SERVICE_NAME", "HOLDFAST_PORT_PUBLIC"] {
        assert_eq!(faulty_names([(name, "3000")]), [name]);
    }
    // Of services named holdfast-postgres and holdfast-metrics.
    let links = [
        ("HOLDFAST_POSTGRES_SERVICE_HOST", "10.0.0.2"),
        ("HOLDFAST_POSTGRES_SERVICE_PORT", "5432"),
        ("HOLDFAST_POSTGRES_PORT", "tcp://10.0.0.2:5432"),
        ("HOLDFAST_POSTGRES_PORT_5432_TCP", "tcp://10.0.0.2:5432"),
        ("HOLDFAST_POSTGRES_PORT_5432_TCP_ADDR", "10.0.0.2"),
        ("HOLDFAST_METRICS_SERVICE_HOST", "10.0.0.3"),
        ("HOLDFAST_METRICS_SERVICE_PORT_HTTP", "9090"),
    ];
    assert!(tools(links).is_ok());
    // What somebody wrote stands beside them, or without them.
    for name in ["HOLDFAST_METRICS_PORT", "HOLDFAST_METRICS_SERVICE", "HOLDFAST_METRICS_PORT_PUBLIC"] {
        assert_eq!(faulty_names([links[5], links[6], (name, "9090")]), [name]);
    }
    assert_eq!(faulty_names([links[2]]), [links[2].0]);
}

#[test]
fn what_our_clients_read_is_no_setting_and_no_fault() {
    let theirs = [("HOLDFAST_URL", "http://127.0.0.1:8080"), ("HOLDFAST_SERVICE_KEY", "hf_sk_abc")];
    assert_eq!(tools(theirs).unwrap().warnings, []);
    assert!(!Environment::of(theirs).has_own_names());
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
fn a_former_name_is_read_in_every_spelling_with_a_warning_that_names_the_new_one() {
    let in_file = |text: &str| {
        let file = ConfigFile { path: "holdfast.toml".into(), text: text.to_owned() };
        load(&Environment::default(), Some(&file), Purpose::Tools).unwrap()
    };
    for (settings, former, name) in [
        (tools([("HOLDFAST_SPILL_DIR", "kept")]).unwrap(), "HOLDFAST_SPILL_DIR", "HOLDFAST_JOURNAL_DIR"),
        (in_file("HOLDFAST_SPILL_DIR = \"kept\"\n"), "HOLDFAST_SPILL_DIR", "HOLDFAST_JOURNAL_DIR"),
        (in_file("spill_dir = \"kept\"\n"), "spill_dir", "journal_dir"),
    ] {
        assert_eq!(settings.journal_directory.to_str(), Some("kept"), "{former}");
        let warning = settings.warnings.iter().find(|fault| fault.name == former).unwrap();
        assert_eq!(warning.remedy, format!("rename it to {name}"));
    }
    let current = in_file("journal_dir = \"kept\"\n");
    assert!(!current.warnings.iter().any(|fault| fault.remedy.contains("rename")));
}
