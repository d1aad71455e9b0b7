//! A real process, killed with SIGKILL wherever it touches time, randomness, the provider or the
//! database during a refresh or a connect, and then started again: before each operation of the
//! database, when that has done its work, and around each call of the provider.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use holdfast::clock::{Clock, ManualClock};
use holdfast::connection::State;
use holdfast::connection::attempt::AttemptStage;
use holdfast::entropy::{Entropy, EntropyExhausted, SystemEntropy};
use holdfast::store::{Link, Operation, Store, StoreError, StoreOptions};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::setup::{DAY, MINUTE, Replica, Seams, owner};
use super::world::{EFFECTS, RefreshEffect, World};
use crate::testing::database::on_each_engine;
use crate::testing::leaks;

const CHILD: &str = "grants::killed::child";

/// Kills the process at the n-th touch.
#[derive(Debug)]
struct Fuse {
    left: AtomicU32,
}

impl Fuse {
    fn touch(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let pid = std::process::id().to_string();
            Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
            loop {
                std::thread::park();
            }
        }
    }
}

struct Fused<T> {
    inner: T,
    fuse: Arc<Fuse>,
}

impl<T> fmt::Debug for Fused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fused")
    }
}

impl Clock for Fused<Arc<ManualClock>> {
    fn now(&self) -> Timestamp {
        self.fuse.touch();
        self.inner.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        self.inner.sleep_until(at)
    }
}

impl Entropy for Fused<SystemEntropy> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted> {
        self.fuse.touch();
        self.inner.fill(buffer)
    }
}

/// The line to the database: an operation begins, and has ended.
#[derive(Debug)]
struct FusedLine(Arc<Fuse>);

impl Link for FusedLine {
    fn enter(&self) -> BoxFuture<'_, Result<Box<dyn Operation>, StoreError>> {
        self.0.touch();
        let operation: Box<dyn Operation> = Box::new(FusedOperation(self.0.clone()));
        async { Ok(operation) }.boxed()
    }
}

struct FusedOperation(Arc<Fuse>);

impl Drop for FusedOperation {
    fn drop(&mut self) {
        self.0.touch();
    }
}

impl Operation for FusedOperation {
    fn committed(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }
}

/// What the parent tells the child, in the environment.
fn told(name: &str) -> Option<String> {
    std::env::var(format!("HOLDFAST_TEST_{name}")).ok()
}

fn effect_of(name: &str) -> RefreshEffect {
    EFFECTS.into_iter().find(|effect| format!("{effect:?}") == name).expect("an effect of a refresh")
}

/// Not a test of its own: the process that is killed. Does one tick, or completes the attempt that
/// it is told of.
#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child() {
    let Some(database) = told("DATABASE") else { return };
    leaks::keep_the_log();
    let clock = Arc::new(ManualClock::new(told("NOW").unwrap().parse().unwrap()));
    let world =
        World::stored(effect_of(&told("WORLD").unwrap()), clock.clone(), Path::new(&told("TOKENS").unwrap()));
    let options = StoreOptions { exclusive: false, ..StoreOptions::serve(database) };
    let store = Store::open(&options, clock.clone()).await.unwrap();
    let fuse = Arc::new(Fuse { left: AtomicU32::new(told("FUSE").unwrap().parse().unwrap()) });
    let store = store.over(Arc::new(FusedLine(fuse.clone())), clock.clone());
    let seams = Seams {
        clock: Arc::new(Fused { inner: clock.clone(), fuse: fuse.clone() }),
        entropy: Arc::new(Fused { inner: SystemEntropy, fuse: fuse.clone() }),
    };
    let journal = told("JOURNAL").unwrap();
    let one = Replica::over("child", store, seams, &clock, &world, Some(Path::new(&journal)));
    for call in ["refresh", "redeem", "extend"] {
        let fuse = fuse.clone();
        world.after(call, move |_| {
            fuse.touch();
            async {}.boxed()
        });
    }
    match (told("OWNER"), told("ATTEMPT"), told("COMPLETION")) {
        (Some(name), Some(attempt), Some(completion)) => {
            leaks::secret(&completion);
            let attempt = attempt.parse().unwrap();
            let done = one.connections.complete(&owner(&name), attempt, &completion.into()).await;
            assert_eq!(done.unwrap().state, State::Connected);
        }
        _ => drop(one.tick().await),
    }
}

fn log_beside(tokens: &Path) -> PathBuf {
    tokens.with_extension("log")
}

