//! Commands on a database: migrating, backing up and restoring, and acting on connections.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault};
use http::Method;
use sqlx::{Connection as _, Executor as _};

use crate::testing::app::App;
use crate::testing::database::execute_on;
use crate::testing::program::{Place, WITHOUT_THE_NEWEST_MIGRATION, ring_entry};

#[test]
fn a_missing_database_is_one_sentence() {
    let place = Place::new().with("HOLDFAST_DATABASE_URL", "sqlite://holdfast.db");
    insta::assert_snapshot!(place.run(&["connections", "list"]).whole());
}

#[test]
fn migrating_twice_changes_nothing() {
    let place = Place::new();
    insta::assert_snapshot!(place.run(&["migrate"]).whole());
    insta::assert_snapshot!(place.run(&["migrate"]).whole());
    insta::assert_snapshot!(place.run(&["connections", "list"]).whole());
    insta::assert_snapshot!(place.run(&["connections", "show", "user_x"]).whole());
    insta::assert_snapshot!(place.run(&["connections", "list", "--state", "broken"]).whole());
    // "There are none" would be an answer to another question.
    assert_eq!(place.run(&["connections", "list", "--limit", "0"]).code, 2);
    let unmarked = place.run(&["connections", "list", "--account", "ada.makes"]);
    assert!(unmarked.code == 1 && unmarked.stderr.contains("@ and its handle"), "{}", unmarked.whole());
}

/// What is still beside the file would be missing from a copy of it.
#[test]
fn a_command_leaves_the_database_whole_in_its_file() {
    let place = Place::new();
    for command in [
        &["migrate"][..],
        &["service-key", "create", "--name", "app"],
        &["service-key", "list"],
        &["connections", "show", "user_x"],
    ] {
        let ended = place.run(command);
        for beside in ["holdfast.db-wal", "holdfast.db-shm"] {
            assert!(!place.path().join(beside).exists(), "{command:?}: {beside}: {}", ended.whole());
        }
    }
}

