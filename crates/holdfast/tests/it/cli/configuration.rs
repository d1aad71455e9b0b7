//! `holdfast config`: every fault at once, and no secret on the screen.

use crate::testing::program::{Place, ring_entry};

/// `clerk.example.com`, as in facts about Clerk's publishable keys.
const PUBLISHABLE_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";

#[test]
fn every_fault_is_reported_at_once() {
    let place = Place::new()
        .with("HOLDFAST_LISTEN", "localhost")
        .with("HOLDFAST_PUBLIC_URL", "api.example.com")
        .with("HOLDFAST_DATABASE_URL", "mysql://root:hunter22@db/app")
        .with("HOLDFAST_ENCRYPTION_KEYS", "a:c2hvcnQ=,b")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com/path")
        .with("HOLDFAST_LISTN", "127.0.0.1:1")
        .with("HOLDFAST_WORKER", "maybe")
        .with("HOLDFAST_REFRESH_AT", "1.5")
        .with("HOLDFAST_LOG", "info,=")
        .with("CLERK_PUBLISHABLE_KEY", "sk_live_thisisasecretkey")
        .with("CLERK_SECRET_KEY", "pk_live_abc")
        .with("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----")
        .with("CLERK_CLOCK_SKEW_MS", "600000")
        .with("CLERK_AUTHORIZED_PARTIES_MODE", "strict")
        .with("CLERK_WEBHOOK_SIGNING_SECRET_FILE", "/nowhere/secret")
        .with("INSTAGRAM_APP_ID", "990602627938098")
        .with("INSTAGRAM_GRAPH_VERSION", "25");
    let ended = place.run(&["config", "check"]);
    insta::assert_snapshot!(ended.whole());
    for secret in ["hunter22", "thisisasecretkey", "c2hvcnQ="] {
        assert!(!ended.stderr.contains(secret), "{secret} was printed");
    }
}

#[test]
fn what_serve_would_stumble_over_is_a_fault() {
    let place = Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
        .with("HOLDFAST_LISTEN", "127.0.0.1:18080")
        .with("HOLDFAST_METRICS_LISTEN", "0.0.0.0:18080")
        .with("HOLDFAST_DATABASE_URL", "sqlite::memory:");
    for command in [&["config", "check"][..], &["serve"]] {
        let ended = place.run(command);
        assert_eq!(ended.code, 2, "{}", ended.whole());
        for named in
            ["2 faults", "HOLDFAST_METRICS_LISTEN: the server itself", "HOLDFAST_DATABASE_URL: an in-memory"]
        {
            assert!(ended.stderr.contains(named), "{named}: {}", ended.whole());
        }
    }
}

#[test]
fn serve_refuses_the_same_way_with_exit_code_2() {
    let ended = Place::new().with("HOLDFAST_LOG_FORMAT", "text").run(&["serve"]);
    insta::assert_snapshot!(ended.whole());
}

