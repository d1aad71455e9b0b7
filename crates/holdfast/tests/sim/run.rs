//! A year: hands out the baton, lets things go wrong, and keeps the books.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use holdfast::clock::{ManualClock, from_millis};
use holdfast::store::{Store, StoreOptions};
use holdfast::worker::Pace;

use super::baton::{Baton, HOUR, MINUTE, Millis, SECOND};
use super::dice::Dice;
use super::instagram::{Death, Health, Instagram, RefreshEffect};
use super::network::Place;
use super::oracle::Nights;
use super::population::link_all;
use super::replica::{Process, start};
use super::report::{Books, End, Report};
use super::script::{Event, Extent, write};
use super::sqlite::Sqlite;

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub extent: Extent,
    pub effect: RefreshEffect,
    pub pace: Pace,
    pub path: Path,
    /// Whether replicas have a journal.
    pub has_journal: bool,
}

/// How the statements reach SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// As in production: through sqlx, to a file.
    Sqlx,
    /// In this thread, to memory. Several times as fast.
    Short,
}

struct Simulation {
    plan: Plan,
    baton: Arc<Baton>,
    instagram: Arc<Instagram>,
    places: Vec<Arc<Place>>,
    processes: Vec<Option<Process>>,
    /// How many more steps each replica makes before it dies.
    fuses: Vec<Option<u64>>,
    /// When the dead ones begin anew.
    starts: Vec<Option<Millis>>,
    lives: u64,
    health: Health,
    /// Since when nobody could have refreshed anything.
    dark_since: Option<Millis>,
    nights: Nights,
    books: Books,
    dice: Dice,
}

/// Simulates a year over a new database; what it leaves in files is in `directory`.
pub async fn simulate(plan: Plan, directory: &std::path::Path) -> Report {
    let extent = plan.extent;
    let clock = Arc::new(ManualClock::new(from_millis(extent.start)));
    let database = match plan.path {
        Path::Sqlx => {
            let url = format!("sqlite://{}", directory.join("holdfast.db").display());
            Store::open(&StoreOptions::serve(url), clock.clone()).await.expect("the database opens")
        }
        Path::Short => Store::driven_by(Sqlite::open(), clock.clone()),
    };
    database.migrate().await.expect("the database migrates");
    let baton = Baton::new(extent.start, extent.seed);
    let instagram = Arc::new(Instagram::new(plan.effect, extent.connections, extent.replicas));
    let people = link_all(&database, &instagram, extent.connections, extent.start, extent.seed).await;
    let unknown: Arc<Mutex<Vec<usize>>> = Arc::default();
    let places =
        (0..extent.replicas).map(|replica| Place::new(replica, &baton, &instagram, &unknown)).collect();
    let mut simulation = Simulation {
        plan,
        baton: baton.clone(),
        instagram: instagram.clone(),
        places,
        processes: (0..extent.replicas).map(|_| None).collect(),
        fuses: vec![None; extent.replicas],
        starts: vec![Some(extent.start); extent.replicas],
        lives: 0,
        health: Health::Fine,
        dark_since: Some(extent.start),
        nights: Nights::default(),
        books: Books::default(),
        dice: Dice::new(extent.seed, 6),
    };
    simulation.pass(&database, &directory.join("journal")).await;
    clock.set(from_millis(extent.end()));
    let Simulation { nights, books, .. } = simulation;
    let unknown = unknown.lock().unwrap().clone();
    let end = End {
        plan,
        database: &database,
        instagram: &instagram,
        people: &people,
        nights: &nights,
        unknown: &unknown,
        books,
        trace: baton.trace(),
    };
    let report = end.judge().await;
    database.close().await;
    report
}

impl Simulation {
    async fn pass(&mut self, database: &Store, journal: &std::path::Path) {
        let end = self.plan.extent.end();
        let mut events = write(self.plan.extent).into_iter().peekable();
        loop {
            let event_at = events.peek().map_or(end, |(at, _)| *at);
            let start_at = self.starts.iter().flatten().min().copied().unwrap_or(end);
            let turn_at = self.baton.next_at().unwrap_or(end);
            let now = event_at.min(start_at).min(turn_at);
            if now >= end {
                break;
            }
            if event_at <= now {
                self.baton.advance_to(now);
                if let Some((_, event)) = events.next() {
                    self.happen(event);
                }
            } else if start_at <= now {
                self.baton.advance_to(now);
                self.begin(database, journal, now).await;
            } else {
                self.hand_out().await;
            }
            self.look_at_the_sky();
        }
        self.baton.advance_to(end);
        if let Some(since) = self.dark_since {
            self.nights.add(since, end);
        }
        self.processes.clear();
    }

