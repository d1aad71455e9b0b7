//! Places for connections. When all are taken, a newcomer does not wait for long: of the address
//! with most connections, those that have kept the server waiting longest are closed. Connections
//! that never sent a request go first, whatever their address: one address may be a proxy whose
//! kept connections serve everybody.
//!
//! So no limit per address is needed, which would be too low for an office behind one address and
//! too high for an attacker: a client that takes every place loses its own. A connection with a
//! request under way is never closed, nor one whose request may still be on its way: it has a
//! moment for its first bytes, and looks into its socket before it closes. Requests and event
//! streams have bounds of their own, below the number of places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::watch::Watch;
use crate::client_address::ClientAddress;
use crate::clock::{SharedClock, after};
use crate::metric::Metric;

/// Divisor of all places that gives how many are closed at once: finding them walks over all
/// connections.
const PART: usize = 64;
/// Time that a connection has for its first bytes before it can be closed: they may be on their
/// way. The places of the silent, divided by this, bound how many newcomers are let in.
const GRACE: Duration = Duration::from_millis(5);
/// Divisor of all places that gives how many are left to those who have only just come, before
/// connections that have asked are closed for newcomers.
const ARRIVING: usize = 8;
/// Time between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);

const OPEN: Metric = Metric::gauge(
    "http_connections",
    "Open connections of the public listener",
    "Compare with `HOLDFAST_MAX_CONNECTIONS`, or with the lower number that the log names at start if the limit of \
            open files is too low.",
);
const CLOSED: Metric = Metric::counter(
    "http_connections_closed_for_room",
    "Idle or slow connections that were closed because all connection slots were taken",
    "A steady rise is a flood of connections; the log names the address with the most.",
);

/// What is counted of connections, in the order of the reference page.
pub const TABLE: &[Metric] = &[OPEN, CLOSED];

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
    open: Arc<Mutex<Open>>,
    metrics: PlaceMetrics,
}

#[derive(Default)]
struct Open {
    next: u64,
    held: HashMap<u64, Held>,
    told: Option<Timestamp>,
}

struct Held {
    address: ClientAddress,
    watch: Watch,
}

/// Connections of one address, with the time since which each has kept the server waiting.
type Waiting<'a> = Vec<(Timestamp, &'a Held)>;

impl Places {
    pub(super) fn new(most: usize, clock: SharedClock, metrics: PlaceMetrics) -> Self {
        Self { most, clock, open: Arc::default(), metrics }
    }

    /// A place for a connection; `None` where all are taken, and others have been told to make
    /// room.
    pub(super) fn take(&self, address: ClientAddress, watch: &Watch) -> Option<Place> {
        let mut open = self.lock();
        if open.held.len() >= self.most {
            self.make_room(&mut open, "all connection slots are taken");
            return None;
        }
        let id = open.next;
        open.next += 1;
        open.held.insert(id, Held { address, watch: watch.clone() });
        self.metrics.open.inc();
        Some(Place { id, places: self.clone() })
    }

    /// Makes room where the operating system has no file handle for a further connection.
    pub(super) fn cannot_accept(&self, error: &io::Error) {
        let mut open = self.lock();
        if !self.make_room(&mut open, "a connection cannot be accepted") && self.may_tell(&mut open.told) {
            tracing::warn!(%error, "a connection cannot be accepted, and no waiting connection can be closed");
        }
    }

