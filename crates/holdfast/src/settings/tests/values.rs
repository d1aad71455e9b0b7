//! How single values are read and shown.

use super::*;

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
        ("HOLDFAST_DRAIN_S", "3601"),
        ("HOLDFAST_METRICS_LISTEN", "off"),
        // Each would silence the log.
        ("HOLDFAST_LOG", "inof"),
        ("HOLDFAST_LOG", "holdfast"),
        ("HOLDFAST_LOG", "holdfast::http=debug,debgu"),
        ("HOLDFAST_REFRESH_AT", "-0.1"),
        ("HOLDFAST_REFRESH_AT", "1"),
        ("HOLDFAST_REFRESH_AT", "NaN"),
        ("HOLDFAST_WORKER", "yes please"),
        ("HOLDFAST_LOG_FORMAT", "xml"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_bm9kb2xsYXIuY29t"),
        ("CLERK_SECRET_KEY", "sk_live_with space"),
        ("CLERK_SECRET_KEY", "sk_live_control\u{1}character"),
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
fn lists_are_separated_by_commas_and_say_so() {
    for (name, value) in [
        ("HOLDFAST_ALLOWED_ORIGINS", "https://a.example.com https://b.example.com"),
        ("HOLDFAST_ALLOWED_ORIGINS", "https://a.example.com;https://b.example.com"),
        ("INSTAGRAM_SCOPES", "instagram_business_basic instagram_business_manage_comments"),
        ("CLERK_ISSUER", "https://a.example.com\nhttps://b.example.com"),
    ] {
        let faults = tools([(name, value)]).unwrap_err();
        assert!(faults.to_string().contains("write commas"), "{value:?}: {faults}");
    }
    // A comma too many, as a line that was put together by a script has it.
    let secrets =
        [("INSTAGRAM_APP_ID", "1"), ("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef, ,")];
    assert_eq!(tools(secrets).unwrap().instagram.unwrap().callback_secrets.len(), 1);
}

#[test]
fn the_consent_page_has_a_path() {
    for bare in ["https://www.instagram.com", "https://www.instagram.com/", "https://www.instagram.com?x=1"] {
        let faults = tools([("INSTAGRAM_AUTHORIZE_URL", bare)]).unwrap_err().0;
        assert_eq!(faults[0].name, "INSTAGRAM_AUTHORIZE_URL");
        assert!(faults[0].remedy.ends_with("https://www.instagram.com/oauth/authorize"), "{faults:?}");
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
    assert!(tools([("HOLDFAST_REFRESH_AT", "0")]).unwrap().refresh.at.abs() < f64::EPSILON);
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
        let given = chosen.into_iter().filter(|(at, _)| !TABLE[*at].secret).map(|(at, value)| (TABLE[at].env, value));
        let environment = Environment::of(given);
        if let Ok(settings) = load(&environment, None, Purpose::Tools) {
            let printed = shown(&environment, None).0.into_iter().filter(|line| line.origin != Origin::Default);
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

    let entry = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let (ring, token) = (format!("k1:{entry}"), "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2ln");
    for (value, part) in [
        (ring.as_str(), entry),
        (token, "eyJhbGciOiJSUzI1NiJ9"),
        ("https://user:hunter2hunter2@app.example.com/path", "hunter2hunter2"),
        ("postgres://user:hunter2hunter2@db/holdfast", "hunter2hunter2"),
    ] {
        for setting in TABLE.iter().filter(|setting| !setting.secret) {
            if let Err(faults) = tools([(setting.env, value), COLLECTOR]) {
                assert!(!faults.to_string().contains(part), "{faults}");
            }
        }
    }
}

#[test]
fn config_print_does_not_show_a_secret_in_the_wrong_place() {
    for (secret, part) in [
        ("sk_live_abcdefghijklmnop", "abcdefghijklmnop"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("host=db user=app password=hunter2hunter2", "hunter2hunter2"),
        ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "AAECAwQF"),
        ("postgres://user:hunter2hunter2@db/holdfast", "hunter2hunter2"),
    ] {
        for setting in
            TABLE.iter().filter(|setting| (setting.wrong)(secret).is_some() || secret.starts_with("sk_"))
        {
            let environment = Environment::of([(setting.env, secret)]);
            for line in shown(&environment, None).0 {
                assert!(!line.value.contains(part), "{} shows {}", line.name, line.value);
            }
        }
    }
    // What only looks random is public.
    let (key, _) = shown(&Environment::of([("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)]), None);
    assert!(key.iter().any(|line| line.value == PUBLISHABLE_KEY), "{key:?}");
}

#[test]
fn an_origin_is_compared_as_browsers_write_it() {
    let written = "HTTPS://App.Example.com,https://deploy-preview-*--SITE.netlify.app,Capacitor://localhost";
    let settings = tools([("HOLDFAST_ALLOWED_ORIGINS", written)]);
    // The scheme of an app is taken as it is, and refused where no browser writes it so.
    assert!(settings.is_err());
    let (pages, _) = written.rsplit_once(',').unwrap();
    let settings = tools([("HOLDFAST_ALLOWED_ORIGINS", pages)]).unwrap();
    let lower = ["https://app.example.com", "https://deploy-preview-*--site.netlify.app"];
    assert_eq!(texts(&settings.allowed_origins), lower);
    assert_eq!(returns(&settings), lower);
}

#[test]
fn a_pattern_that_anybodys_domain_matches_is_refused() {
    for name in ["HOLDFAST_ALLOWED_ORIGINS", "HOLDFAST_RETURN_URLS", "CLERK_AUTHORIZED_PARTIES"] {
        let faults = tools([(name, "https://app.example.com,https://pr-*.co.uk")]).unwrap_err().0;
        assert_eq!(faults[0].name, name);
        assert!(faults[0].what.contains("part 2 matches domains that anybody can register"), "{faults:?}");
    }
}

#[test]
fn an_address_in_two_lines_is_refused_and_not_repeated() {
    for (name, address) in [
        ("HOLDFAST_DATABASE_URL", "postgres://app:pw@db/app\npostgres://other:hunter2@db/x"),
        ("HOLDFAST_DATABASE_URL", "sqlite://holdfast.db\nhunter2"),
        ("HOLDFAST_PUBLIC_URL", "https://api.example.com\n/hunter2"),
        ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/events\r\n\thunter2"),
    ] {
        let faults = tools([(name, address)]).unwrap_err().0;
        let fault = faults.iter().find(|fault| fault.name == name).unwrap();
        assert!(fault.what.contains("line break"), "{faults:?}");
        assert!(!format!("{faults:?}").contains("hunter2"), "{faults:?}");
    }
}

#[test]
fn a_parameter_of_the_database_that_would_have_no_effect_is_named_where_another_was_meant() {
    let read = |parameters: &str| {
        let address = format!("postgres://app@db/app?{parameters}");
        tools([("HOLDFAST_DATABASE_URL", address.as_str())])
    };
    for (misspelt, meant) in [
        ("sslmod=verify-full", "sslmode"),
        ("ssl_mode=require", "sslmode"),
        ("ssl=true", "sslmode=require"),
        ("sslrootcrt=/ca.pem", "sslrootcert"),
    ] {
        let faults = read(misspelt).unwrap_err().0;
        assert_eq!(faults[0].remedy, format!("did you mean {meant}?"), "{faults:?}");
        assert!(!faults[0].what.contains("postgres://"), "{faults:?}");
    }
    for known in [
        "sslmode=require&sslrootcert=/ca.pem",
        "options[search_path]=holdfast",
        "host=/var/run/postgresql",
        "connect_timeout=5&channel_binding=require&sslcrl=/crl.pem&target_session_attrs=read-write",
    ] {
        assert!(read(known).is_ok(), "{known}");
    }
}

#[test]
fn what_the_database_address_asks_for_in_vain_is_told() {
    let told = |address: &str| -> Vec<String> {
        let warnings = tools([("HOLDFAST_DATABASE_URL", address)]).unwrap().warnings.into_iter();
        warnings.filter(|fault| fault.name == "HOLDFAST_DATABASE_URL").map(|fault| fault.what).collect()
    };
    let postgres = |parameters: &str| told(&format!("postgres://app@db/app?{parameters}"));
    for (parameters, names) in [
        // As Neon writes it.
        ("sslmode=require&channel_binding=require", &["channel_binding"][..]),
        ("require_auth=scram-sha-256", &["require_auth"]),
        ("target_session_attrs=read-write&gssencmode=require", &["target_session_attrs", "gssencmode"]),
        ("sslcrl=/crl.pem&sslcrldir=/crls", &["sslcrl", "sslcrldir"]),
        ("ssl_min_protocol_version=TLSv1.3", &["ssl_min_protocol_version"]),
        ("schema=app", &["schema"]),
        ("sslmode=require&sslrootcert=/ca.pem", &["sslrootcert"]),
        ("sslmode=verify-full&sslmode=prefer&sslrootcert=/ca.pem", &["sslrootcert"]),
        ("application_name=x&of-nobody=hunter2", &["number 2"]),
    ] {
        let told = postgres(parameters);
        assert_eq!(told.len(), names.len(), "{parameters}: {told:?}");
        assert!(told.iter().zip(names).all(|(one, name)| one.contains(name)), "{parameters}: {told:?}");
        assert!(!told.concat().contains("hunter2") && !told.concat().contains("of-nobody"), "{told:?}");
    }
    for quiet in [
        "",
        "sslmode=verify-full&sslrootcert=/ca.pem",
        "sslrootcert=system",
        "application_name=holdfast&connect_timeout=5&keepalives_idle=30&sslsni=1",
        "channel_binding=prefer&target_session_attrs=any&gssencmode=disable&ssl_min_protocol_version=TLSv1.2",
        "options[search_path]=holdfast&host=/var/run/postgresql",
    ] {
        assert_eq!(postgres(quiet), [""; 0], "{quiet}");
    }
    assert_eq!(told("sqlite://holdfast.db?mode=rwc&of-nobody=1"), [""; 0]);
}

#[test]
fn a_file_that_does_not_end_is_not_read_to_its_end() {
    let faults = tools([("CLERK_SECRET_KEY_FILE", "/dev/zero")]).unwrap_err().0;
    assert!(faults[0].what.contains("larger than 1 MiB"), "{faults:?}");
    let fault = ConfigFile::find(Some(std::path::Path::new("/dev/zero"))).unwrap_err();
    assert!(fault.what.contains("larger than 1 MiB"), "{fault:?}");
}

#[test]
fn the_log_is_filtered_by_levels_and_targets() {
    for filter in ["off", "INFO", "warn,holdfast::http=debug", "info,sqlx=off", "debug,[request]=trace"] {
        assert_eq!(tools([("HOLDFAST_LOG", filter)]).unwrap().log, filter.trim(), "{filter}");
    }
}

#[test]
fn a_file_in_another_encoding_is_told_from_one_that_may_not_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let utf_16: Vec<u8> = "sk_test_of_nobody".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let value = written("value", &[&[0xff, 0xfe][..], &utf_16].concat());
    let faults = tools([("CLERK_SECRET_KEY_FILE", value.to_str().unwrap())]).unwrap_err().0;
    assert!(faults[0].what.ends_with("is not UTF-8") && faults[0].remedy.contains("UTF-16"), "{faults:?}");
    let file = written("holdfast.toml", b"# caf\xe9\n");
    let fault = ConfigFile::find(Some(&file)).unwrap_err();
    assert!(fault.what.ends_with("is not UTF-8") && fault.remedy.contains("UTF-8"), "{fault:?}");
    let marked = written("marked", b"\xef\xbb\xbfsk_test_of_nobody\r\n");
    let settings = tools([("CLERK_SECRET_KEY_FILE", marked.to_str().unwrap())]).unwrap();
    assert_eq!(settings.clerk.secret_key.unwrap().bearer(), "Bearer sk_test_of_nobody");
}

#[test]
fn a_line_that_stands_there_twice_is_told_so() {
    let file =
        ConfigFile { path: "holdfast.toml".into(), text: "worker = \"on\"\nworker = \"off\"\n".to_owned() };
    let faults = load(&Environment::default(), Some(&file), Purpose::Tools).unwrap_err().0;
    assert!(faults[0].what.starts_with("line 2") && faults[0].remedy.contains("keep one"), "{faults:?}");
}

#[test]
fn addresses_are_shown_without_what_may_be_secret_in_them() {
    let values = [
        ("HOLDFAST_WEBHOOK_URL", "https://app.example.com/hook?token=hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:hunter2@collector.example.com/"),
        ("HOLDFAST_PUBLIC_URL", "https://api.example.com"),
    ];
    let (shown, _) = shown(&Environment::of(values), None);
    assert!(shown.iter().all(|each| !each.value.contains("hunter2")), "{shown:?}");
    let value = |name: &str| shown.iter().find(|each| each.name == name).map(|each| each.value.as_str());
    assert_eq!(value("HOLDFAST_WEBHOOK_URL"), Some("https://app.example.com/hook (and what is not shown)"));
    assert_eq!(value("HOLDFAST_PUBLIC_URL"), Some("https://api.example.com"));
}

#[test]
fn while_signing_secrets_rotate_several_are_read() {
    let both = "whsec_YWJjZGVmZ2g=,whsec_aWprbG1ub3A=";
    assert!(tools([("CLERK_WEBHOOK_SIGNING_SECRET", both)]).unwrap().clerk.webhook_keys.is_some());
    assert_eq!(
        faulty_names([("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_YWJjZGVmZ2g=,secret")]),
        ["CLERK_WEBHOOK_SIGNING_SECRET"]
    );
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

/// Each remedy, taken at its word, is a value that is read.
#[test]
fn a_value_that_is_nearly_right_is_told_as_it_is_to_be_written() {
    for (name, value, meant) in [
        ("HOLDFAST_CHECK_INTERVAL_S", "10m", "600"),
        ("HOLDFAST_CHECK_INTERVAL_S", "10 minutes", "600"),
        ("HOLDFAST_CHECK_INTERVAL_S", "60s", "60"),
        ("HOLDFAST_CHECK_INTERVAL_S", "2000 ms", "2"),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "2 days", "172800"),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "24H", "86400"),
        ("HOLDFAST_DRAIN_S", "1 min", "60"),
        ("CLERK_CLOCK_SKEW_MS", "5s", "5000"),
        ("CLERK_CLOCK_SKEW_MS", "500 ms", "500"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "10000"),
        ("HOLDFAST_MAX_CONNECTIONS", "4_096", "4096"),
        ("HOLDFAST_MAX_REQUESTS", "1,024", "1024"),
        ("HOLDFAST_REFRESH_AT", "50%", "0.5"),
        ("HOLDFAST_REFRESH_AT", "0,5", "0.5"),
        ("HOLDFAST_WORKER", "Yes", "on"),
        ("HOLDFAST_HTTP2", "OFF", "off"),
        ("HOLDFAST_LOG_FORMAT", "JSON", "json"),
        ("CLERK_AUTHORIZED_PARTIES_MODE", "if-present", "if_present"),
    ] {
        let faults = tools([(name, value), COLLECTOR]).unwrap_err().0;
        assert_eq!((&*faults[0].name, faults[0].remedy.clone()), (name, format!("write {meant}")), "{value}");
        assert!(tools([(name, meant), COLLECTOR]).is_ok(), "{name} {meant}");
    }
    for (name, value, remedy) in [
        ("HOLDFAST_CHECK_INTERVAL_S", "1500ms", "write digits alone, like 60"),
        ("HOLDFAST_CHECK_INTERVAL_S", "soon", "write digits alone, like 60"),
        ("HOLDFAST_DRAIN_S", "2h", "write at most 3600"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5m", "write it like 5000"),
        ("HOLDFAST_WORKER", "maybe", "write on or off"),
        ("HOLDFAST_DRAIN_S", "5 # seconds", "leave out the comment: it is part of the value here"),
    ] {
        assert_eq!(tools([(name, value), COLLECTOR]).unwrap_err().0[0].remedy, remedy, "{name} {value}");
    }
    let skew = tools([("CLERK_CLOCK_SKEW_MS", "5m")]).unwrap_err().0;
    assert!(skew[0].remedy.starts_with("write at most 60000"), "{skew:?}");
}

#[test]
fn a_value_in_quotation_marks_is_told_without_them_wherever_it_stands() {
    let remedy = |name: &str, value: &str| {
        let faults = tools([(name, value)]).unwrap_err().0;
        assert!(faults[0].what.contains("quotation marks"), "{faults:?}");
        faults[0].remedy.clone()
    };
    for value in ["\"600\"", "'600'", "\"600\" # ten minutes"] {
        assert!(remedy("HOLDFAST_CHECK_INTERVAL_S", value).ends_with(": 600"), "{value}");
    }
    assert!(remedy("CLERK_SECRET_KEY", "\"sk_test_of_nobody\"").ends_with("off)"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "\"sk_test_of_nobody\"\n").unwrap();
    assert!(remedy("CLERK_SECRET_KEY_FILE", file.to_str().unwrap()).ends_with("off)"));
    let text = "check_interval_s = '\"600\"'\n".to_owned();
    let file = ConfigFile { path: "holdfast.toml".into(), text };
    let faults = load(&Environment::default(), Some(&file), Purpose::Tools).unwrap_err().0;
    assert!(faults[0].name == "check_interval_s" && faults[0].remedy.ends_with(": 600"), "{faults:?}");
}
