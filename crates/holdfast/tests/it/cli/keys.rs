//! Keys of the ring and keys of the app: made, rotated, retired, lost.

use std::time::Duration;

use super::doctor::{GRANTS, codes, run};
use crate::testing::database::execute;
use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Place, ring_entry};
use crate::testing::relay::Relay;

#[test]
fn a_generated_key_is_a_ring() {
    let ended = Place::new().run(&["keys", "generate", "--id", "first"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let entry = ended.stdout.trim_end();
    let ring = holdfast::vault::KeyRing::parse(entry).unwrap();
    assert_eq!(ring.sealing_id(), "first");
    let other = Place::new().run(&["keys", "generate", "--id", "first"]);
    assert_ne!(entry, other.stdout.trim_end(), "two keys must not be the same");
}

#[test]
fn an_id_that_no_ring_takes_is_refused() {
    let ended = Place::new().run(&["keys", "generate", "--id", "a:b"]);
    assert_eq!(ended.code, 2);
    assert_eq!(ended.stdout, "", "no key may be printed");
    assert!(ended.stderr.contains("`a:b` cannot be the name of a key"), "{}", ended.stderr);
}

#[test]
fn a_ring_is_rotated_and_its_old_key_retired() {
    let (old, new) = (ring_entry("old", 1), ring_entry("new", 99));
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", old.clone());
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0, "stores the first key's sentinel");

    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{new},{old}"));
    insta::assert_snapshot!(place.run(&["keys", "rotate", "--servers-are-stopped"]).whole());
    insta::assert_snapshot!(place.run(&["keys", "status"]).whole());
    insta::assert_snapshot!(place.run(&["keys", "retire", "new"]).whole());
    insta::assert_snapshot!(place.run(&["keys", "retire", "old"]).whole());
    insta::assert_snapshot!(place.run(&["keys", "retire", "old"]).whole());
}

/// Step 2 of the guide, the new key in front, was forgotten here.
#[test]
fn a_ring_with_a_retired_key_in_front_is_told() {
    let (old, new) = (ring_entry("old", 1), ring_entry("new", 99));
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", old.clone());
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0, "stores the first key's sentinel");
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{new},{old}"));
    let doctor = ["doctor", "--json", "--offline"];
    assert!(codes(&place.run(&doctor), "warning").contains(&"key-ring".to_owned()), "it is new");
    assert_eq!(place.run(&["keys", "rotate", "--servers-are-stopped"]).code, 0);
    assert_eq!(place.run(&["keys", "retire", "old"]).code, 0);

    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{old},{new}"));
    let ended = place.run(&doctor);
    assert!(codes(&ended, "failed").contains(&"key-ring".to_owned()), "{}", ended.whole());
    let refused = place.run(&["keys", "rotate"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("key `old` was retired"), "{}", refused.stderr);
}

#[test]
fn a_key_behind_the_first_is_asked_of_nobody_until_it_seals() {
    let (old, new) = (ring_entry("old", 1), ring_entry("new", 99));
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", old.clone());
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0, "stores the first key's sentinel");

    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{old},{new}"));
    let rotated = place.run(&["keys", "rotate"]);
    assert_eq!((rotated.code, rotated.stdout.as_str()), (0, "Every data key is sealed with old already.\n"));
    let status = place.run(&["keys", "status"]);
    assert_eq!(
        (status.code, status.stdout.as_str()),
        (0, "old  seals, 0 data keys\nnew  opens, 0 data keys\n")
    );
    assert_eq!(place.run(&["keys", "retire", "new"]).code, 1, "it has sealed nothing");

    // A replica that is restarted with the former setting starts all the same.
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", old.clone());
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    // Until the new one seals: from then on it has to be there.
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{new},{old}"));
    assert_eq!(place.run(&["keys", "rotate", "--servers-are-stopped"]).code, 0);
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", old);
    let refused = place.run(&["keys", "rotate"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("lacks key `new`"), "{}", refused.stderr);
}

#[test]
fn nothing_is_sealed_with_a_key_that_no_server_has_used() {
    let (old, new) = (ring_entry("old", 1), ring_entry("new", 99));
    let place = Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", old.clone())
        .with("INSTAGRAM_APP_ID", "1234567890123456")
        .with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef");
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0, "stores the first key's sentinel");
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", format!("{new},{old}"));
    let import: &[&str] = &["import", "-"];
    for command in [&["keys", "rotate"][..], import, &["connections", "refresh", "user_1"]] {
        // A second time as well: being refused does not make the key known.
        for _ in 0..2 {
            let ended = place.feed(command, b"user_id,access_token\n");
            assert_eq!(ended.code, 1, "{command:?}: {}", ended.whole());
            assert!(ended.stderr.contains("no server has used key new yet"), "{}", ended.stderr);
        }
    }
    // No replica that lacks it is asked for it.
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", old);
    assert_eq!(place.run(&["keys", "status"]).stdout, "old  seals, 0 data keys\n");
}

