//! What goes wrong in a year, by seed.

use super::baton::{DAY, HOUR, MINUTE, Millis, SECOND};
use super::dice::Dice;
use super::instagram::{Death, Health};

/// Something that happens to the world.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Health(Health),
    /// The line to Instagram is cut, or mended.
    Instagram {
        replica: usize,
        cut: bool,
    },
    /// The line to the database is cut, or mended.
    Database {
        replica: usize,
        cut: bool,
    },
    /// The replica's clock is wrong by so much from now on.
    Clock {
        replica: usize,
        error: Millis,
    },
    /// The replica dies after so many more steps.
    Crash {
        replica: usize,
        steps: u64,
    },
    /// The replica stands still.
    Still {
        replica: usize,
        during: Millis,
    },
    /// A person ends it at Instagram.
    Dies {
        account: usize,
        death: Death,
    },
    /// A person takes another handle.
    Renames {
        account: usize,
    },
}

/// How much shall happen.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub seed: u64,
    pub start: Millis,
    pub days: i64,
    pub connections: usize,
    pub replicas: usize,
    /// The furthest that a clock jumps, either way.
    pub furthest_jump: Millis,
}

impl Extent {
    pub fn end(&self) -> Millis {
        self.start + self.days * DAY
    }
}

/// The longest outage. Every year has one.
pub const LONGEST_OUTAGE: Millis = 20 * DAY;
/// Before the end, Instagram is well for so long that what an outage left behind is caught up
/// with.
const FINE_AT_LAST: Millis = 5 * DAY;
/// One account in so many is ended by its owner within a year.
const LEAVERS: u64 = 50;

pub fn write(extent: Extent) -> Vec<(Millis, Event)> {
    let mut events = outages(extent);
    for replica in 0..extent.replicas {
        let mut dice = Dice::new(extent.seed, 100 + replica as u64);
        partitions(extent, replica, &mut dice, &mut events);
        clocks(extent, replica, &mut dice, &mut events);
        for at in times(extent, 4 * DAY, &mut dice) {
            events.push((at, Event::Crash { replica, steps: dice.below(400) }));
        }
        for at in times(extent, 15 * DAY, &mut dice) {
            events.push((at, Event::Still { replica, during: dice.between(10 * SECOND, 10 * MINUTE) }));
        }
    }
    database_outages(extent, &mut events);
    leavers(extent, &mut events);
    renamers(extent, &mut events);
    events.sort_by_key(|(at, _)| *at);
    events
}

/// Moments that come about once in `gap`, before the last fine days.
fn times(extent: Extent, gap: Millis, dice: &mut Dice) -> Vec<Millis> {
    let (mut times, mut at) = (Vec::new(), extent.start);
    loop {
        at += dice.between(gap / 10, gap * 19 / 10);
        if at >= extent.end() - FINE_AT_LAST {
            return times;
        }
        times.push(at);
    }
}

fn outages(extent: Extent) -> Vec<(Millis, Event)> {
    let mut dice = Dice::new(extent.seed, 2);
    let mut events = Vec::new();
    let last = extent.end() - FINE_AT_LAST;
    // The longest comes early enough that the grants which it made overdue would die within the
    // year.
    let longest_at = extent.start + dice.between(20 * DAY, (extent.days * DAY / 3).max(21 * DAY));
    let (mut at, mut longest_is_due) = (extent.start, true);
    loop {
        at += dice.between(2 * DAY, 24 * DAY);
        let (health, during) = if longest_is_due && at >= longest_at {
            longest_is_due = false;
            (Health::Down, LONGEST_OUTAGE)
        } else {
            bad_day(extent, &mut dice)
        };
        if at + during >= last {
            return events;
        }
        events.push((at, Event::Health(health)));
        at += during;
        events.push((at, Event::Health(Health::Fine)));
    }
}

fn bad_day(extent: Extent, dice: &mut Dice) -> (Health, Millis) {
    match dice.below(9) {
        0 => (Health::Down, dice.between(2 * DAY, 15 * DAY)),
        1 | 2 => (Health::Down, dice.between(HOUR, 2 * DAY)),
        3 => (Health::Down, dice.between(MINUTE, HOUR)),
        4 => (Health::RefusesAll, dice.between(10 * MINUTE, DAY)),
        5 => (Health::AppDeactivated, dice.between(HOUR, 3 * DAY)),
        8 => (Health::RefusesPermission, dice.between(10 * MINUTE, DAY)),
        // Twice what an ordinary hour needs.
        6 | 7 => {
            let allowed = extent.connections as u64 * 4 / (31 * 24);
            (Health::Limited(u32::try_from(allowed.max(20)).unwrap()), dice.between(6 * HOUR, 3 * DAY))
        }
        _ => unreachable!(),
    }
}

fn partitions(extent: Extent, replica: usize, dice: &mut Dice, events: &mut Vec<(Millis, Event)>) {
    for at in times(extent, 50 * DAY, dice) {
        let end = at + dice.between(MINUTE, 4 * DAY);
        events.push((at, Event::Instagram { replica, cut: true }));
        events.push((end, Event::Instagram { replica, cut: false }));
    }
    for at in times(extent, 50 * DAY, dice) {
        let end = at + dice.between(SECOND, DAY);
        events.push((at, Event::Database { replica, cut: true }));
        events.push((end, Event::Database { replica, cut: false }));
    }
}

/// The database is away for all.
fn database_outages(extent: Extent, events: &mut Vec<(Millis, Event)>) {
    let mut dice = Dice::new(extent.seed, 3);
    for at in times(extent, 60 * DAY, &mut dice) {
        let end = at + dice.between(SECOND, 12 * HOUR);
        for replica in 0..extent.replicas {
            events.push((at, Event::Database { replica, cut: true }));
            events.push((end, Event::Database { replica, cut: false }));
        }
    }
}

/// Every clock is a little wrong, and now and then one jumps and is put right again.
fn clocks(extent: Extent, replica: usize, dice: &mut Dice, events: &mut Vec<(Millis, Event)>) {
    let usual = dice.between(-2 * SECOND, 2 * SECOND);
    events.push((extent.start, Event::Clock { replica, error: usual }));
    for at in times(extent, 30 * DAY, dice) {
        let reach = if dice.once_in(3) { extent.furthest_jump } else { extent.furthest_jump.min(HOUR) };
        let error = dice.between(-reach, reach);
        events.push((at, Event::Clock { replica, error }));
        events.push((at + dice.between(SECOND, 12 * HOUR), Event::Clock { replica, error: usual }));
    }
}

fn leavers(extent: Extent, events: &mut Vec<(Millis, Event)>) {
    let mut dice = Dice::new(extent.seed, 4);
    for account in 0..extent.connections {
        let (leaves, day, how) = (dice.once_in(LEAVERS), dice.between(0, 365 * DAY), dice.below(3));
        if leaves && day < extent.days * DAY {
            let death = match how {
                0 => Death::PasswordChanged,
                1 => Death::Revoked,
                _ => Death::Unexplained,
            };
            events.push((extent.start + day, Event::Dies { account, death }));
        }
    }
}

/// One in so many takes another handle within a year.
const RENAMERS: u64 = 10;

fn renamers(extent: Extent, events: &mut Vec<(Millis, Event)>) {
    let mut dice = Dice::new(extent.seed, 9);
    for account in 0..extent.connections {
        let (renames, day) = (dice.once_in(RENAMERS), dice.between(0, 365 * DAY));
        if renames && day < extent.days * DAY {
            events.push((extent.start + day, Event::Renames { account }));
        }
    }
}