    /// Closes waiting connections; `false` where there are none.
    fn make_room(&self, open: &mut Open, why: &'static str) -> bool {
        let Open { held: all, told, .. } = open;
        let (now, mut arriving) = (self.clock.now(), 0);
        let mut of_address: HashMap<ClientAddress, (usize, Waiting<'_>, Waiting<'_>)> = HashMap::new();
        for held in all.values() {
            if held.watch.is_cut() {
                // Room is being made already.
                return true;
            }
            let (all, silent, asked) = of_address.entry(held.address).or_default();
            *all += 1;
            match (held.watch.has_asked(), held.watch.waiting_since()) {
                (true, Some(since)) => asked.push((since, held)),
                (true, None) => {}
                // Later than now: the clock was set back.
                (false, Some(since)) if now < since || after(since, GRACE) <= now => {
                    silent.push((since, held));
                }
                (false, _) => arriving += 1,
            }
        }
        let busiest = |wanted: fn(&(usize, Waiting<'_>, Waiting<'_>)) -> usize| {
            of_address
                .iter()
                .filter(|(_, held)| wanted(held) > 0)
                .max_by_key(|(address, held)| (wanted(held), Reverse(**address)))
                .map(|(address, held)| (*address, held))
        };
        let (address, has, waiting) = if let Some((address, held)) = busiest(|held| held.1.len()) {
            (address, held.0, &held.1)
        } else if arriving >= (self.most / ARRIVING).max(1) {
            // Within `GRACE`, they ask or can be closed.
            return true;
        } else if let Some((address, held)) = busiest(|held| if held.2.is_empty() { 0 } else { held.0 }) {
            (address, held.0, &held.2)
        } else {
            return false;
        };
        let mut waiting: Vec<_> = waiting.iter().collect();
        waiting.sort_by_key(|(since, _)| *since);
        waiting.truncate((self.most / PART).max(1));
        for (_, held) in &waiting {
            held.watch.cut();
        }
        let closed = waiting.len();
        self.metrics.closed.inc_by(closed as u64);
        if self.may_tell(told) {
            // The one place where a client's address is logged: an operator may have to block it.
            tracing::warn!(
                %address,
                has,
                closed,
                most = self.most,
                "{why}; closing the connections that have kept the server waiting longest"
            );
        }
        true
    }

    /// Whether the log has been quiet for long enough.
    fn may_tell(&self, told: &mut Option<Timestamp>) -> bool {
        let now = self.clock.now();
        let may = told.is_none_or(|told| now < told || after(told, TELL_EVERY) <= now);
        if may {
            *told = Some(now);
        }
        may
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place; given back when dropped.
pub(super) struct Place {
    id: u64,
    places: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().held.remove(&self.id);
        self.places.metrics.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::Version;

    use super::super::ServerLimits;
    use super::*;
    use crate::clock::{ManualClock, from_millis};

    fn address(n: u8) -> ClientAddress {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)).into()
    }

    struct Scene {
        clock: ManualClock,
        places: Places,
    }

    impl Scene {
        fn new(most: usize) -> Self {
            let clock = ManualClock::new(from_millis(1_750_000_000_000));
            Self { places: Places::new(most, Arc::new(clock.clone()), PlaceMetrics::default()), clock }
        }

        /// A silent connection, a second after the one before.
        fn connect(&self, from: u8) -> (Watch, Option<Place>) {
            self.clock.advance(Duration::from_secs(1));
            let watch = Watch::new(&ServerLimits::default(), Arc::new(self.clock.clone()));
            watch.nothing_came();
            let place = self.places.take(address(from), &watch);
            (watch, place)
        }
    }

    #[test]
    fn the_longest_waited_for_of_the_busiest_address_makes_room() {
        let scene = Scene::new(4);
        let good = scene.connect(1);
        let flood: Vec<_> = (0..3).map(|_| scene.connect(2)).collect();
        let (_, none) = scene.connect(3);
        assert!(none.is_none());
        let cut: Vec<_> = [&good].into_iter().chain(&flood).map(|(watch, _)| watch.is_cut()).collect();
        assert_eq!(cut, [false, true, false, false]);
        assert!(scene.connect(3).1.is_none(), "it is not gone yet");
        assert!(!flood[1].0.is_cut(), "and nobody else has to go for it");
        let mut flood = flood.into_iter();
        drop(flood.next());
        assert!(scene.connect(3).1.is_some());
    }

