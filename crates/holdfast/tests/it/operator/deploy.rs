//! What `deploy/` holds works as it stands: the samples are a configuration, the unit is one that
//! systemd takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::testing::program::{Place, ring_entry};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_sample_file_is_a_good_configuration() {
    let place = Place::new()
        .file("holdfast.toml", &read("holdfast.toml"))
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let ended = place.run(&["config", "check"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "The configuration is good.\n"), "{}", ended.whole());
}

#[test]
fn the_sample_environment_is_a_good_configuration() {
    let place = read(".env.example")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .fold(Place::new(), |place, (name, value)| place.with(name, value))
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let ended = place.run(&["config", "check"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "The configuration is good.\n"), "{}", ended.whole());
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("holdfast.service");
    let text =
        read("systemd/holdfast.service").replace("/usr/local/bin/holdfast", env!("CARGO_BIN_EXE_holdfast"));
    std::fs::write(&unit, text).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&unit).output();
        let output = output.expect("systemd-analyze judges the unit: it comes with systemd");
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), told)
    };
    let (good, told) = run(&["verify", "--man=no"]);
    assert!(good && !told.contains("holdfast.service:"), "{told}");
    // Exposure in tenths: 0 is none, 100 all.
    let (hardened, told) = run(&["security", "--offline=yes", "--threshold=20"]);
    assert!(hardened, "{told}");
}

/// A machine that starts before its database, and a secret that is put right later, need nobody.
#[test]
fn the_unit_is_never_given_up_and_root_has_its_configuration() {
    let unit = read("systemd/holdfast.service");
    let has = |wanted: &str| unit.lines().any(|line| line == wanted);
    assert!(has("Restart=on-failure") && has("StartLimitIntervalSec=0"));
    let away = Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_SECRET_KEY", "sk_test_abcdefgh")
        .with("HOLDFAST_LISTEN", "127.0.0.1:0")
        .with("HOLDFAST_DATABASE_URL", "postgres://holdfast@127.0.0.1:9/holdfast")
        .run(&["serve"]);
    assert!(away.code != 0 && away.stderr.contains("127.0.0.1:9"), "{}", away.whole());
    let kept_down = unit.lines().find(|line| line.starts_with("RestartPreventExitStatus="));
    assert_eq!(kept_down, None, "a database that is away ends it with {}", away.code);
    // What the service reads as a credential, root reads at its place.
    let guide = read("../docs/guides/install.md");
    let credentials: Vec<_> =
        unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")?.split_once(':')).collect();
    assert!(credentials.len() >= 4);
    for (_, path) in credentials {
        assert!(guide.contains(&format!("_file = \"{path}\"")), "{path}");
    }
    assert!(guide.contains("journal_dir = \"/var/lib/holdfast/journal\""));
}

/// The service is a user without rights to the directory of secrets: it has credentials instead.
#[test]
fn the_service_starts_with_the_guides_file_which_names_what_it_may_not_read() {
    let guide = read("../docs/guides/install.md");
    let (_, file) = guide.split_once("```toml\n").unwrap();
    let file = file.split_once("```").unwrap().0.replace("/etc/holdfast/secrets", "/nowhere");
    let place = Place::new()
        .file("holdfast.toml", &file)
        .file("encryption_keys", &ring_entry("2026", 7))
        .file("clerk_secret_key", "sk_test_abcdefgh")
        .file("database_url", "sqlite://holdfast.db")
        .file("instagram_app_secret", "0123456789abcdef0123456789abcdef")
        .with("CLERK_ISSUER", "https://clerk.example.com")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("INSTAGRAM_APP_ID", "990602627938098");
    let place = read("systemd/holdfast.service")
        .lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once("=%d/"))
        .fold(place, |place, (name, file)| place.with(name, file));
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, 0, "{}", ended.whole());
}

/// The environment wins over a file, so that what an image sets cannot be set in one.
#[test]
fn the_image_sets_nothing_but_where_it_listens() {
    let image = read("container/Containerfile").replace("\\\n", " ");
    let set: Vec<&str> = image
        .lines()
        .filter_map(|line| line.strip_prefix("ENV "))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect();
    assert_eq!(set, ["HOLDFAST_LISTEN"]);
    // The defaults are files of the working directory, which is the volume.
    let directory =
        |instruction: &str| image.lines().filter_map(|line| line.strip_prefix(instruction)).next_back();
    assert_eq!(directory("WORKDIR "), directory("VOLUME "));
}

#[test]
fn caddy_takes_the_file_of_the_container() {
    let output = Command::new("caddy")
        .args(["validate", "--adapter", "caddyfile", "--config"])
        .arg(deploy("container/Caddyfile"))
        .env("PUBLIC_HOST", "api.example.com")
        .env("HOME", tempfile::tempdir().unwrap().path())
        .output()
        .expect("caddy judges its file: `apt-get install caddy`, as scripts/setup.sh does");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The image that a build makes holds no secret and no leftovers.
#[test]
fn a_container_is_built_without_secrets_and_leftovers() {
    let ignored = read("../.dockerignore");
    for path in [".git", "**/target", "**/node_modules", "**/.env", "deploy/container/secrets"] {
        assert!(ignored.lines().any(|line| line == path), "{path}");
    }
    let compose = read("container/compose.yaml");
    for line in compose.lines().filter_map(|line| line.split_once("{file: ./secrets/")) {
        let name = line.1.trim_end_matches('}');
        assert!(compose.contains(&format!("> secrets/{name}")) || name == "clerk_secret_key", "{name}");
    }
}