/// Whether the child was killed. `more` is told to it beside the rest.
fn run_child(
    database: &str,
    now: Timestamp,
    effect: RefreshEffect,
    tokens: &Path,
    journal: &Path,
    fuse: u32,
    more: &[(&str, &str)],
) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .envs(more.iter().map(|(name, value)| (format!("HOLDFAST_TEST_{name}"), value)))
        .args(["--exact", CHILD, "--ignored"])
        .env("HOLDFAST_TEST_DATABASE", database)
        .env("HOLDFAST_TEST_NOW", now.to_string())
        .env("HOLDFAST_TEST_WORLD", format!("{effect:?}"))
        .env("HOLDFAST_TEST_TOKENS", tokens)
        .env("HOLDFAST_TEST_JOURNAL", journal)
        .env("HOLDFAST_TEST_FUSE", fuse.to_string())
        .env(leaks::LOG_FILE, log_beside(tokens))
        .output()
        .expect("the child starts");
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_refresh_nothing_is_lost_but_what_only_the_dead_process_knew() {
    on_each_engine(async |db| {
        for effect in EFFECTS {
            let (mut points, mut lost) = (0, 0);
            loop {
                let tokens: PathBuf = db.directory.path().join(format!("{effect:?}-{points}"));
                let world = World::stored(effect, db.clock.clone(), &tokens);
                let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
                let name = format!("{effect:?}{points}").to_lowercase();
                let id = one.link(&name).await.id;
                one.clock.advance(31 * DAY);
                let url = db.options.url.expose_secret();
                let journal = db.directory.path().join("journal");
                let killed = run_child(url, one.clock.now(), effect, &tokens, &journal, points + 1, &[]);
                // A lease time later it is taken up again.
                let world = World::stored(effect, db.clock.clone(), &tokens);
                leaks::assert_clean(&log_beside(&tokens));
                let again = format!("again-{points}");
                let again = Replica::new(&again, db.store.clone(), &db.clock, &world, Some(&journal));
                again.clock.advance(4 * MINUTE);
                again.tick().await;
                if again.now(id).await.standing.state() == State::Connected
                    && world.is_alive(&again.token(&name).await.expect("a grant"))
                {
                    again.connections.disconnect(&owner(&name)).await.expect("it disconnects");
                } else {
                    // Instagram killed the old grant, and its answer died with the process.
                    assert_eq!(effect, RefreshEffect::OldDead, "lost at point {points}");
                    lost += 1;
                    again.connections.disconnect(&owner(&name)).await.expect("it disconnects");
                }
                if !killed {
                    break;
                }
                points += 1;
            }
            eprintln!("{effect:?}: killed at {points} points, lost at {lost}");
            assert!(points >= 30, "only {points} points");
            // Between the effect at Instagram and its answer, and between that and the file, where
            // nothing is waited for.
            assert!(lost <= 2, "lost at {lost} of {points} points");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_connect_nothing_is_lost_but_what_only_the_dead_process_knew() {
    on_each_engine(async |db| {
        let (effect, mut points, mut granted, mut lost) = (RefreshEffect::BothValid, 0, 0, Vec::new());
        loop {
            let tokens: PathBuf = db.directory.path().join(format!("connect-{points}"));
            let world = World::stored(effect, db.clock.clone(), &tokens);
            let journal = db.directory.path().join("journal");
            let one = format!("one-{points}");
            let one = Replica::new(&one, db.store.clone(), &db.clock, &world, None);
            let name = format!("c{points}");
            let (attempt, completion) = one.come_back(&name).await;
            let id = attempt.to_string();
            let more = [("OWNER", &*name), ("ATTEMPT", &id), ("COMPLETION", completion.expose_secret())];
            let url = db.options.url.expose_secret();
            let killed = run_child(url, one.clock.now(), effect, &tokens, &journal, points + 1, &more);
            // Once its claim has run out, and the code has rested, it is taken up again: by the
            // worker, or by the person.
            let world = World::stored(effect, db.clock.clone(), &tokens);
            leaks::assert_clean(&log_beside(&tokens));
            let again = format!("again-{points}");
            let again = Replica::new(&again, db.store.clone(), &db.clock, &world, Some(&journal));
            // A grant waits for longer than a code or a short-lived token does.
            let stage = again.store.attempt(attempt).await.unwrap().unwrap().stage;
            let is_granted = stage == AttemptStage::Granted;
            granted += u32::from(is_granted);
            again.clock.advance(if is_granted { 120 * MINUTE } else { 3 * MINUTE });
            if points % 2 == 0 {
                again.tick().await;
            }
            match again.connections.complete(&owner(&name), attempt, &completion).await {
                Ok(status) => {
                    assert_eq!(status.state, State::Connected);
                    assert!(world.is_alive(&again.token(&name).await.expect("a grant")));
                }
                Err(error) => {
                    assert!(!is_granted, "{error}");
                    lost.push(points);
                }
            }
            again.tick().await;
            if !killed {
                break;
            }
            points += 1;
        }
        eprintln!("killed at {points} points, {granted} with a grant, lost at {lost:?}");
        assert!(granted > 0);
        assert!(points >= 30, "only {points} points");
        // Between the effect at Instagram and its answer, and between that and the file, where
        // nothing is waited for.
        assert!(lost.len() <= 2, "lost at {lost:?} of {points} points");
        let left = std::fs::read_dir(db.directory.path().join("journal")).unwrap();
        let left: Vec<_> = left.map(|each| each.unwrap().path()).collect();
        assert!(left.iter().all(|path| path.extension().is_some_and(|each| each == "reserved")), "{left:?}");
    })
    .await;
}