    fn happen(&mut self, event: Event) {
        let now = self.baton.now();
        match event {
            Event::Health(health) => {
                self.books.outages += u32::from(health != Health::Fine);
                self.health = health;
                self.instagram.set(health);
            }
            Event::Instagram { replica, cut } => {
                self.books.partitions += u32::from(cut);
                self.places[replica].change(|place| count(&mut place.off_instagram, cut));
            }
            Event::Database { replica, cut } => {
                self.books.partitions += u32::from(cut);
                self.places[replica].change(|place| count(&mut place.off_database, cut));
            }
            Event::Clock { replica, error } => {
                self.books.jumps += 1;
                self.places[replica].error.store(error, Ordering::SeqCst);
                self.instagram.set_clock_error(replica, error);
                self.places[replica].change(|place| place.disturbed_at = now);
            }
            Event::Crash { replica, steps } => self.fuses[replica] = Some(steps),
            Event::Still { replica, during } => {
                self.books.stills += 1;
                self.places[replica].change(|place| {
                    place.still_until = now + during;
                    place.disturbed_at = now + during;
                });
            }
            Event::Dies { account, death } => {
                self.books.leavers += 1;
                self.books.unexplained += u32::from(death == Death::Unexplained);
                self.instagram.die(account, now, death);
            }
            Event::Renames { account } => {
                self.books.renamed += 1;
                self.instagram.rename(account, now);
            }
        }
        self.baton.note(now.unsigned_abs());
    }

    /// Begins the processes whose time has come.
    async fn begin(&mut self, database: &Store, journal: &std::path::Path, now: Millis) {
        for replica in 0..self.places.len() {
            if self.starts[replica].is_some_and(|at| at <= now) {
                self.starts[replica] = None;
                self.lives += 1;
                let life = self.plan.extent.seed.wrapping_mul(1_000_000).wrapping_add(self.lives);
                self.processes[replica] =
                    Some(start(&self.places[replica], database, journal, &self.plan, life));
                self.drive(replica).await;
            }
        }
    }

    /// The next turn.
    async fn hand_out(&mut self) {
        let Some(ticket) = self.baton.take() else { return };
        let replica = ticket.replica;
        let still_until = self.places[replica].condition().still_until;
        if still_until > self.baton.now() {
            self.baton.put_back(ticket, still_until);
            return;
        }
        match &mut self.fuses[replica] {
            Some(0) => {
                self.fuses[replica] = None;
                self.books.crashes += 1;
                self.processes[replica] = None;
                self.places[replica].forget();
                self.starts[replica] = Some(self.baton.now() + self.dice.between(SECOND, 20 * MINUTE));
                return;
            }
            Some(steps) => *steps -= 1,
            None => {}
        }
        self.books.turns += 1;
        Baton::call(ticket);
        self.drive(replica).await;
    }

    /// Runs a replica until it waits for its turn again, or sleeps. What the database does for it
    /// is waited for.
    async fn drive(&mut self, replica: usize) {
        let Some(process) = &mut self.processes[replica] else { return };
        let baton = &self.baton;
        poll_fn(|context| {
            let woken = Arc::new(Woken { flag: AtomicBool::new(false), outer: context.waker().clone() });
            let waker = Waker::from(woken.clone());
            let ended = process.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            assert!(!ended, "a worker ended by itself");
            // Woken by itself: it only made room for others.
            if baton.is_working() || woken.flag.load(Ordering::SeqCst) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Whether anybody could refresh anything now.
    fn look_at_the_sky(&mut self) {
        let now = self.baton.now();
        let light = self.health.answers()
            && self.places.iter().zip(&self.processes).any(|(place, process)| {
                let condition = place.condition();
                process.is_some() && condition.off_instagram == 0 && condition.off_database == 0
            });
        match (light, self.dark_since) {
            (false, None) => self.dark_since = Some(now),
            (true, Some(since)) => {
                self.nights.add(since, now);
                self.dark_since = None;
            }
            (true, None) | (false, Some(_)) => {}
        }
    }
}

fn count(partitions: &mut u32, cut: bool) {
    *partitions = if cut { *partitions + 1 } else { *partitions - 1 };
}

/// Tells whether a process was woken while it was polled.
struct Woken {
    flag: AtomicBool,
    outer: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}

/// How often a worker looks, at most and at least, where nothing else is asked for.
pub fn usual_pace() -> Pace {
    let time = |millis: Millis| std::time::Duration::from_millis(millis.unsigned_abs());
    Pace { shortest: time(10 * MINUTE), longest: time(6 * HOUR) }
}