#[test]
fn other_bytes_under_a_known_id_are_refused() {
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("k", 1));
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("k", 2));
    insta::assert_snapshot!(place.run(&["keys", "rotate"]).whole());
}

#[test]
fn a_key_whose_bytes_are_lost_is_given_up() {
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("gone", 1));
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0, "stores its sentinel");
    assert_eq!(place.run(&["keys", "retire", "--lost", "gone"]).code, 1, "it is in the ring");
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("new", 99));
    let refused = place.run(&["keys", "rotate"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("holdfast keys retire --lost gone"), "{}", refused.stderr);
    let asked = place.run(&["keys", "retire", "--lost", "gone"]);
    assert_eq!((asked.code, asked.stdout.as_str()), (2, ""));
    for part in ["0 data keys, the grants of 0 connections", "0 attempts", "add --yes to do it"] {
        assert!(asked.stderr.contains(part), "{part}: {}", asked.stderr);
    }
    assert_eq!(place.run(&["keys", "rotate"]).code, 2, "nothing was given up");
    assert!(!place.run(&["audit", "export"]).stdout.contains("keys.give_up"));
    let given_up = place.run(&["keys", "retire", "--lost", "gone", "--yes"]);
    assert_eq!(
        (given_up.code, given_up.stdout.as_str()),
        (0, "gone is given up. 0 connections must be connected again.\n")
    );
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    assert_eq!(place.run(&["keys", "retire", "--lost", "gone", "--yes"]).code, 1, "only once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_rotation_says_how_far_it_is() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let (old, new) = (ring_entry("2026", 7), ring_entry("new", 99));
    let place = Place::new()
        .with("HOLDFAST_DATABASE_URL", relay.url())
        .with("HOLDFAST_ENCRYPTION_KEYS", format!("{new},{old}"));
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.whole());
    // None of them opens, so that only reading them takes long.
    execute(&server.url(), GRANTS).await.unwrap();
    relay.be_slow(Duration::from_millis(400));
    let (_, ended) = run(place, &["keys", "rotate", "--servers-are-stopped"]).await;
    assert!(ended.stderr.contains("0 of 3000 data keys are sealed with new so far."), "{}", ended.stderr);
    assert!(!ended.stdout.contains("so far"), "{}", ended.stdout);
}

/// Rust opens `/dev/null` for a closed standard output: writing there succeeds.
#[test]
fn a_service_key_that_nobody_would_see_is_not_made() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate"]).code, 0);
    for nowhere in ["exec >&-", "exec >/dev/null"] {
        let ended = place.run_within(nowhere, &["service-key", "create", "--name", "backend"]);
        assert_eq!(ended.code, 2, "{nowhere}: {}", ended.whole());
        assert!(ended.stderr.contains("nobody would see the key"), "{nowhere}: {}", ended.stderr);
    }
    assert_eq!(place.run(&["service-key", "list"]).stdout, "There are no service keys.\n");
}

#[test]
fn a_service_key_is_shown_once_and_revoked() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate"]).code, 0);
    let made = place.run(&["service-key", "create", "--name", "backend"]);
    let secret = made.stdout.trim_end();
    assert!(secret.starts_with("hf_sk_") && secret.len() >= 6 + 43, "{secret}");
    let listed = place.run(&["service-key", "list", "--json"]);
    assert!(!listed.stdout.contains(secret));
    let list: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = list["service_keys"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["service_keys"][0]["name"], "backend");
    assert_eq!(place.run(&["service-key", "revoke", &id]).code, 0);
    assert_eq!(place.run(&["service-key", "revoke", &id]).code, 1, "only once");
    assert_eq!(place.run(&["service-key", "revoke", "nonsense"]).code, 2);
    // A key that was found in a log comes without its id.
    let found = place.run(&["service-key", "create", "--name", "leaked"]).stdout;
    let revoked = place.run(&["service-key", "revoke", found.trim_end()]);
    assert!(revoked.code == 0 && !revoked.whole().contains(found.trim_end()), "{}", revoked.whole());
    let listed = place.run(&["service-key", "list"]).stdout;
    assert_eq!(listed.matches(", revoked ").count(), 2, "{listed}");
    assert_eq!(place.run(&["service-key", "revoke", found.trim_end()]).code, 1, "only once");
    // Nothing in the database's files is the key itself.
    for entry in std::fs::read_dir(place.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn two_keys_of_one_day_have_different_ids() {
    let id = || {
        let printed = Place::new().run(&["keys", "generate"]).stdout;
        printed.split_once(':').unwrap().0.to_owned()
    };
    assert_ne!(id(), id());
}
