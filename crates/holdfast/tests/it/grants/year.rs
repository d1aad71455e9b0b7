//! A year by seed: three replicas over one database, outages of up to twenty days, refusals of all
//! for most of a day, and replicas that fall over in the middle of a tick. One replica works at a
//! time, so a seed always gives the same year.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::connection::Standing;
use tokio::sync::Notify;

use super::setup::{DAY, Replica};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::{Engine, TestDb, start_of_time};

const CONNECTIONS: usize = 40;
const STEP: Duration = Duration::from_hours(3);
const STEPS: u32 = 365 * 8;

/// Numbers by seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

async fn year(seed: u64) {
    let db = TestDb::new(Engine::Sqlite).await;
    let mut dice = Dice(seed);
    let clock: Arc<ManualClock> = db.clock.clone();
    let world = World::new(RefreshEffect::BothValid, clock.clone());
    let first = Replica::new("zero", db.store.clone(), &clock, &world, None);
    for number in 0..CONNECTIONS {
        first.link(&format!("p{number}")).await;
        clock.advance(Duration::from_mins(dice.below(24 * 60)));
    }
    // A crash comes after Instagram acted and before its answer arrives.
    let (falls, fallen) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (falling, notice) = (falls.clone(), fallen.clone());
    world.after_refresh(move |_| {
        let crash = falling.swap(false, Ordering::SeqCst);
        let notice = notice.clone();
        async move {
            if crash {
                notice.notify_one();
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    });
    let (mut crashes, mut outage_ends, mut outages) = (0, 0, 0);
    for step in 0..STEPS {
        clock.advance(STEP);
        if step == outage_ends {
            world.set(Health::Fine);
        }
        if step >= outage_ends && dice.below(60 * 8) == 0 {
            outages += 1;
            let (health, longest) =
                if dice.below(3) == 0 { (Health::RefusesAll, 7) } else { (Health::Down, 20 * 8) };
            world.set(health);
            outage_ends = step + 1 + u32::try_from(dice.below(longest)).expect("a small number");
        }
        falls.store(dice.below(40) == 0, Ordering::SeqCst);
        let name = format!("replica-{}-{step}", dice.below(3));
        let replica = Replica::new(&name, db.store.clone(), &clock, &world, None);
        let tick = Box::pin(replica.tick());
        let crash = Box::pin(fallen.notified());
        if let Either::Right(((), tick)) = select(tick, crash).await {
            drop(tick);
            crashes += 1;
        }
    }
    world.no_hook();
    world.set(Health::Fine);
    first.pass(3 * DAY, STEP).await;
    let counts = db.store.connection_counts().await.expect("it counts");
    let connected: u64 =
        counts.iter().filter(|each| each.standing == Standing::CONNECTED).map(|each| each.amount).sum();
    let elapsed = clock.now().duration_since(start_of_time());
    let calls = world.calls("refresh").len();
    eprintln!(
        "seed {seed}: {elapsed:?}, {outages} outages, {crashes} crashes, {calls} calls, {connected} of {CONNECTIONS} connected"
    );
    assert!(crashes > 3, "{crashes} crashes");
    assert_eq!(connected, CONNECTIONS as u64, "seed {seed}: {counts:?}");
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_in_a_year_of_outages_and_crashes() {
    for seed in [1, 2] {
        year(seed).await;
    }
}
