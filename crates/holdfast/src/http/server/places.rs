//! Places for connections. When all are taken, whoever comes next is not kept waiting for one: those that we have waited
//! for longest are closed, of the address that has most connections.
//!
//! So no number of connections per address has to be chosen, which would be too low for an office behind one address and
//! too high for an attacker; and whoever takes every place is the one who loses them. A connection on which we are at
//! work is never closed: requests under way and event streams are bounded apart, below the number of places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::watch::Watch;
use crate::client_address::ClientAddress;
use crate::clock::{SharedClock, after};

/// Closed at once, as a part of all places: looking for them costs a walk over all connections.
const PART: usize = 64;
/// Between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Places {
    most: usize,
    clock: SharedClock,
    open: Arc<Mutex<Open>>,
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

impl Places {
    pub(super) fn new(most: usize, clock: SharedClock) -> Self {
        Self { most, clock, open: Arc::default() }
    }

    /// A place for a connection; where there is none, others are told to make room and `None` is the answer for now.
    pub(super) fn take(&self, address: ClientAddress, watch: &Watch) -> Option<Place> {
        let mut open = self.lock();
        if open.held.len() >= self.most {
            self.make_room(&mut open);
            return None;
        }
        let id = open.next;
        open.next += 1;
        open.held.insert(id, Held { address, watch: watch.clone() });
        Some(Place { id, places: self.clone() })
    }

    fn make_room(&self, open: &mut Open) {
        let mut by_address: HashMap<ClientAddress, Vec<&Held>> = HashMap::new();
        for held in open.held.values() {
            if held.watch.is_cut() {
                // Room is being made already.
                return;
            }
            by_address.entry(held.address).or_default().push(held);
        }
        let mut by_address: Vec<_> = by_address.into_iter().collect();
        by_address.sort_by_key(|(address, connections)| (Reverse(connections.len()), *address));
        for (address, connections) in by_address {
            let mut waiting: Vec<_> =
                connections.iter().filter_map(|held| Some((held.watch.waiting_since()?, *held))).collect();
            waiting.sort_by_key(|(since, _)| *since);
            waiting.truncate((self.most / PART).max(1));
            if waiting.is_empty() {
                continue;
            }
            for (_, held) in &waiting {
                held.watch.cut();
            }
            let (closed, has, now) = (waiting.len(), connections.len(), self.clock.now());
            if open.told.is_none_or(|told| now < told || after(told, TELL_EVERY) <= now) {
                open.told = Some(now);
                // The one place where a client's address is logged: an operator may have to block it.
                tracing::warn!(
                    %address,
                    has,
                    closed,
                    most = self.most,
                    "every place for connections is taken; closing those that have kept us waiting longest"
                );
            }
            return;
        }
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
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

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
            Self { places: Places::new(most, Arc::new(clock.clone())), clock }
        }

        /// A silent connection, a second after the one before.
        fn connect(&self, from: u8) -> (Watch, Option<Place>) {
            self.clock.advance(Duration::from_secs(1));
            let watch = Watch::new(&ServerLimits::default(), Arc::new(self.clock.clone()));
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
        let requests: Vec<_> = busy.iter().map(|(watch, _)| watch.request_begins()).collect();
        let idle = scene.connect(1);
        assert!(scene.connect(2).1.is_none());
        assert!(idle.0.is_cut(), "the only one that keeps us waiting, though its address has fewer");
        drop(idle);
        let last = scene.connect(1);
        let _request = last.0.request_begins();
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
        let _request = watch.request_begins();
        let body = watch.body_awaited();
        assert!(scene.connect(2).1.is_none());
        assert!(watch.is_cut());
        drop(body);
        assert_eq!(watch.waiting_since(), None);
    }
}
