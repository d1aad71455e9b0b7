//! Places for connections. When all are taken, a newcomer does not wait for long: of the address
//! with most connections, those that have kept the server waiting longest are closed. Connections
//! that never sent a request go first, whatever their address: one address may be a proxy whose
//! kept connections serve everybody. Of these some are closed before the last place is taken.
//!
//! So no limit per address is needed, which would be too low for an office behind one address and
//! too high for an attacker: a client that takes every place loses its own. A connection with a
//! request under way is never closed, nor one whose request may still be on its way: it has a
//! moment for its first bytes, and looks into its socket before it closes. Requests and event
//! streams have bounds of their own, below the number of places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::watch::Watch;
use crate::client_address::ClientAddress;
use crate::clock::{SharedClock, Throttle, is_over};
use crate::lock::Lock;
use crate::metric::metrics;

/// Divisor of all places that gives how many connections that have asked are closed at once:
/// finding them walks over all.
const ASKED_PART: usize = 64;
/// The same for silent connections. More at once, because newcomers wait while they are closed.
const SILENT_PART: usize = 8;
/// Divisor of all places that gives how many are kept free of the silent, so that newcomers need
/// not wait until others have closed.
const SPARE_PART: usize = 8;
/// Time that a connection has for its first bytes before it can be closed: they may be on their
/// way. The places of the silent, divided by this, bound how many newcomers are let in.
const GRACE: Duration = Duration::from_millis(20);
/// Divisor of all places that gives how many are left to those who have only just come, before
/// connections that have asked are closed for newcomers.
const ARRIVING: usize = 8;
/// Time between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);

metrics! {
    /// What is counted of connections, in the order of the reference page.
    TABLE;
    OPEN = Gauge "http_connections",
        "Open connections of the public listener",
        "Compare with `HOLDFAST_MAX_CONNECTIONS`, or with the lower number that the log names at start if the limit of \
         open files is too low.";
    CLOSED = Counter "http_connections_closed_for_room",
        "Idle or slow connections that were closed because connection slots ran short or all were taken",
        "A steady rise is a flood of connections; the log names the address with the most.";
}

/// What is counted of connections.
#[derive(Debug, Clone, Default)]
pub struct PlaceMetrics {
    open: Gauge,
    closed: Counter,
}

impl PlaceMetrics {
    /// Makes the counters known.
    pub fn register(&self, registry: &mut Registry) {
        OPEN.register(registry, self.open.clone());
        CLOSED.register(registry, self.closed.clone());
    }
}

#[derive(Clone)]
pub(super) struct Places {
    most: usize,
    clock: SharedClock,
    open: Arc<Lock<Open>>,
    metrics: PlaceMetrics,
}

#[derive(Default)]
struct Open {
    next: u64,
    held: HashMap<u64, OpenConnection>,
    /// When it was last looked for silent connections ahead of need.
    looked_ahead: Throttle,
    told: Throttle,
}

struct OpenConnection {
    address: ClientAddress,
    watch: Watch,
}

/// The connections of one address. Those that can be closed, with the time since which each has
/// kept the server waiting.
#[derive(Default)]
struct OfAddress<'a> {
    all: usize,
    /// No request has ever begun on them.
    silent: Vec<(Timestamp, &'a OpenConnection)>,
    asked: Vec<(Timestamp, &'a OpenConnection)>,
}

/// All connections, by address.
#[derive(Default)]
struct Survey<'a> {
    of_address: HashMap<ClientAddress, OfAddress<'a>>,
    /// Silent, and too young to be closed.
    arriving: usize,
}

/// What is closed to make room: connections of one address, at most this many.
struct Choice<'a> {
    address: ClientAddress,
    has: usize,
    waiting: Vec<(Timestamp, &'a OpenConnection)>,
    most: usize,
}

impl<'a> Survey<'a> {
    /// `None` where room is being made already.
    fn of(all: &'a HashMap<u64, OpenConnection>, now: Timestamp) -> Option<Self> {
        let mut survey = Self::default();
        for held in all.values() {
            if held.watch.is_cut() {
                return None;
            }
            let of_address = survey.of_address.entry(held.address).or_default();
            of_address.all += 1;
            match (held.watch.has_asked(), held.watch.waiting_since()) {
                (true, Some(since)) => of_address.asked.push((since, held)),
                (true, None) => {}
                (false, Some(since)) if is_over(since, GRACE, now) => {
                    of_address.silent.push((since, held));
                }
                (false, Some(_) | None) => survey.arriving += 1,
            }
        }
        Some(survey)
    }

