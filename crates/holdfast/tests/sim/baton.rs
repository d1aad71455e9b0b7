//! The baton: of all that the replicas want to do next, one thing at a time happens, in an order
//! that the seed decides.
//!
//! A task that crosses a seam (the network, the database) draws a ticket for the moment of the
//! crossing, and sleeps. The loop in `run` hands out the tickets one by one and moves the time to
//! each. Nothing else runs meanwhile but the real database, which is waited for: so a seed gives
//! the same year, to the last step.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use holdfast::clock::{Clock, from_millis};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::dice::{Dice, Trace};

/// True time, in unix milliseconds.
pub type Millis = i64;

pub const SECOND: Millis = 1000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;

pub struct Baton {
    inner: Mutex<Inner>,
    /// Set while the database works for the one who has the baton.
    in_use: AtomicBool,
}

struct Inner {
    now: Millis,
    drawn: u64,
    tickets: BinaryHeap<Reverse<Ticket>>,
    dice: Dice,
    trace: Trace,
}

/// A place in the queue.
pub struct Ticket {
    at: Millis,
    number: u64,
    pub replica: usize,
    call: oneshot::Sender<()>,
}

impl Ticket {
    /// Whether anybody still waits: not after a crash.
    pub fn is_void(&self) -> bool {
        self.call.is_closed()
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Ticket {}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl fmt::Debug for Baton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Baton")
    }
}

impl Baton {
    pub fn new(now: Millis, seed: u64) -> Arc<Self> {
        let inner = Inner {
            now,
            drawn: 0,
            tickets: BinaryHeap::new(),
            dice: Dice::new(seed, 1),
            trace: Trace::default(),
        };
        Arc::new(Self { inner: Mutex::new(inner), in_use: AtomicBool::new(false) })
    }

    pub fn now(&self) -> Millis {
        self.inner.lock().unwrap().now
    }

    pub fn trace(&self) -> Trace {
        self.inner.lock().unwrap().trace
    }

    /// Notes something for the digest.
    pub fn note(&self, what: u64) {
        self.inner.lock().unwrap().trace.add(what);
    }

    /// Draws from the dice that everything shares which happens in the order of the baton.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut self.inner.lock().unwrap().dice)
    }

    /// Resolves when it is this one's turn, not before `delay` has passed.
    pub async fn turn(&self, replica: usize, delay: Millis) {
        let called = {
            let mut inner = self.inner.lock().unwrap();
            let at = inner.now + delay;
            inner.ticket(at, replica)
        };
        if called.await.is_err() {
            // The simulation is over.
            std::future::pending::<()>().await;
        }
    }

    /// When the next turn is; what was given up is forgotten.
    pub fn next_at(&self) -> Option<Millis> {
        let mut inner = self.inner.lock().unwrap();
        while inner.tickets.peek().is_some_and(|Reverse(ticket)| ticket.is_void()) {
            inner.tickets.pop();
        }
        inner.tickets.peek().map(|Reverse(ticket)| ticket.at)
    }

    /// The next turn, with the time moved to it.
    pub fn take(&self) -> Option<Ticket> {
        let mut inner = self.inner.lock().unwrap();
        let Reverse(ticket) = inner.tickets.pop()?;
        inner.now = inner.now.max(ticket.at);
        let (now, replica) = (inner.now, ticket.replica);
        inner.trace.add(now.unsigned_abs() ^ ((replica as u64) << 56));
        Some(ticket)
    }

    /// Puts a ticket back for later: its replica stands still.
    pub fn put_back(&self, ticket: Ticket, at: Millis) {
        self.inner.lock().unwrap().tickets.push(Reverse(Ticket { at, ..ticket }));
    }

    pub fn call(ticket: Ticket) {
        // An error means a crash in between.
        let _ = ticket.call.send(());
    }

    pub fn advance_to(&self, at: Millis) {
        let mut inner = self.inner.lock().unwrap();
        inner.now = inner.now.max(at);
    }

    /// Says that the database works, until [`Baton::rest`].
    pub fn work(&self) {
        let before = self.in_use.swap(true, Ordering::SeqCst);
        assert!(!before, "two operations at once");
    }

    pub fn rest(&self) {
        self.in_use.store(false, Ordering::SeqCst);
    }

    pub fn is_working(&self) -> bool {
        self.in_use.load(Ordering::SeqCst)
    }
}

impl Inner {
    fn ticket(&mut self, at: Millis, replica: usize) -> oneshot::Receiver<()> {
        let (call, called) = oneshot::channel();
        self.drawn += 1;
        self.tickets.push(Reverse(Ticket { at, number: self.drawn, replica, call }));
        called
    }
}

/// What a replica's own clock shows: the true time and its error.
#[derive(Debug)]
pub struct ReplicaClock {
    pub baton: Arc<Baton>,
    pub replica: usize,
    /// In milliseconds; jumps.
    pub error: Arc<AtomicI64>,
}

impl Clock for ReplicaClock {
    fn now(&self) -> Timestamp {
        from_millis(self.baton.now() + self.error.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let (baton, replica, error) = (self.baton.clone(), self.replica, self.error.clone());
        Box::pin(async move {
            // The clock may jump meanwhile, so look again now and then, as the system's clock does.
            loop {
                let left = at.as_millisecond() - (baton.now() + error.load(Ordering::SeqCst));
                if left <= 0 {
                    return;
                }
                baton.turn(replica, left.min(10 * MINUTE)).await;
            }
        })
    }
}