#[test]
fn a_small_configuration_is_good() {
    let place = Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with(
            "HOLDFAST_ALLOWED_ORIGINS",
            "https://app.example.com, https://deploy-preview-*--app.netlify.app",
        )
        .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
        .with("INSTAGRAM_APP_ID", "")
        .with("HOLDFAST_SERVICE_HOST", "10.0.0.1")
        .with("HOLDFAST_PORT_8080_TCP_ADDR", "10.0.0.1");
    insta::assert_snapshot!(place.run(&["config", "check"]).whole(), @r"
    exit: 0
    --- stdout
    The configuration is good.
    --- stderr
    ");
}

#[test]
fn the_file_is_read_and_the_environment_wins() {
    let place = Place::new()
        .file("secret.txt", "sk_test_abcdefgh\n")
        .file(
            "holdfast.toml",
            "listen = \"127.0.0.1:9000\"\nrefresh_at = 0.25\nworker = false\n\
             allowed_origins = [\"https://a.example.com\", \"https://b.example.com\"]\n\
             [clerk]\nsecret_key_file = \"secret.txt\"\n",
        )
        .with("HOLDFAST_LISTEN", "127.0.0.1:9100")
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let ended = place.run(&["config", "print"]);
    let shown: Vec<&str> = ended.stdout.lines().filter(|line| !line.ends_with("[default]")).collect();
    insta::assert_snapshot!(shown.join("\n").replace(&place.path().display().to_string(), "DIR"));
}

#[test]
fn the_file_takes_the_names_of_the_environment_too() {
    let place = Place::new()
        .file("secret.txt", "sk_test_abcdefgh\n")
        .file(
            "holdfast.toml",
            "HOLDFAST_LISTEN = \"127.0.0.1:9000\"\nCLERK_SECRET_KEY_FILE = \"secret.txt\"\n",
        )
        .with("CLERK_ISSUER", "https://clerk.example.com")
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, 0, "{}", ended.whole());
    let printed = place.run(&["config", "print"]).stdout;
    assert!(printed.contains("127.0.0.1:9000"), "{printed}");
    let twice =
        Place::new().file("holdfast.toml", "listen = \"127.0.0.1:1\"\nHOLDFAST_LISTEN = \"127.0.0.1:2\"\n");
    assert!(twice.run(&["config", "check"]).whole().contains("given twice"));
}

#[test]
fn secrets_are_not_printed() {
    let place = Place::new()
        .with("CLERK_SECRET_KEY", "sk_test_verysecretindeed")
        .with("HOLDFAST_DATABASE_URL", "postgres://app:hunter22@db/app");
    for arguments in [&["config", "print"][..], &["config", "print", "--json"], &["config", "check"]] {
        let ended = place.run(arguments);
        for secret in ["verysecretindeed", "hunter22"] {
            assert!(!ended.whole().contains(secret), "{arguments:?} printed {secret}");
        }
    }
}

/// The mistake of turning a variable into `NAME_FILE` and keeping its value.
#[test]
fn a_secret_in_the_place_of_its_file_is_not_printed() {
    for (name, secret) in [
        ("HOLDFAST_ENCRYPTION_KEYS", &*ring_entry("2026", 7)),
        ("CLERK_SECRET_KEY", "sk_live_abcdefGHIJKL0123456789"),
        ("HOLDFAST_DATABASE_URL", "postgres://holdfast:hunter22secret@db/holdfast"),
        ("INSTAGRAM_APP_SECRET", "5ec0e7a9d0f7be57a4d1ac0ffee0c0de"),
    ] {
        let place = Place::new().with(&format!("{name}_FILE"), secret);
        let in_file = Place::new().file("holdfast.toml", &format!("{name}_FILE = \"{secret}\"\n"));
        for arguments in
            [&["config", "check"][..], &["config", "print"], &["doctor", "--json", "--offline"], &["serve"]]
        {
            for place in [&place, &in_file] {
                let ended = place.run(arguments);
                let told = ended.whole();
                assert!(ended.code != 0 && !told.contains(secret), "{arguments:?}: {told}");
                assert!(told.contains("(not shown: it looks like a secret)"), "{arguments:?}: {told}");
                assert!(told.contains("name a file that holds the value"), "{arguments:?}: {told}");
            }
        }
    }
}

#[test]
fn unknown_keys_of_the_file_are_faults() {
    let place =
        Place::new().file("other.toml", "lissten = \"x\"\n[clerk]\nissuers = 1\n[instagram]\napp_id = [1]\n");
    let ended = place.run(&["config", "check", "--config", "other.toml"]);
    insta::assert_snapshot!(ended.whole());
}