    /// Silent connections of the address that has most of them.
    fn silent(&mut self, places: usize) -> Option<Choice<'a>> {
        let busiest =
            |(address, of): &(&ClientAddress, &mut OfAddress<'_>)| (of.silent.len(), Reverse(**address));
        let (address, of) = self.of_address.iter_mut().max_by_key(busiest)?;
        let waiting = std::mem::take(&mut of.silent);
        let choice = Choice { address: *address, has: of.all, waiting, most: (places / SILENT_PART).max(1) };
        (!choice.waiting.is_empty()).then_some(choice)
    }

    /// Connections of the address that has most, among addresses with one that has asked.
    fn asked(&mut self, places: usize) -> Option<Choice<'a>> {
        let can_close = self.of_address.iter_mut().filter(|(_, of)| !of.asked.is_empty());
        let (address, of) = can_close.max_by_key(|(address, of)| (of.all, Reverse(**address)))?;
        let waiting = std::mem::take(&mut of.asked);
        Some(Choice { address: *address, has: of.all, waiting, most: (places / ASKED_PART).max(1) })
    }
}

impl Places {
    pub(super) fn new(most: usize, clock: SharedClock, metrics: PlaceMetrics) -> Self {
        Self { most, clock, open: Arc::default(), metrics }
    }

    /// A place for a connection; `None` where all are taken, and others have been told to make
    /// room.
    pub(super) fn take(&self, address: ClientAddress, watch: &Watch) -> Option<ConnectionPlace> {
        let mut open = self.open.lock();
        if open.held.len() >= self.most {
            self.make_room(&mut open, "all connection slots are taken");
            return None;
        }
        let id = open.next;
        open.next += 1;
        open.held.insert(id, OpenConnection { address, watch: watch.clone() });
        self.metrics.open.inc();
        self.make_room_ahead(&mut open);
        Some(ConnectionPlace { id, places: self.clone() })
    }

    /// Makes room where the operating system has no file handle for a further connection.
    pub(super) fn cannot_accept(&self, error: &io::Error) {
        let mut open = self.open.lock();
        if !self.make_room(&mut open, "a connection cannot be accepted")
            && open.told.admits(TELL_EVERY, self.clock.now())
        {
            tracing::warn!(%error, "a connection cannot be accepted, and no waiting connection can be closed");
        }
    }

    /// Closes waiting connections; `false` where there are none.
    fn make_room(&self, open: &mut Open, why: &'static str) -> bool {
        let Some(mut survey) = Survey::of(&open.held, self.clock.now()) else { return true };
        let choice = if let Some(silent) = survey.silent(self.most) {
            silent
        } else if survey.arriving >= (self.most / ARRIVING).max(1) {
            // Within `GRACE`, they ask or can be closed.
            return true;
        } else if let Some(asked) = survey.asked(self.most) {
            asked
        } else {
            return false;
        };
        self.close(choice, &mut open.told, why);
        true
    }

    /// Closes silent connections while some places are still free.
    fn make_room_ahead(&self, open: &mut Open) {
        let now = self.clock.now();
        let is_spare = self.most - open.held.len() >= self.most / SPARE_PART;
        // Not with every newcomer: next to nobody else can be closed yet.
        if is_spare || !open.looked_ahead.admits(GRACE / 4, now) {
            return;
        }
        if let Some(silent) = Survey::of(&open.held, now).and_then(|mut survey| survey.silent(self.most)) {
            self.close(silent, &mut open.told, "connection slots run short");
        }
    }

    fn close(&self, choice: Choice<'_>, told: &mut Throttle, why: &'static str) {
        let Choice { address, has, mut waiting, most } = choice;
        waiting.sort_by_key(|(since, _)| *since);
        waiting.truncate(most);
        for (_, held) in &waiting {
            held.watch.cut();
        }
        let closed = waiting.len();
        self.metrics.closed.inc_by(closed as u64);
        if told.admits(TELL_EVERY, self.clock.now()) {
            // The one place where a client's address is logged: an operator may have to block it.
            tracing::warn!(
                %address,
                has,
                closed,
                most = self.most,
                "{why}; closing the connections that have kept the server waiting longest"
            );
        }
    }
}

/// One place; given back when dropped.
pub(super) struct ConnectionPlace {
    id: u64,
    places: Places,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.places.open.lock().held.remove(&self.id);
        self.places.metrics.open.dec();
    }
}

#[cfg(test)]
mod tests;
