//! Places for requests under way: bounded in all, and shared so that no address can take them from
//! everybody else.
//!
//! A place is for our work, not for waiting: a request whose body is still arriving gives its place
//! back until the body is complete ([`Admitted::while_waiting`]), so slow bodies keep nobody out.
//! They still hold memory, which is bounded too: [`super::large_bodies`] limits how many bodies
//! above [`SMALL_BODY`] are buffered at once.
//!
//! Fairness matters only when places are scarce. While there is room, one address may use all of
//! it: it may be an office, or a proxy missing from the configuration. The last places are reserved
//! for addresses with few requests under way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::large_bodies::{LargeBodies, LargeBody};
use super::problem::{Problem, ProblemCode, RequestCode, ServerCode};
use crate::client_address::ClientAddress;
use crate::lock::Lock;
use futures_util::future::poll_immediate;

/// Bodies up to this size, in bytes, may be buffered for every connection at a time.
pub const SMALL_BODY: usize = 16 * 1024;
/// Requests under way of an address that may still have one of the reserved places.
const FEW: usize = 16;

/// How many requests may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Places for all addresses together.
    pub in_all: usize,
    /// Further places for addresses that hold fewer than sixteen.
    pub reserved: usize,
    /// Places for one address; `None` means no limit of its own.
    pub per_address: Option<usize>,
}

/// The places.
#[derive(Debug, Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: RequestLimits,
    taken: Lock<Taken>,
    large_bodies: LargeBodies,
}

/// Holds an entry for each address with a request under way, hence never more than there are
/// places.
#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<ClientAddress, usize>,
}

/// Problems that a request without a place is answered with.
pub(super) const PROBLEMS: [ProblemCode; 2] =
    [ProblemCode::Server(ServerCode::Overloaded), ProblemCode::Request(RequestCode::TooManyRequests)];

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// There is no place left.
    NoPlace,
    /// Its address has as many as the configuration allows it.
    AddressHasEnough,
}

impl From<TurnedAway> for Problem {
    fn from(why: TurnedAway) -> Self {
        let problem = match why {
            TurnedAway::NoPlace => Self::new(ServerCode::Overloaded),
            TurnedAway::AddressHasEnough => Self::new(RequestCode::TooManyRequests),
        };
        problem.with_retry_after(Some(std::time::Duration::from_secs(1)))
    }
}

impl Admission {
    /// An admission with all places free.
    pub fn new(limits: RequestLimits) -> Self {
        let large_bodies = LargeBodies::default();
        Self { shared: Arc::new(Shared { limits, taken: Lock::default(), large_bodies }) }
    }

    /// A place for a request of that address.
    pub fn admit(&self, address: ClientAddress) -> Result<Admitted, TurnedAway> {
        self.take(address)?;
        let (admission, has_place) = (self.clone(), Lock::new(true));
        Ok(Admitted(Arc::new(Held { admission, address, has_place })))
    }

    /// Requests that hold a place.
    pub fn under_way(&self) -> usize {
        self.shared.taken.lock().in_all
    }

    /// Addresses with a request under way.
    pub(super) fn addresses(&self) -> usize {
        self.shared.taken.lock().by_address.len()
    }

    /// Bodies above [`SMALL_BODY`] that are being buffered.
    pub(super) fn large_bodies(&self) -> usize {
        self.shared.large_bodies.len()
    }

    fn take(&self, address: ClientAddress) -> Result<(), TurnedAway> {
        let RequestLimits { in_all, reserved, per_address } = self.shared.limits;
        let mut taken = self.shared.taken.lock();
        let taken = &mut *taken;
        let own = taken.by_address.entry(address);
        let has = match &own {
            Entry::Occupied(own) => *own.get(),
            Entry::Vacant(_) => 0,
        };
        if per_address.is_some_and(|most| has >= most) {
            return Err(TurnedAway::AddressHasEnough);
        }
        let room = if has < FEW { in_all.saturating_add(reserved) } else { in_all };
        if taken.in_all >= room {
            return Err(TurnedAway::NoPlace);
        }
        taken.in_all += 1;
        *own.or_default() += 1;
        Ok(())
    }

