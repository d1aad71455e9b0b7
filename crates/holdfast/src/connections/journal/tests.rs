//! The journal over a real directory, without a server or a database.

use std::fs;
use std::path::Path;

use super::*;

fn refresh(version: i64) -> Origin {
    Origin::Refresh(LinkId { connection_id: Uuid::from_u128(7), linked_at: None, from_version: version })
}

async fn write(journal: &Journal, origin: Origin) -> Entry {
    let reservation = journal.reserve(origin).await;
    journal.write(reservation, "user_ada", origin, Ok(b"sealed".to_vec()))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_token_waits_until_it_is_stored() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("journal");
    let journal = Journal::in_directory(directory.clone());
    write(&journal, refresh(1)).await.retain(&ServiceError::Contended);
    write(&journal, refresh(2)).await.discard();
    assert_eq!(journal.count().unwrap(), 1);
    let again = Journal::in_directory(directory.clone());
    let waiting = again.read().unwrap();
    let [token] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((token.origin, token.user_id.as_str()), (refresh(1), "user_ada"));
    assert_eq!(again.find(&refresh(1)).as_ref(), Some(token));
    assert_eq!(again.find(&refresh(2)), None);
    again.remove(&token.origin);
    assert_eq!((names(&directory), again.count().unwrap()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_reservation_is_given_back_and_a_killed_process_leaves_none() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(place.path().to_owned());
    let reservation = journal.reserve(refresh(1)).await;
    assert_eq!(names(place.path()).len(), 1);
    drop(reservation);
    assert_eq!(names(place.path()).len(), 0);
    std::mem::forget(journal.reserve(refresh(2)).await);
    journal.prepare();
    assert_eq!(names(place.path()), ["server-0.lock"]);
}

/// As where the disk is full.
#[tokio::test]
async fn a_token_that_cannot_be_written_leaves_no_file() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(place.path().to_owned());
    // It cannot get its name.
    let name = format!("{}.grant", refresh(1).file_stem());
    fs::create_dir(place.path().join(&name)).unwrap();
    for reservation in [None, journal.reserve(refresh(1)).await] {
        journal.write(reservation, "user_ada", refresh(1), Ok(b"sealed".to_vec())).discard();
        assert_eq!(names(place.path()), [name.as_str()]);
    }
}

#[tokio::test]
async fn a_second_server_leaves_the_reservations_of_the_first() {
    let place = tempfile::tempdir().unwrap();
    let [first, second] = [(); 2].map(|()| Journal::in_directory(place.path().to_owned()));
    first.prepare();
    let reservation = first.reserve(refresh(1)).await;
    assert_eq!(first.servers(), 1);
    second.prepare();
    assert_eq!((first.servers(), names(place.path()).len()), (2, 3));
    drop((reservation, first));
    assert_eq!((second.servers(), names(place.path()).len()), (1, 2));
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let place = tempfile::tempdir().unwrap();
    let (directory, target) = (place.path().join("journal"), place.path().join("target"));
    fs::create_dir(&directory).unwrap();
    fs::write(&target, "another user's").unwrap();
    let journal = Journal::in_directory(directory.clone());
    let [probe, reserved] = {
        drop(journal.reserve(refresh(1)).await);
        let probe = format!("probe-{}.reserved", std::process::id());
        std::mem::forget(journal.reserve(refresh(1)).await);
        [probe, names(&directory).remove(0)]
    };
    journal.prepare();
    for name in [&probe, &reserved] {
        std::os::unix::fs::symlink(&target, directory.join(name)).unwrap();
    }
    assert!(journal.probe().is_err());
    assert!(journal.reserve(refresh(1)).await.is_none());
    assert_eq!(fs::read_to_string(&target).unwrap(), "another user's");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_told_and_tried_again() {
    let place = tempfile::tempdir().unwrap();
    let taken = place.path().join("journal");
    fs::write(&taken, "").unwrap();
    let journal = Journal::in_directory(taken.clone());
    journal.prepare();
    assert!(!journal.0.is_writable.load(Ordering::Relaxed));
    assert!(journal.probe().is_err());
    assert!(journal.reserve(refresh(1)).await.is_none());
    // By the time the answer comes, it can be written again.
    fs::remove_file(&taken).unwrap();
    let entry = journal.write(None, "user_ada", refresh(1), Ok(b"sealed".to_vec()));
    entry.retain(&ServiceError::Contended);
    assert_eq!(journal.read().unwrap().len(), 1);
    assert!(journal.reserve(refresh(2)).await.is_some());
    assert!(journal.0.is_writable.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_torn_token_is_set_aside_and_one_of_a_newer_version_waits() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(place.path().to_owned());
    write(&journal, refresh(1)).await.retain(&ServiceError::Contended);
    let file = place.path().join(&names(place.path())[0]);
    let whole = fs::read(&file).unwrap();
    fs::write(place.path().join("half.grant"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path().join("zeros.grant"), [0; 64]).unwrap();
    fs::write(place.path().join("newer.grant"), r#"{"version": 9}"#).unwrap();
    assert_eq!(journal.count().unwrap(), 4);
    assert_eq!(journal.read().unwrap().len(), 1);
    assert_eq!(journal.count().unwrap(), 2);
    assert!(["half.torn", "zeros.torn", "newer.grant"].iter().all(|name| place.path().join(name).exists()));
}

#[tokio::test]
async fn no_journal_keeps_nothing_and_hinders_nothing() {
    let journal = Journal::none();
    journal.prepare();
    assert!(journal.reserve(refresh(1)).await.is_none());
    write(&journal, refresh(1)).await.retain(&ServiceError::Contended);
    assert_eq!(journal.read().unwrap(), []);
}

#[test]
fn an_attempt_is_in_hand_until_the_last_has_let_go() {
    let journal = Journal::none();
    let attempt = Uuid::from_u128(1);
    let (one, two) = (journal.guard_attempt(attempt), journal.guard_attempt(attempt));
    drop(one);
    assert!(journal.is_in_hand(attempt));
    drop(two);
    assert!(!journal.is_in_hand(attempt));
}