#[test]
fn what_was_backed_up_comes_back() {
    let place = Place::new();
    place.run(&["migrate"]);
    place.run(&["service-key", "create", "--name", "before"]);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 2, "never overwrites");
    let piped = place.run(&["backup", "-"]);
    assert!(piped.code == 2 && piped.stdout.is_empty(), "{}", piped.whole());
    assert!(!place.path().join("-").exists(), "it takes this for standard output");
    place.run(&["service-key", "create", "--name", "after"]);
    assert_eq!(place.run(&["restore", "copy.db"]).code, 2, "overwrites nothing");
    move_database_away(&place);
    let restored = place.run(&["restore", "copy.db"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert!(restored.stderr.contains("revoked since the backup is valid again"), "{}", restored.stderr);
    assert!(restored.stderr.contains("no HOLDFAST_WEBHOOK_URL"), "it tells nobody: {}", restored.stderr);
    let listed = place.run(&["service-key", "list"]).stdout;
    assert!(listed.contains("before") && !listed.contains("after"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_says_what_the_key_ring_does_not_open() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let served = app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value));
    let copy = served.path().join("copy.db").display().to_string();
    assert_eq!(served.run(&["backup", &copy]).code, 0);
    let restore = |ring: Option<String>| {
        let elsewhere = Place::new();
        let elsewhere = match ring {
            Some(ring) => elsewhere.with("HOLDFAST_ENCRYPTION_KEYS", ring),
            None => elsewhere,
        };
        let ended = elsewhere.run(&["restore", &copy]);
        assert_eq!(ended.code, 0, "it is restored: {}", ended.whole());
        for beside in ["holdfast.db-wal", "holdfast.db-shm"] {
            assert!(!elsewhere.path().join(beside).exists(), "{beside}");
        }
        ended.stderr
    };
    let (_, ring) =
        app.environment.iter().find(|(name, _)| name == "HOLDFAST_ENCRYPTION_KEYS").unwrap().clone();
    let right = restore(Some(ring.clone()));
    assert!(!right.contains("warning"), "{right}");
    let other = restore(Some(ring_entry("other", 77)));
    let (id, _) = ring.split_once(':').unwrap();
    let lacks =
        format!("warning: HOLDFAST_ENCRYPTION_KEYS lacks key `{id}`, which this database uses; add it");
    assert!(other.contains(&lacks), "{other}");
    let same_name = restore(Some(ring_entry(id, 77)));
    assert!(same_name.contains("warning: ") && same_name.contains(&format!("`{id}`")), "{same_name}");
    let none = restore(None);
    assert!(none.contains("HOLDFAST_ENCRYPTION_KEYS") && none.contains("holdfast doctor"), "{none}");
}

/// A receiver that keeps the greater version would take all that follows for old.
#[tokio::test]
async fn after_a_restore_versions_and_events_are_new_ones() {
    let place = Place::new()
        .with("HOLDFAST_WEBHOOK_URL", "https://app.example.com/events")
        .with("HOLDFAST_WEBHOOK_SECRET", format!("whsec_{}", "c2VjcmV0".repeat(4)));
    place.run(&["migrate"]);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path().join("holdfast.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for sql in [
        "INSERT INTO users (id, created_at, updated_at) VALUES ('user_ada', 1, 1)",
        "INSERT INTO connections (id, user_id, provider, state, scopes, missing_scopes, since, version) VALUES \
         ('00000000-0000-7000-8000-000000000001', 'user_ada', 'instagram', 'not_connected', '[]', '[]', 1, 4)",
    ] {
        database.execute(sql).await.unwrap();
    }
    database.close().await.unwrap();
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    let copy = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path().join("copy.db"));
    let mut copy = sqlx::SqliteConnection::connect_with(&copy).await.unwrap();
    sqlx::raw_sql(WITHOUT_THE_NEWEST_MIGRATION).execute(&mut copy).await.unwrap();
    copy.close().await.unwrap();
    // Where one event is sent a second time at once, receivers drop it.
    let mut last = jiff::Timestamp::now().as_second() - 1;
    // Back once more, to a copy of what is restored.
    for copy in ["copy.db", "again.db"] {
        move_database_away(&place);
        let restored = place.run(&["restore", copy]);
        assert_eq!(restored.code, 0, "{}", restored.whole());
        assert!(!restored.stderr.contains("service key"), "there is none: {}", restored.stderr);
        assert_eq!(restored.stderr.contains("1 are applied"), copy == "copy.db", "{}", restored.stderr);
        assert!(restored.stderr.contains("sends the app an event"), "{}", restored.stderr);
        let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let (version, event): (i64, String) =
            sqlx::query_as("SELECT version, event_id FROM connections JOIN outbox USING (user_id)")
                .fetch_one(&mut database)
                .await
                .unwrap();
        database.close().await.unwrap();
        assert!(version > last && version < i64::from(i32::MAX), "{version}");
        assert_eq!(event, format!("evt_00000000000070008000000000000001_{version}"));
        last = version;
        assert_eq!(place.run(&["backup", "again.db"]).code, i32::from(copy == "again.db") * 2);
    }
}

