//! Users about whom Clerk is not asked for a while, each on their own back-off.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Backoff, after, still_ahead};

/// A bounded memory of failures, by user id. Every failure in a row doubles the pause.
#[derive(Debug)]
pub struct UserPauses {
    backoff: Backoff,
    most: usize,
    users: HashMap<String, Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    failures: u32,
    until: Timestamp,
}

impl UserPauses {
    /// Pauses from `first` to `longest`, for `most` users: with more of them one is forgotten, and
    /// asked about a little early.
    pub fn new(first: Duration, longest: Duration, most: usize) -> Self {
        Self { backoff: Backoff { first, factor: 2, longest }, most, users: HashMap::new() }
    }

    /// Until when this user is not asked about.
    pub fn until(&self, user_id: &str, now: Timestamp) -> Option<Timestamp> {
        still_ahead(self.users.get(user_id)?.until, self.backoff.longest, now)
    }

    /// A question about this user failed. While a pause runs nobody asks: that is an answer which
    /// others got before, and does not lengthen it.
    pub fn failed(&mut self, user_id: &str, now: Timestamp) {
        if self.until(user_id, now).is_some() {
            return;
        }
        let failures = self.users.get(user_id).map_or(0, |pause| pause.failures);
        if failures == 0 && self.users.len() >= self.most {
            self.users.retain(|_, pause| pause.until > now);
            if self.users.len() >= self.most {
                let any = self.users.keys().next().cloned();
                any.map(|any| self.users.remove(&any));
            }
        }
        let until = after(now, self.backoff.pause(failures));
        let pause = Pause { failures: failures.saturating_add(1), until };
        self.users.insert(user_id.to_owned(), pause);
    }

    /// Clerk answered about this user.
    pub fn forget(&mut self, user_id: &str) {
        self.users.remove(user_id);
    }

    /// Users remembered.
    pub fn remembered(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn pauses() -> UserPauses {
        UserPauses::new(Duration::from_secs(10), Duration::from_mins(1), 2)
    }

    #[test]
    fn every_failure_in_a_row_doubles_the_pause_up_to_the_longest() {
        let mut pauses = pauses();
        let mut now = 0;
        for seconds in [10, 20, 40, 60, 60] {
            pauses.failed("user_1", at(now));
            assert_eq!(pauses.until("user_1", at(now)), Some(at(now + seconds)));
            assert_eq!(pauses.until("user_1", at(now + seconds)), None);
            assert_eq!(pauses.until("user_2", at(now)), None);
            now += seconds;
        }
        pauses.forget("user_1");
        pauses.failed("user_1", at(now));
        assert_eq!(pauses.until("user_1", at(now)), Some(at(now + 10)));
    }

    #[test]
    fn callers_who_share_an_answer_do_not_lengthen_the_pause() {
        let mut pauses = pauses();
        for _ in 0..100 {
            pauses.failed("user_1", at(0));
        }
        assert_eq!(pauses.until("user_1", at(0)), Some(at(10)));
        pauses.failed("user_1", at(10));
        assert_eq!(pauses.until("user_1", at(10)), Some(at(30)));
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_a_pause() {
        let mut pauses = pauses();
        pauses.failed("user_1", at(3_600));
        assert_eq!(pauses.until("user_1", at(0)), None);
    }

    #[test]
    fn it_forgets_who_may_be_asked_about_first_and_never_outgrows_its_bound() {
        let mut pauses = pauses();
        pauses.failed("user_1", at(0));
        pauses.failed("user_2", at(5));
        pauses.failed("user_3", at(10));
        assert_eq!(pauses.until("user_2", at(10)), Some(at(15)));
        assert_eq!(pauses.until("user_3", at(10)), Some(at(20)));
        pauses.failed("user_4", at(10));
        assert_eq!(pauses.remembered(), 2);
        assert_eq!(pauses.until("user_4", at(10)), Some(at(20)));
    }
}
