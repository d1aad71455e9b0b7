//! The Postgres server dies, and a standby that is some changes behind is promoted.
//!
//! `HOLDFAST_TEST_FAILOVERS` sets how often (default 2).

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{ManualClock, SystemClock};
use holdfast::connection::State;
use holdfast::provider::ProviderId;
use holdfast::store::{CommitOutcome, Store, StoreError, StoreOptions};

use crate::grants::setup::{DAY, MINUTE, Replica, owner};
use crate::grants::world::{RefreshEffect, World};
use crate::store::fixtures::{linked, update};
use crate::testing::database::{Engine, count_on, execute, start_of_time};
use crate::testing::leaks::Watch;
use crate::testing::postgres_server::OwnServer;
use crate::testing::waiting::until;

const LINKS: usize = 6;
const READ_ONLY: &str =
    "it takes no writes, as a standby, a former primary, or one with `default_transaction_read_only` on";

/// Leads new connections there to this server.
fn point(current: &Path, server: &OwnServer) {
    let _ = std::fs::remove_file(current);
    symlink(server.socket_directory(), current).expect("a link to the socket's directory");
}

/// Until the standby has all that the other has.
async fn caught_up(primary: &OwnServer, standby: &OwnServer) {
    let lsn = "SELECT CAST(pg_current_wal_lsn() - '0/0' AS BIGINT)";
    let at = count_on(Engine::Postgres, &primary.url(), lsn).await;
    let replayed = "SELECT CAST(pg_last_wal_replay_lsn() - '0/0' AS BIGINT)";
    until("the standby has caught up", async || {
        count_on(Engine::Postgres, &standby.url(), replayed).await >= at
    })
    .await;
}

/// The standby hears no more of the primary.
async fn cut_off(primary: &OwnServer, standby: &OwnServer) {
    for sql in ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"] {
        execute(&standby.url(), sql).await.expect("it is told");
    }
    until("nobody follows the primary", async || {
        count_on(Engine::Postgres, &primary.url(), "SELECT COUNT(*) FROM pg_stat_replication").await == 0
    })
    .await;
}

async fn tick_until_it_works(replica: &Replica) {
    until("the worker ticks again", async || {
        replica.clock.advance(Duration::from_secs(1));
        replica.worker.tick().await.is_ok()
    })
    .await;
}