    #[test]
    fn connections_at_which_we_work_are_left_alone() {
        let scene = Scene::new(3);
        let busy: Vec<_> = (0..2).map(|_| scene.connect(2)).collect();
        let requests: Vec<_> = busy.iter().map(|(watch, _)| watch.request_begins(Version::HTTP_11)).collect();
        let idle = scene.connect(1);
        assert!(scene.connect(2).1.is_none());
        assert!(idle.0.is_cut(), "the only one that keeps us waiting, though its address has fewer");
        drop(idle);
        let last = scene.connect(1);
        let _request = last.0.request_begins(Version::HTTP_11);
        assert!(scene.connect(3).1.is_none());
        assert!(busy.iter().chain([&last]).all(|(watch, _)| !watch.is_cut()));
        drop(requests);
        assert!(scene.connect(3).1.is_none());
        assert_eq!(busy.iter().filter(|(watch, _)| watch.is_cut()).count(), 1);
    }

    #[test]
    fn a_body_that_does_not_come_keeps_us_waiting_too() {
        let scene = Scene::new(1);
        let (watch, _place) = scene.connect(1);
        let _request = watch.request_begins(Version::HTTP_11);
        let body = watch.body_awaited();
        assert!(scene.connect(2).1.is_none());
        assert!(watch.is_cut());
        drop(body);
        assert_eq!(watch.waiting_since(), None);
    }

    #[test]
    fn who_never_asked_goes_before_a_proxys_kept_connections() {
        let scene = Scene::new(4);
        let kept: Vec<_> = (0..3).map(|_| scene.connect(1)).collect();
        for (watch, _) in &kept {
            drop(watch.request_begins(Version::HTTP_11));
        }
        let silent = scene.connect(2);
        assert!(scene.connect(3).1.is_none());
        assert!(silent.0.is_cut(), "though its address has one only, and the others have waited longer");
        assert!(kept.iter().all(|(watch, _)| !watch.is_cut()));
    }

    #[test]
    fn who_waits_for_us_is_not_closed() {
        let scene = Scene::new(1);
        let unread = Watch::new(&ServerLimits::default(), Arc::new(scene.clock.clone()));
        let _place = scene.places.take(address(1), &unread);
        assert!(scene.connect(2).1.is_none());
        assert!(!unread.is_cut(), "its request may be there: we have not looked yet");
        unread.nothing_came();
        assert!(scene.connect(2).1.is_none());
        assert!(unread.is_cut());
    }

    #[test]
    fn who_has_only_just_come_is_not_closed() {
        let scene = Scene::new(1);
        let (watch, _place) = scene.connect(1);
        let other = Watch::new(&ServerLimits::default(), Arc::new(scene.clock.clone()));
        scene.clock.advance(GRACE / 2);
        assert!(scene.places.take(address(2), &other).is_none());
        assert!(!watch.is_cut(), "its request may be on its way");
        scene.clock.advance(GRACE / 2);
        assert!(scene.places.take(address(2), &other).is_none());
        assert!(watch.is_cut());
    }

    #[test]
    fn who_has_asked_goes_where_next_to_nobody_has_just_come() {
        let scene = Scene::new(2 * ARRIVING);
        let asked = |_| {
            let (watch, place) = scene.connect(1);
            drop(watch.request_begins(Version::HTTP_11));
            (watch, place)
        };
        let come = || {
            let watch = Watch::new(&ServerLimits::default(), Arc::new(scene.clock.clone()));
            let place = scene.places.take(address(2), &watch);
            (watch, place)
        };
        let mut kept: Vec<_> = (2..2 * ARRIVING).map(asked).collect();
        let (first, second) = (come(), come());
        assert!(come().1.is_none());
        assert!(kept.iter().all(|(watch, _)| !watch.is_cut()), "both will ask, or can be closed soon");
        drop(second);
        kept.push(asked(0));
        assert!(come().1.is_none());
        assert_eq!(kept.iter().filter(|(watch, _)| watch.is_cut()).count(), 1);
        assert!(!first.0.is_cut());
    }

    #[test]
    fn room_is_made_where_file_handles_run_out_before_places_do() {
        let scene = Scene::new(64);
        let silent = scene.connect(2);
        scene.clock.advance(GRACE);
        scene.places.cannot_accept(&io::Error::other("too many open files"));
        assert!(silent.0.is_cut());
        assert_eq!(scene.places.metrics.closed.get(), 1);
    }
}
