//! Who goes where places run short.

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
    fn connect(&self, from: u8) -> (Watch, Option<ConnectionPlace>) {
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
fn silent_connections_are_closed_before_the_last_place_is_taken() {
    let scene = Scene::new(2 * SPARE_PART);
    let mut silent: Vec<_> = (0..2 * SPARE_PART - 1).map(|_| scene.connect(2)).collect();
    let cut =
        |held: &[(Watch, Option<ConnectionPlace>)]| held.iter().filter(|(watch, _)| watch.is_cut()).count();
    assert_eq!(cut(&silent), 2 * SPARE_PART / SILENT_PART);
    assert!(silent[0].0.is_cut() && silent[1].0.is_cut(), "who has kept us waiting longest");
    let newcomer = scene.connect(1);
    assert!(newcomer.1.is_some(), "it need not wait until they have gone");
    silent.drain(..2);
    assert_eq!(cut(&silent), 0);
    // Those who have asked keep their places until the last is taken.
    let scene = Scene::new(2 * SPARE_PART);
    let kept: Vec<_> = (0..2 * SPARE_PART)
        .map(|_| {
            let (watch, place) = scene.connect(1);
            drop(watch.request_begins(Version::HTTP_11));
            (watch, place)
        })
        .collect();
    assert_eq!(cut(&kept), 0);
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