/// The restore may run as root, and the server as another user.
#[test]
fn a_restore_leaves_nothing_but_the_database() {
    let place = Place::new();
    place.run(&["migrate"]);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    let elsewhere = place.with("HOLDFAST_DATABASE_URL", "sqlite://elsewhere/holdfast.db");
    let directory = elsewhere.path().join("elsewhere");
    fs::create_dir(&directory).unwrap();
    let names = || {
        let entries = fs::read_dir(&directory).unwrap().map(|each| each.unwrap().file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let failed = elsewhere.run(&["restore", "absent.db"]);
    assert_eq!((failed.code, names()), (2, Vec::new()), "{}", failed.whole());
    let restored = elsewhere.run(&["restore", "copy.db"]);
    assert_eq!((restored.code, names()), (0, vec!["holdfast.db".to_owned()]), "{}", restored.whole());
    // A server's own stays.
    fs::remove_file(directory.join("holdfast.db")).unwrap();
    fs::write(directory.join("holdfast.db.lock"), "").unwrap();
    assert_eq!(elsewhere.run(&["restore", "copy.db"]).code, 0);
    assert!(directory.join("holdfast.db.lock").exists());
}

/// As after a crash: the log of the broken database is still there, and a restore was killed.
#[test]
fn a_restore_that_was_refused_leaves_nothing_in_the_way_of_the_next() {
    let place = Place::new();
    place.run(&["migrate"]);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    move_database_away(&place);
    fs::write(place.path().join("holdfast.db-wal"), "left behind").unwrap();
    fs::write(place.path().join("holdfast.db.restoring"), "half of it").unwrap();
    let refused = place.run(&["restore", "copy.db"]);
    assert!(refused.code == 2 && refused.stderr.contains("holdfast.db-wal exists"), "{}", refused.whole());
    fs::remove_file(place.path().join("holdfast.db-wal")).unwrap();
    let absent = place.run(&["restore", "absent.db"]);
    assert!(absent.code == 2 && absent.stderr.contains("absent.db"), "{}", absent.whole());
    assert!(!place.path().join("holdfast.db.restoring").exists());
    let restored = place.run(&["restore", "copy.db"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
}

#[test]
fn a_broken_backup_is_not_restored() {
    let place = Place::new().file("copy.db", "this is no database, but long enough to be looked at\n");
    let ended = place.run(&["restore", "copy.db"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("copy.db is not a SQLite database"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("restoring"), "{}", ended.stderr);
    assert!(!place.path().join("holdfast.db").exists());
}

#[tokio::test]
async fn somebody_elses_database_is_not_restored() {
    let place = Place::new();
    let copy = place.path().join("copy.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&copy).create_if_missing(true);
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    other.execute("CREATE TABLE a (b)").await.unwrap();
    other.close().await.unwrap();
    let ended = place.run(&["restore", "copy.db"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("copy.db is a SQLite database, but not one of Holdfast's"),
        "{}",
        ended.stderr
    );
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|each| each.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("restoring")), "{left:?}");
    assert!(!place.path().join("holdfast.db").exists());
}

#[test]
fn a_restore_that_fails_leaves_nothing_in_the_way_of_the_next() {
    let place = Place::new();
    place.run(&["migrate"]);
    place.run(&["service-key", "create", "--name", "kept"]);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    move_database_away(&place);
    let whole = fs::read(place.path().join("copy.db")).unwrap();
    fs::write(place.path().join("cut.db"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path().join("holdfast.db-wal"), "of another database").unwrap();
    let in_the_way = place.run(&["restore", "copy.db"]);
    assert!(in_the_way.code == 2 && in_the_way.stderr.contains("holdfast.db-wal"), "{}", in_the_way.whole());
    fs::remove_file(place.path().join("holdfast.db-wal")).unwrap();
    for (file, says) in [
        ("mistyped.db", "mistyped.db: No such file"),
        (".", "Is a directory"),
        ("cut.db", "cut.db is damaged"),
    ] {
        let ended = place.run(&["restore", file]);
        assert!(ended.code == 2 && ended.stderr.contains(says), "{}", ended.whole());
        assert!(!ended.stderr.contains("  "), "{}", ended.stderr);
    }
    let restored = place.run(&["restore", "copy.db"]);
    assert_eq!(restored.code, 0, "{}", restored.whole());
}

/// A script must not take half an answer for the whole.
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    place.run(&["migrate"]);
    for arguments in [
        &["openapi"][..],
        &["config", "print"],
        &["keys", "generate"],
        &["service-key", "create", "--name", "lost"],
        &["service-key", "list"],
        &["--help"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = place.run_into(arguments, full);
        assert!(
            ended.code == 2 && ended.stderr.contains("No space left"),
            "{arguments:?}: {}",
            ended.whole()
        );
    }
    let listed = place.run(&["service-key", "list"]).stdout;
    assert!(
        listed.contains("lost") && listed.contains("revoked"),
        "a key that nobody has seen works: {listed}"
    );
}

#[test]
fn a_service_key_has_a_name() {
    let place = Place::new();
    place.run(&["migrate"]);
    for name in ["a\nb", "\u{1b}[31mred", "\u{202e}x", &"x".repeat(101)] {
        let ended = place.run(&["service-key", "create", "--name", name]);
        assert!(ended.code == 2 && ended.stderr.contains("one line"), "{}", ended.whole());
    }
    for name in ["", "  "] {
        let ended = place.run(&["service-key", "create", "--name", name]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("needs a name") && ended.stdout.is_empty(), "{}", ended.whole());
    }
    assert_eq!(place.run(&["service-key", "list"]).stdout, "There are no service keys.\n");
}

#[test]
fn connections_are_listed_as_one_document() {
    let place = Place::new();
    place.run(&["migrate"]);
    let listed = place.run(&["connections", "list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let document: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(document, serde_json::json!({"connections": [], "truncated": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_connection_says_what_is_known_of_it_and_why() {
    let app = App::start().await;
    let mut known = Vec::new();
    for (person, account) in [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops")] {
        let status = app.sign_in(person).connect_account(account).await;
        known.push((person.user_id().to_owned(), status["evidence"].clone()));
    }
    known.sort_by(|left, right| left.0.cmp(&right.0));
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let listed = place.run(&["connections", "list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let document: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let mut told: Vec<_> = document["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["user_id"].as_str().unwrap().to_owned(), each["evidence"].clone()))
        .collect();
    told.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(told, known);
    // It says what it leaves out: an operator who erases all must not stop at the first hundred.
    assert_eq!(listed.stderr, "");
    let first = place.run(&["connections", "list", "--limit", "1"]);
    assert_eq!(first.stdout.lines().count(), 1, "{}", first.stdout);
    assert!(first.stderr.contains("these are the first 1; --limit lists more"), "{}", first.stderr);
    let first = place.run(&["connections", "list", "--limit", "1", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(document["truncated"], true, "a script reads no warnings: {document}");
}

fn move_database_away(place: &Place) {
    for suffix in ["", "-wal", "-shm"] {
        let from = place.path().join(format!("holdfast.db{suffix}"));
        if from.exists() {
            fs::rename(&from, place.path().join(format!("old.db{suffix}"))).unwrap();
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_one_sentence() {
    let place = Place::new().with("HOLDFAST_DATABASE_URL", "sqlite://locked/holdfast.db");
    let locked = place.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not bind root, so root meets a directory that is not there instead.
    let root = fs::write(locked.join("probe"), "").is_ok();
    if root {
        fs::remove_dir_all(&locked).unwrap();
    }
    let ended = place.run(&["migrate"]);
    assert_eq!(ended.code, 2);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn an_operator_acts_on_connections_through_the_domain() {
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", crate::testing::program::ring_entry("k", 3));
    place.run(&["migrate"]);
    for command in ["show", "check", "refresh", "forget"] {
        let sure: &[&str] = if command == "forget" { &["--yes"] } else { &[] };
        let asked = place.run(&[&["connections", command, "user_x"], sure].concat());
        assert!(
            asked.code == 1 && asked.stderr.contains("there is no user user_x here"),
            "{}",
            asked.whole()
        );
        let asked = place.run(&[&["connections", command, "--account", "@nobody"], sure].concat());
        assert!(asked.code == 1 && asked.stderr.contains("@nobody"), "{}", asked.whole());
        assert_eq!(place.run(&[&["connections", command], sure].concat()).code, 2, "nobody is named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_nothing_was_asked_or_refreshed_is_told() {
    let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let told = |command: &str| {
        let ended = place.run(&["connections", command, Person::Ada.user_id()]);
        (ended.code, ended.stderr)
    };
    let says = |command: &str, part: &str| {
        let (_, stderr) = told(command);
        assert!(stderr.contains(part), "{command}: {part}: {stderr}");
    };
    says("refresh", "younger than HOLDFAST_REFRESH_MIN_AGE_S until 20");
    ada.send(Method::POST, "/user/instagram/check", None).await;
    says("check", "Instagram was asked about it less than HOLDFAST_CHECK_INTERVAL_S ago; run this again");
    let hence = |minutes: i64| app.clock.now().as_millisecond() + minutes * 60_000;
    execute_on(&app.place, &format!("UPDATE connections SET retry_after = {}", hence(30))).await;
    says("check", "Instagram asked not to be asked before 20");
    says("refresh", "nothing was refreshed: Instagram asked not to be asked before 20");
    says("refresh", "run this again then");
    let held = format!("UPDATE connections SET lease_owner = 'other', lease_until = {}", hence(2));
    execute_on(&app.place, &held).await;
    says("refresh", "a worker, here or on another replica, is refreshing this connection");
    execute_on(
        &app.place,
        "UPDATE connections SET lease_owner = NULL, lease_until = NULL, retry_after = NULL",
    )
    .await;
    ada.send(Method::DELETE, "/user/instagram", None).await;
    says("refresh", "nothing was refreshed: there is no grant");
    says("refresh", "the person has to connect first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_by_hand_asks_nobody_within_a_pause() {
    let app = App::with(&[("HOLDFAST_WORKER", "off"), ("HOLDFAST_REFRESH_MIN_AGE_S", "0")], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let refresh = || place.run(&["connections", "refresh", Person::Ada.user_id()]);
    let calls = || app.instagram.call_counts().get(&Endpoint::Refresh).copied().unwrap_or_default();
    app.instagram.set_fault(Some("ada.makes"), Fault::AccountRateLimit).unwrap();
    let limited = refresh();
    assert!(limited.stderr.contains("the account has used up its calls"), "{}", limited.whole());
    assert_eq!(calls(), 1);
    app.instagram.clear(None).unwrap();
    let again = refresh();
    assert_eq!((again.code, calls()), (1, 1), "{}", again.whole());
    assert!(again.stderr.contains("Instagram asked not to be asked before 20"), "{}", again.whole());
    execute_on(&app.place, "UPDATE connections SET retry_after = 1").await;
    let over = refresh();
    assert!(over.stderr.contains("Instagram was asked: the grant works"), "{}", over.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_has_confirmed_nothing_says_so() {
    let app = App::with(&[("HOLDFAST_CHECK_INTERVAL_S", "0")], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let check = || place.run(&["connections", "check", Person::Ada.user_id()]);
    let checked = check();
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{}", checked.whole());
    app.instagram.set_fault(None, Fault::ServerErrorJson).unwrap();
    let checked = check();
    assert!(
        checked.stderr.contains("Instagram was asked: there was no usable answer"),
        "{}",
        checked.whole()
    );
    app.instagram.clear(None).unwrap();
}

/// What somebody has copied by hand from a machine that died.
#[test]
fn a_raw_copy_is_restored_with_its_log_and_not_while_it_is_served() {
    let place = Place::new();
    place.run(&["migrate"]);
    let file = place.path().join("holdfast.db");
    let server = rusqlite::Connection::open(&file).unwrap();
    server
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
             INSERT INTO users (id, created_at, updated_at) VALUES ('user_ada', 1, 1)",
        )
        .unwrap();
    for suffix in ["", "-wal"] {
        let name = |base: &str| place.path().join(format!("{base}{suffix}"));
        fs::copy(name("holdfast.db"), name("raw.db")).unwrap();
    }
    drop(server);
    move_database_away(&place);
    let lock = fs::File::create(place.path().join("raw.db.lock")).unwrap();
    lock.lock().unwrap();
    let served = place.run(&["restore", "raw.db"]);
    assert!(served.code == 2 && served.stderr.contains("another process uses raw.db"), "{}", served.whole());
    drop(lock);
    let restored = place.run(&["restore", "raw.db"]);
    assert_eq!(restored.code, 0, "{}", restored.whole());
    let users =
        rusqlite::Connection::open(&file)
            .unwrap()
            .query_row("SELECT COUNT(*) FROM users", [], |row| row.get::<_, i64>(0));
    assert_eq!(users, Ok(1), "what stood in the log alone");
}

#[test]
fn a_backup_that_no_server_would_start_on_is_not_restored() {
    let place = Place::new();
    place.run(&["migrate"]);
    assert_eq!(place.run(&["backup", "copy.db"]).code, 0);
    let copy = rusqlite::Connection::open(place.path().join("copy.db")).unwrap();
    copy.execute_batch("UPDATE schema_migrations SET checksum = x'00' WHERE version = 3").unwrap();
    drop(copy);
    move_database_away(&place);
    let ended = place.run(&["restore", "copy.db"]);
    let told = "migration 3 in the database differs";
    assert!(ended.code == 2 && ended.stderr.contains(told), "{}", ended.whole());
    assert!(!place.path().join("holdfast.db").exists());
}
