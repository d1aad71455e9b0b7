//! Deletions and deauthorizations of Meta's: what a failure cuts short, and clocks that differ.

use futures_util::future::join_all;

use holdfast::connection::{Reason, Standing};

use super::setup::{MINUTE, Replica};
use super::world::{Kind, World};
use crate::support::database::{Engine, TestDb, on_each_engine};

fn replica(db: &TestDb) -> Replica {
    let world = World::new(Kind::BothValid, db.clock.clone());
    Replica::new("one", db.store.clone(), &db.clock, &world, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_deletion_that_was_cut_short_is_finished_by_the_worker() {
    on_each_engine(async |db| {
        let one = replica(db);
        let id = one.link("ada").await.id;
        let (stand, fall) = match db.engine {
            Engine::Sqlite => (
                "CREATE TRIGGER stands BEFORE UPDATE ON connections BEGIN SELECT RAISE(ABORT, 'it stands'); END",
                "DROP TRIGGER stands",
            ),
            Engine::Postgres => (
                "CREATE FUNCTION stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it stands'; END $$; \
                 CREATE TRIGGER stands BEFORE UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION stands()",
                "DROP TRIGGER stands ON connections",
            ),
        };
        db.execute(stand).await;
        one.connections.delete_account_data("ada", None, 7).await.expect_err("nothing can be erased");
        db.execute(fall).await;
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        one.clock.advance(2 * MINUTE);
        one.tick().await;
        assert_eq!(one.now(id).await.standing, Reason::UserDisconnected.into());
        assert_eq!(one.store.sealed_grants(id).await, Ok(vec![]));
        let receipt = one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap();
        assert!(receipt.completed_at.is_some());
        assert_eq!((receipt.erased, receipt.unfinished), (1, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_delivered_many_times_at_once_counts_what_it_erased() {
    on_each_engine(async |db| {
        let one = replica(db);
        one.link("ada").await;
        let deliveries = join_all((0..8).map(|_| one.connections.delete_account_data("ada", None, 7))).await;
        assert!(deliveries.iter().all(|each| each.as_ref().is_ok_and(|done| done.completed_at.is_some())));
        assert_eq!(one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap().erased, 1);
    })
    .await;
}