    fn give_back(&self, address: ClientAddress) {
        let mut taken = self.shared.taken.lock();
        taken.in_all = taken.in_all.saturating_sub(1);
        if let Entry::Occupied(mut own) = taken.by_address.entry(address) {
            let left = own.get().saturating_sub(1);
            if left == 0 {
                own.remove();
            } else {
                own.insert(left);
            }
        }
    }
}

/// A request that was admitted. Its place is free again when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Admitted(Arc<Held>);

#[derive(Debug)]
struct Held {
    admission: Admission,
    address: ClientAddress,
    /// `false` while the client keeps us waiting.
    has_place: Lock<bool>,
}

impl Held {
    fn give_back(&self) {
        if std::mem::take(&mut *self.has_place.lock()) {
            self.admission.give_back(self.address);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Admitted {
    /// Gives the place back where the client keeps us waiting, and takes one again afterwards, if
    /// there is one.
    pub async fn while_waiting<T>(&self, waiting: impl Future<Output = T>) -> Result<T, TurnedAway> {
        let mut waiting = pin!(waiting);
        // Most bodies come with their header.
        if let Some(came) = poll_immediate(&mut waiting).await {
            return Ok(came);
        }
        let Held { admission, address, .. } = &*self.0;
        self.0.give_back();
        let came = waiting.await;
        admission.take(*address)?;
        *self.0.has_place.lock() = true;
        Ok(came)
    }

    /// The right to buffer a body above [`SMALL_BODY`].
    pub fn large_body(&self) -> LargeBody {
        self.0.admission.shared.large_bodies.take(self.0.address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(n: u8) -> ClientAddress {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)).into()
    }

    fn admission(in_all: usize, reserved: usize, per_address: Option<usize>) -> Admission {
        Admission::new(RequestLimits { in_all, reserved, per_address })
    }

    async fn later<T>(what: impl FnOnce() -> T) -> T {
        tokio::task::yield_now().await;
        what()
    }

    #[test]
    fn one_address_may_use_all_the_room_there_is_but_not_what_is_reserved() {
        let admission = admission(100, 20, None);
        let held: Vec<_> = (0..100).map(|_| admission.admit(address(1)).unwrap()).collect();
        assert_eq!(admission.admit(address(1)).unwrap_err(), TurnedAway::NoPlace);
        let few: Vec<_> = (0..FEW).map(|_| admission.admit(address(2)).unwrap()).collect();
        assert_eq!(admission.admit(address(2)).unwrap_err(), TurnedAway::NoPlace);
        let _fewer: Vec<_> = (0..4).map(|_| admission.admit(address(3)).unwrap()).collect();
        assert_eq!(
            admission.admit(address(4)).unwrap_err(),
            TurnedAway::NoPlace,
            "the reserve has an end too"
        );
        drop((held, few));
        admission.admit(address(1)).unwrap();
    }

    #[test]
    fn a_configured_bound_is_each_addresss_own() {
        let admission = admission(100, 20, Some(3));
        let held: Vec<_> = (0..3).map(|_| admission.admit(address(1)).unwrap()).collect();
        assert_eq!(admission.admit(address(1)).unwrap_err(), TurnedAway::AddressHasEnough);
        admission.admit(address(2)).unwrap();
        drop(held);
        admission.admit(address(1)).unwrap();
    }

    #[test]
    fn nothing_is_kept_of_addresses_without_a_request_under_way() {
        let admission = admission(10, 0, None);
        for n in 0..=255 {
            admission.admit(address(n)).unwrap();
        }
        assert_eq!((admission.under_way(), admission.shared.taken.lock().by_address.len()), (0, 0));
    }

    #[tokio::test]
    async fn who_waits_for_the_client_holds_no_place() {
        let admission = admission(1, 0, None);
        let waiting = admission.admit(address(1)).unwrap();
        let other = waiting.while_waiting(later(|| admission.admit(address(2)).unwrap())).await;
        assert_eq!(
            other.unwrap_err(),
            TurnedAway::NoPlace,
            "its place was taken meanwhile, and is again free"
        );
        let came = waiting.while_waiting(later(|| admission.under_way())).await;
        assert_eq!((came, admission.under_way()), (Ok(0), 1));
        let at_once = waiting.while_waiting(async { admission.under_way() }).await;
        assert_eq!(at_once, Ok(1), "who does not keep us waiting keeps the place");
        drop(waiting);
        assert_eq!(admission.under_way(), 0);
    }
}
