//! What lies between a replica and the rest: a network that delays, loses and is cut, towards
//! Instagram and towards the database.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use holdfast::store::{Link, Operation, StoreError};
use holdfast::transport::{Answer, Outgoing, Transport, TransportError};

use super::baton::{Baton, HOUR, MINUTE, Millis, SECOND};
use super::instagram::{Instagram, UnderWay, refreshed_account};

/// One in so many answers of Instagram is lost on the way.
const LOST: u64 = 2000;
/// One in so many is slower than anybody waits.
const SLOW: u64 = 2000;
/// A lease may have been claimed this long before a call.
const A_LEASE_AGO: Millis = 4 * MINUTE;

/// What is wrong with a replica's surroundings at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Condition {
    /// How many partitions cut it off from Instagram.
    pub off_instagram: u32,
    /// How many partitions cut it off from the database.
    pub off_database: u32,
    /// Nothing of it moves until then.
    pub still_until: Millis,
    /// When it last stood still or its clock last jumped.
    pub disturbed_at: Millis,
}

/// A replica's place in the network. Outlives the process.
pub struct Place {
    pub replica: usize,
    pub baton: Arc<Baton>,
    pub instagram: Arc<Instagram>,
    /// The error of its clock, in milliseconds.
    pub error: Arc<AtomicI64>,
    /// Whether what runs now runs for a person who has asked.
    pub visited: Arc<AtomicBool>,
    condition: Mutex<Condition>,
    /// Renewals that Instagram has made for this replica lately: should it crash now, they may be
    /// known to nobody else.
    handed_over: Mutex<VecDeque<(Millis, usize)>>,
    /// Renewals whose answer was lost.
    unknown: Arc<Mutex<Vec<usize>>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place {}", self.replica)
    }
}

impl Place {
    pub fn new(
        replica: usize,
        baton: &Arc<Baton>,
        instagram: &Arc<Instagram>,
        unknown: &Arc<Mutex<Vec<usize>>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            replica,
            baton: baton.clone(),
            instagram: instagram.clone(),
            error: Arc::default(),
            visited: Arc::default(),
            condition: Mutex::default(),
            handed_over: Mutex::default(),
            unknown: unknown.clone(),
        })
    }

    pub fn condition(&self) -> Condition {
        *self.condition.lock().unwrap()
    }

    pub fn change(&self, change: impl FnOnce(&mut Condition)) {
        change(&mut self.condition.lock().unwrap());
    }

    /// The process ends: what Instagram told it in the last minute may not have been stored.
    pub fn forget(&self) {
        let now = self.baton.now();
        let lately: Vec<usize> = self
            .handed_over
            .lock()
            .unwrap()
            .drain(..)
            .filter(|(at, _)| *at > now - MINUTE)
            .map(|(_, account)| account)
            .collect();
        self.unknown.lock().unwrap().extend(lately);
    }

    fn hand_over(&self, account: usize) {
        let now = self.baton.now();
        let mut handed_over = self.handed_over.lock().unwrap();
        while handed_over.front().is_some_and(|(at, _)| *at < now - HOUR) {
            handed_over.pop_front();
        }
        handed_over.push_back((now, account));
    }

    pub async fn pass(&self, delay: Millis) {
        self.baton.turn(self.replica, delay).await;
    }

    fn shown(&self) -> Millis {
        self.baton.now() + self.error.load(Ordering::SeqCst)
    }
}

/// A refresh that is waited for; ends with the wait, also in a crash.
struct Waiting<'a> {
    place: &'a Place,
    account: usize,
}

impl<'a> Waiting<'a> {
    fn new(place: &'a Place, account: usize) -> Self {
        let began = place.shown();
        let disturbed = place.condition().disturbed_at > place.baton.now() - A_LEASE_AGO;
        place.instagram.leaves(account, UnderWay { replica: place.replica, began, disturbed });
        Self { place, account }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.place.instagram.ends(self.account, self.place.replica);
    }
}

/// The way to Instagram.
#[derive(Debug)]
pub struct ToInstagram(pub Arc<Place>);

impl Transport for ToInstagram {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        Box::pin(async move {
            let place = &*self.0;
            let by_person = place.visited.load(Ordering::SeqCst);
            let patience = i64::try_from(request.timeout.as_millis()).unwrap();
            let account = refreshed_account(&request.url);
            let _waiting = account.map(|account| Waiting::new(place, account));
            let (out, back, lost, slow) = place.baton.draw(|dice| {
                (dice.between(10, 120), dice.between(10, 400), dice.once_in(LOST), dice.once_in(SLOW))
            });
            if place.condition().off_instagram > 0 {
                // Refused or swallowed: both happen.
                place.pass(if back % 2 == 0 { 20 } else { 5 * SECOND }).await;
                return Err(TransportError::Connect);
            }
            place.pass(out).await;
            let renewed = place.instagram.calls().renewed;
            let answer = place.instagram.answer(&request.url, &request.body, by_person, place.baton.now());
            let did_renew = place.instagram.calls().renewed > renewed;
            if let Some(account) = account.filter(|_| did_renew) {
                place.hand_over(account);
            }
            place.pass(if slow { patience } else { back }).await;
            if slow || lost || place.condition().off_instagram > 0 {
                if let Some(account) = account.filter(|_| did_renew) {
                    place.unknown.lock().unwrap().push(account);
                }
                return Err(if slow { TransportError::Timeout } else { TransportError::Broken });
            }
            Ok(answer)
        })
    }
}

/// The way to the database.
#[derive(Debug)]
pub struct ToDatabase(pub Arc<Place>);

impl ToDatabase {
    fn delay(&self) -> Millis {
        self.0.baton.draw(|dice| dice.between(0, 8))
    }
}

fn cut() -> StoreError {
    StoreError::Unavailable("the line is cut".to_owned())
}

impl Link for ToDatabase {
    fn enter(&self) -> BoxFuture<'_, Result<Box<dyn Operation>, StoreError>> {
        Box::pin(async move {
            self.0.pass(self.delay()).await;
            if self.0.condition().off_database > 0 {
                return Err(cut());
            }
            self.0.baton.work();
            Ok(Box::new(AtWork(self.0.clone())) as Box<dyn Operation>)
        })
    }
}

/// The database works for us.
struct AtWork(Arc<Place>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.baton.rest();
    }
}

impl Operation for AtWork {
    fn committed(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        let place = self.0.clone();
        drop(self);
        Box::pin(async move {
            place.pass(0).await;
            if place.condition().off_database > 0 { Err(cut()) } else { Ok(()) }
        })
    }
}
