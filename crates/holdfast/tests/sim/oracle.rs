//! The perfect refresher: knows when each outage ends, and asks once, at the first moment at which
//! it is due and will be answered; and how the account is described by then, which is a second
//! call.
//!
//! Written from the policy's definition alone (half of the lifetime, and up to a twentieth of that
//! later to spread the load); shares no code with what it judges.

use super::baton::Millis;
use super::dice::Dice;
use super::instagram::LIFETIME;

/// Times in which nobody could have refreshed anything. Sorted, apart from each other.
#[derive(Debug, Default)]
pub struct Nights {
    nights: Vec<(Millis, Millis)>,
}

impl Nights {
    /// Nights come in the order of their beginnings.
    pub fn add(&mut self, from: Millis, to: Millis) {
        match self.nights.last_mut() {
            Some((_, end)) if *end >= from => *end = to.max(*end),
            Some(_) | None => self.nights.push((from, to)),
        }
    }

    /// The first moment from `at` on that lies in no night.
    fn next_day(&self, at: Millis) -> Millis {
        let after = self.nights.partition_point(|(from, _)| *from <= at);
        match after.checked_sub(1).and_then(|last| self.nights.get(last)) {
            Some((_, end)) if *end > at => *end,
            Some(_) | None => at,
        }
    }

    pub fn total(&self) -> Millis {
        self.nights.iter().map(|(from, to)| to - from).sum()
    }
}

/// What became of a connection in perfect hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// Whether its grant lives at the end.
    pub kept: bool,
    /// How many calls that took.
    pub calls: u64,
}

/// Keeps a grant issued at `issued` alive until `end`, or until the person ends it at `died`.
pub fn keep(issued: Millis, died: Option<Millis>, end: Millis, nights: &Nights, dice: &mut Dice) -> Fate {
    let until = died.unwrap_or(end).min(end);
    let (mut issued, mut calls) = (issued, 0);
    loop {
        let due = issued + LIFETIME / 2 + spread(dice);
        let at = nights.next_day(due);
        if at >= until {
            // It may die before the end all the same.
            let alive = died.is_none() && issued + LIFETIME > end;
            return Fate { kept: alive, calls };
        }
        if at >= issued + LIFETIME {
            return Fate { kept: false, calls };
        }
        calls += 2;
        issued = at;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a lifetime in ms is far below 2^53"
)]
fn spread(dice: &mut Dice) -> Millis {
    ((LIFETIME / 2) as f64 * 0.05 * dice.fraction()) as Millis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::DAY;

    fn keep_through(nights: &[(Millis, Millis)], died: Option<Millis>) -> Fate {
        let mut all = Nights::default();
        for (from, to) in nights {
            all.add(from * DAY, to * DAY);
        }
        keep(0, died, 365 * DAY, &all, &mut Dice::new(1, 1))
    }

    #[test]
    fn an_undisturbed_year_takes_two_calls_a_month() {
        let fate = keep_through(&[], None);
        assert!(fate.kept && (22..=24).contains(&fate.calls), "{fate:?}");
    }

    #[test]
    fn only_a_night_that_outlasts_the_grant_cannot_be_survived() {
        assert!(keep_through(&[(20, 59)], None).kept);
        assert!(!keep_through(&[(20, 61)], None).kept);
        assert!(!keep_through(&[(20, 40), (40, 61)], None).kept);
        assert!(keep_through(&[(20, 40), (41, 61)], None).kept);
    }

    #[test]
    fn who_left_is_not_asked_about_any_more() {
        assert_eq!(keep_through(&[], Some(40 * DAY)), Fate { kept: false, calls: 2 });
    }
}