async fn fail_over() {
    let watch = Watch::start();
    let primary = OwnServer::start();
    let directory = tempfile::tempdir().expect("a directory");
    let current = directory.path().join("current");
    point(&current, &primary);
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let options = StoreOptions::serve(OwnServer::url_at(&current));
    let store = Store::open(&options, clock.clone()).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    // A refresh kills the grant that it was asked with: what gets lost is dead.
    let world = World::new(RefreshEffect::OldDead, clock.clone());
    let journal = directory.path().join("journal");
    let replica = Replica::new("one", store.clone(), &clock, &world, Some(&journal));
    let other = Replica::new("two", store.clone(), &clock, &world, None);
    let names: Vec<_> = (0..LINKS).map(|number| format!("u{number}")).collect();
    for name in &names {
        replica.link(name).await;
    }
    replica.link("gone").await;
    replica.tick().await;
    clock.advance(31 * DAY);
    // This one is back from Instagram when the standby hears for the last time.
    let (attempt, completion) = replica.come_back("begun").await;
    replica.link("again").await;
    let standby = primary.standby();
    caught_up(&primary, &standby).await;
    cut_off(&primary, &standby).await;

    // What only the primary hears of: every grant is refreshed, and two people connect.
    replica.tick().await;
    for name in &names {
        assert!(world.is_alive(&replica.token(name).await.expect("a grant")), "{name} is refreshed");
    }
    let (late, late_completion) = replica.come_back("late").await;
    let (again, again_completion) = replica.come_back("again").await;
    for (name, attempt, completion) in
        [("begun", attempt, completion), ("late", late, late_completion), ("again", again, again_completion)]
    {
        let done = replica.connections.complete(&owner(name), attempt, &completion).await;
        assert_eq!(done.expect("it is linked").state, State::Connected);
    }

    // The answer to this one's first call was lost after its commit.
    let withdrawn = replica.token("gone").await;
    for asked in [&other, &replica] {
        asked.connections.disconnect(&owner("gone")).await.expect("it is disconnected");
    }
    let newest = replica.token("again").await.expect("a grant");

    primary.stop();
    execute(&standby.url(), "SELECT pg_promote(true, 60)").await.expect("it is promoted");
    point(&current, &standby);
    let stale: String = "SELECT COUNT(*) FROM connections WHERE grant_version > 1".to_owned();
    assert_eq!(
        count_on(Engine::Postgres, &standby.url(), &stale).await,
        0,
        "the standby lacks the refreshes"
    );
    tick_until_it_works(&replica).await;
    for name in &names {
        let token = replica.token(name).await.expect("a grant");
        assert!(world.is_alive(&token), "{name} has the grant that works");
    }
    assert!(replica.token("gone").await != withdrawn, "nothing of what was disconnected is put back");
    let kept = replica.token("again").await;
    assert!(kept == Some(newest), "who connected again has the grant of that link");
    // The completion that the browser still has is not needed.
    clock.advance(3 * MINUTE);
    replica.tick().await;
    assert!(world.is_alive(&replica.token("begun").await.expect("a grant")), "the link is made again");
    let lost = store.connection(&owner("late"), ProviderId::INSTAGRAM).await.expect("it answers");
    assert_eq!(lost, None, "a link whose attempt the standby never heard of");
    let log = String::from_utf8(watch.log()).expect("text");
    let said = log.lines().find(|line| line.contains("failed over to a standby")).expect("it is said");
    assert!(said.contains("\"lost\":1"), "{said}");
    let told: Vec<_> = log.lines().filter(|line| line.contains("cannot be restored")).collect();
    assert!(told.len() == 1 && told[0].contains("user_late"), "once for each user: {told:?}");
    // Said once, and life goes on.
    clock.advance(31 * DAY);
    replica.tick().await;
    for name in &names {
        assert!(world.is_alive(&replica.token(name).await.expect("a grant")), "{name} is refreshed again");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_promoted_late_costs_no_grant_that_was_refreshed() {
    let times = crate::testing::dice::set_or("HOLDFAST_TEST_FAILOVERS", 2);
    for done in 1..=times {
        fail_over().await;
        if done % 10 == 0 {
            println!("{done} of {times} failovers");
        }
    }
    println!("{times} failovers: {LINKS} refreshed grants each, none lost; each lost link said");
}

/// As where a failover moves an address, and the former primary lives on as a standby.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_lead_to_a_server_without_writes_are_made_anew() {
    let primary = OwnServer::start();
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let first = Store::open(&StoreOptions::serve(primary.url()), clock).await.expect("it opens");
    first.migrate().await.expect("it migrates");
    let standby = primary.standby();
    caught_up(&primary, &standby).await;
    cut_off(&primary, &standby).await;
    let directory = tempfile::tempdir().expect("a directory");
    let current = directory.path().join("current");
    point(&current, &standby);
    let options = StoreOptions::serve(OwnServer::url_at(&current));
    let store = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
    let status = async || store.status_facts(&owner("ada"), ProviderId::INSTAGRAM).await.expect("it reads");
    // In turn over each connection for statuses.
    for _ in 0..4 {
        assert!(status().await.connection.is_none());
    }
    point(&current, &primary);
    let mut connection = linked(&first, "ada", "1").await;
    for _ in 0..4 {
        assert!(status().await.connection.is_none(), "the connections lead to where they did");
    }
    // Found by a write, or by a look at readiness; all is well from then on.
    assert_eq!(store.ping().await, Err(StoreError::Unavailable(READ_ONLY.to_owned())));
    for _ in 0..12 {
        assert!(status().await.connection.is_some());
        store.ping().await.expect("it takes writes");
    }
    let mut heard = store.changes();
    until("a change is heard of", async || {
        let change = update(&connection);
        assert_eq!(first.commit(&change).await, Ok(CommitOutcome::Committed));
        connection = change.connection.expect("it is of a connection").connection;
        heard.try_recv().is_ok_and(|change| change.user_id == owner("ada").as_str())
    })
    .await;
    store.close().await;
    first.close().await;
}