#[test]
fn a_broken_file_is_one_fault_and_its_lines_are_not_quoted() {
    let place =
        Place::new().file("holdfast.toml", "listen = \"127.0.0.1:1\"\nencryption_keys = id:secretbytes\n");
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("line 2 is not TOML"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secretbytes"), "{}", ended.stderr);
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let ended = Place::new().run(&["config", "check", "--config", "absent.toml"]);
    insta::assert_snapshot!(ended.whole());
}

#[test]
fn a_value_and_its_file_together_are_a_fault() {
    let place = Place::new()
        .file("key", "sk_test_abcdefgh")
        .with("CLERK_SECRET_KEY", "sk_test_abcdefgh")
        .with("CLERK_SECRET_KEY_FILE", "key");
    let ended = place.run(&["config", "check"]);
    assert!(
        ended.stderr.contains("both CLERK_SECRET_KEY and CLERK_SECRET_KEY_FILE are set"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_address_of_a_database_is_judged_as_serving_would() {
    for (url, good) in [
        ("sqlite://own.db", true),
        ("sqlite://own.db?mode=rwc", true),
        ("sqlite://own.db?mode=ro", false),
        ("sqlite://own.db?cache=shared", false),
        ("sqlite::memory:", false),
        ("sqlite:file::memory:", false),
        ("sqlite://", false),
    ] {
        let place = Place::new()
            .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
            .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
            .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
            .with("HOLDFAST_DATABASE_URL", url);
        let (checked, opened) = (place.run(&["config", "check"]), place.run(&["migrate"]));
        assert_eq!(
            (checked.code, opened.code),
            if good { (0, 0) } else { (2, 2) },
            "{url}: {}",
            checked.stderr
        );
        if !good {
            let cause =
                opened.stderr.strip_prefix("error: ").and_then(|told| told.split(';').next()).unwrap();
            assert!(cause.starts_with("HOLDFAST_DATABASE_URL: "), "{url}: {cause}");
            assert!(checked.stderr.contains(cause), "{url}: {} lacks {cause}", checked.stderr);
        }
    }
}

/// What only the store and several settings together can tell does not wait for the rest.
#[test]
fn an_address_and_a_shared_port_are_reported_with_all_other_faults() {
    let place = Place::new()
        .with("HOLDFAST_DATABASE_URL", "sqlite::memory:")
        .with("HOLDFAST_METRICS_LISTEN", "127.0.0.1:8080")
        .with("HOLDFAST_FOO", "1");
    let ended = place.run(&["config", "check"]);
    for told in [
        "5 faults",
        "HOLDFAST_ENCRYPTION_KEYS: ",
        "CLERK_PUBLISHABLE_KEY: ",
        "HOLDFAST_FOO: there is no setting of that name; it stands in the environment\n    see docs/reference/settings.md",
        "HOLDFAST_DATABASE_URL: an in-memory database would lose every grant",
        "HOLDFAST_METRICS_LISTEN: the server itself listens on port 8080",
    ] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
}

#[test]
fn a_file_that_the_address_names_must_be_readable() {
    for option in ["sslrootcert", "sslkey", "ssl-ca"] {
        let place = Place::new()
            .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
            .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
            .with("HOLDFAST_DATABASE_URL", format!("postgres://u:hunter22@db/a?{option}=/nowhere/ca.pem"));
        for command in [&["config", "check"][..], &["migrate"]] {
            let ended = place.run(command);
            let told = format!("{option}=/nowhere/ca.pem cannot be read (No such file");
            assert!(ended.code == 2 && ended.stderr.contains(&told), "{command:?}: {}", ended.whole());
        }
    }
}

/// A SQLite file serves one process, so there is no other that could refresh.
#[test]
fn sqlite_without_a_worker_is_worth_a_warning() {
    for (address, warns) in [("sqlite://holdfast.db", true), ("postgres://u@db/holdfast", false)] {
        let place = Place::new()
            .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
            .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
            .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
            .with("HOLDFAST_WORKER", "off")
            .with("HOLDFAST_DATABASE_URL", address);
        let ended = place.run(&["config", "check"]);
        let is_told = ended.stderr.contains("HOLDFAST_WORKER: this is the only server");
        assert_eq!((ended.code, is_told), (0, warns), "{address}: {}", ended.whole());
    }
}

/// In another directory than the configuration, the advice must not be to make new keys.
#[test]
fn where_no_configuration_was_read_that_is_said() {
    for arguments in [&["config", "check"][..], &["connections", "list"], &["doctor", "--offline"]] {
        let ended = Place::new().run(arguments);
        assert!(ended.whole().contains("no configuration was read"), "{arguments:?}: {}", ended.whole());
        assert!(ended.whole().contains("name it with --config"), "{arguments:?}: {}", ended.whole());
    }
    let ended = Place::new().with("HOLDFAST_LISTEN", "127.0.0.1:1").run(&["config", "check"]);
    assert!(!ended.whole().contains("no configuration was read"), "{}", ended.whole());
}

#[test]
fn an_address_of_postgres_that_cannot_be_read_is_a_fault_without_its_password() {
    let place = Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
        .with("HOLDFAST_DATABASE_URL", "postgres://holdfast:hunter22@db:port/app");
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cannot be read") && !ended.whole().contains("hunter22"),
        "{}",
        ended.stderr
    );
}

/// A service may not be allowed to read the files that root's commands get their secrets from.
#[test]
fn what_the_environment_gives_is_not_read_from_the_file() {
    let place = Place::new()
        .file("holdfast.toml", "encryption_keys_file = \"/nowhere/keys\"\nallowed_origins = 7\n[clerk]\nsecret_key_file = \"/nowhere/secret\"\n")
        .file("keys", &ring_entry("2026", 7))
        .with("HOLDFAST_ENCRYPTION_KEYS_FILE", "keys")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("CLERK_SECRET_KEY", "sk_test_abcdefgh")
        .with("CLERK_ISSUER", "https://clerk.example.com");
    let ended = place.run(&["config", "check"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "The configuration is good.\n"), "{}", ended.whole());
    let printed = place.run(&["config", "print"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""), "{}", printed.whole());
}

#[test]
fn what_cannot_be_read_is_not_printed_as_a_default() {
    let place = Place::new()
        .with("HOLDFAST_LISTEN", "127.0.0.1:9100")
        .with("CLERK_SECRET_KEY_FILE", "/nowhere/secret")
        .with("HOLDFAST_LOG", "'info'");
    let line = |printed: &str, name: &str| {
        let start = format!("{name} ");
        printed.lines().find(|line| line.starts_with(&start)).unwrap().split_once(" = ").unwrap().1.to_owned()
    };
    let printed = place.run(&["config", "print"]);
    assert_eq!(printed.code, 2, "{}", printed.whole());
    assert!(printed.stderr.contains("/nowhere/secret cannot be read"), "{}", printed.stderr);
    let secret = line(&printed.stdout, "CLERK_SECRET_KEY");
    assert_eq!(secret, "(cannot be read) [CLERK_SECRET_KEY_FILE = /nowhere/secret]");
    assert_eq!(line(&printed.stdout, "HOLDFAST_LOG"), "(cannot be read) [environment HOLDFAST_LOG]");
    assert!(line(&printed.stdout, "HOLDFAST_WORKER").ends_with("[default]"), "{}", printed.stdout);

    let broken = place.file("holdfast.toml", "worker = \n");
    let printed = broken.run(&["config", "print"]);
    assert_eq!(printed.code, 2, "{}", printed.whole());
    assert!(printed.stderr.contains("line 1 is not TOML"), "{}", printed.stderr);
    assert_eq!(line(&printed.stdout, "HOLDFAST_WORKER"), "(cannot be read) [file holdfast.toml]");
    assert_eq!(line(&printed.stdout, "HOLDFAST_LISTEN"), "127.0.0.1:9100 [environment HOLDFAST_LISTEN]");
    let json = broken.run(&["config", "print", "--json"]);
    assert_eq!(json.code, 2, "{}", json.whole());
    let list: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let worker = list.as_array().unwrap().iter().find(|each| each["name"] == "HOLDFAST_WORKER").unwrap();
    assert_eq!(worker["value"], "(cannot be read)");
}
