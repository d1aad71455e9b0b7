//! Limits how many bodies above [`SMALL_BODY`](super::admission::SMALL_BODY) are buffered at once,
//! and thereby their memory.
//!
//! When all places are taken, the address with most of them loses its oldest body to the newcomer.
//! So stalled bodies keep nobody out, however many there are: a body sent in one go is never the
//! oldest.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::client_address::ClientAddress;
use crate::lock::Lock;

/// Large bodies buffered at once.
pub const LARGE_BODIES: usize = 128;

/// The places.
#[derive(Debug, Clone, Default)]
pub(super) struct LargeBodies {
    held: Arc<Lock<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    by_id: HashMap<u64, Body>,
}

#[derive(Debug)]
struct Body {
    address: ClientAddress,
    given_up: Arc<Notify>,
}

impl LargeBodies {
    /// A place for a body from that address; where none is free, another body is given up for it.
    pub(super) fn take(&self, address: ClientAddress) -> LargeBody {
        let mut held = self.held.lock();
        if held.by_id.len() >= LARGE_BODIES {
            held.give_one_up();
        }
        let id = held.next;
        held.next += 1;
        let given_up = Arc::new(Notify::new());
        held.by_id.insert(id, Body { address, given_up: Arc::clone(&given_up) });
        LargeBody { bodies: self.clone(), id, given_up }
    }

    /// Bodies that are being buffered.
    pub(super) fn len(&self) -> usize {
        self.held.lock().by_id.len()
    }
}

impl Held {
    /// Ids grow, so the smallest is the oldest.
    fn give_one_up(&mut self) {
        let mut of_address: HashMap<ClientAddress, (usize, u64)> = HashMap::new();
        for (id, body) in &self.by_id {
            let (count, oldest) = of_address.entry(body.address).or_insert((0, *id));
            *count += 1;
            *oldest = (*oldest).min(*id);
        }
        let chosen = of_address.values().max_by_key(|(count, oldest)| (*count, Reverse(*oldest)));
        if let Some(body) = chosen.and_then(|(_, oldest)| self.by_id.remove(oldest)) {
            body.given_up.notify_one();
        }
    }
}

/// The right to buffer a large body; given back when dropped.
#[derive(Debug)]
pub struct LargeBody {
    bodies: LargeBodies,
    id: u64,
    given_up: Arc<Notify>,
}

impl LargeBody {
    /// Resolves when the right is taken away, for somebody else's body.
    pub async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Drop for LargeBody {
    fn drop(&mut self) {
        self.bodies.held.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;

    use super::*;

    fn address(n: u8) -> ClientAddress {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)).into()
    }

    fn is_given_up(body: &LargeBody) -> bool {
        body.given_up().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_of_the_busiest_address_is_given_up() {
        let bodies = LargeBodies::default();
        let good = bodies.take(address(1));
        let flood: Vec<_> = (1..LARGE_BODIES).map(|_| bodies.take(address(2))).collect();
        let newcomer = bodies.take(address(3));
        assert_eq!(bodies.len(), LARGE_BODIES);
        assert!(is_given_up(&flood[0]));
        assert!(![&good, &flood[1], &newcomer].into_iter().any(is_given_up));
        drop((good, flood, newcomer));
        assert_eq!(bodies.len(), 0);
    }

    #[test]
    fn among_many_addresses_the_oldest_of_all_is_given_up() {
        let bodies = LargeBodies::default();
        let flood: Vec<_> =
            (0..LARGE_BODIES).map(|n| bodies.take(address(u8::try_from(n).unwrap()))).collect();
        let good = bodies.take(address(200));
        let next = bodies.take(address(201));
        let gone: Vec<_> = flood.iter().map(is_given_up).collect();
        assert!(gone[..2].iter().all(|gone| *gone) && !gone[2..].contains(&true));
        assert!(!is_given_up(&good) && !is_given_up(&next));
    }
}
