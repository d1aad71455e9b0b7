//! Recently stored tokens, remembered sealed and in memory only: a promoted standby may lack the
//! last writes of the failed server.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::record::Journaled;
use crate::clock::is_over;
use crate::lock::Lock;

/// Tokens are remembered for at least this long, and at most twice: longer than the lag of a
/// standby that is fit to be promoted.
const GENERATION: Duration = Duration::from_mins(10);
/// Most tokens of one generation; with more, the oldest are forgotten earlier.
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Recent(Lock<Generations>);

#[derive(Debug, Default)]
struct Generations {
    /// The database's timeline, which changes with a failover. `None`: unknown, so nothing is
    /// remembered.
    timeline: Option<String>,
    began: Option<Timestamp>,
    present: Vec<Journaled>,
    former: Vec<Journaled>,
}

impl Generations {
    fn turn(&mut self) {
        self.former = std::mem::take(&mut self.present);
    }
}

impl Recent {
    pub(super) fn remember(&self, token: Journaled) {
        let mut all = self.0.lock();
        if all.timeline.is_none() {
            return;
        }
        if all.present.len() >= MOST {
            all.turn();
        }
        all.present.push(token);
    }

    /// Forgets the tokens of this connection or attempt.
    pub(super) fn forget(&self, row: Uuid) {
        let mut all = self.0.lock();
        all.present.retain(|token| token.origin.row() != row);
        all.former.retain(|token| token.origin.row() != row);
    }

    /// Forgets the tokens of this user, whose link has ended.
    pub(super) fn forget_user(&self, user_id: &str) {
        let mut all = self.0.lock();
        all.present.retain(|token| token.user_id != user_id);
        all.former.retain(|token| token.user_id != user_id);
    }

    pub(super) fn len(&self) -> usize {
        let all = self.0.lock();
        all.present.len() + all.former.len()
    }

    /// Begins a new generation if the present one is old enough.
    pub(super) fn age(&self, now: Timestamp) {
        let mut all = self.0.lock();
        let began = *all.began.get_or_insert(now);
        // A clock that was ahead must not keep tokens for ever.
        if is_over(began, GENERATION, now) {
            all.turn();
            all.began = Some(now);
        }
    }

    /// The remembered tokens, oldest first, if `timeline` is not the known one.
    pub(super) fn of_another_than(&self, timeline: &str) -> Option<Vec<Journaled>> {
        let all = self.0.lock();
        let is_other = all.timeline.as_deref().is_some_and(|known| known != timeline);
        is_other.then(|| all.former.iter().chain(&all.present).cloned().collect())
    }

    /// Sets the known timeline.
    pub(super) fn is_of(&self, timeline: String) {
        self.0.lock().timeline = Some(timeline);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LinkId, Origin};
    use super::*;
    use crate::clock::{after, from_millis};

    fn token(number: i64) -> Journaled {
        let link = LinkId { connection_id: Uuid::nil(), linked_at: None, from_version: number };
        let origin = Origin::Refresh(link);
        Journaled { user_id: "user_ada".to_owned(), origin, blob: b"sealed".to_vec() }
    }

    #[test]
    fn only_another_history_brings_back_what_is_remembered() {
        let recent = Recent::default();
        recent.remember(token(1));
        recent.is_of("1".to_owned());
        recent.remember(token(2));
        assert_eq!(recent.of_another_than("1"), None);
        assert_eq!(recent.of_another_than("2"), Some(vec![token(2)]), "nothing was known of the first");
        recent.is_of("2".to_owned());
        assert_eq!(recent.of_another_than("2"), None);
    }

    #[test]
    fn a_token_is_remembered_for_ten_minutes_and_not_for_more_than_twenty() {
        let recent = Recent::default();
        let start = from_millis(1_750_000_000_000);
        let at = |minutes: u64| after(start, Duration::from_mins(minutes));
        recent.is_of("1".to_owned());
        recent.age(start);
        recent.remember(token(1));
        recent.age(at(10));
        recent.age(at(19));
        assert_eq!(recent.of_another_than("2"), Some(vec![token(1)]));
        recent.age(at(20));
        assert_eq!(recent.of_another_than("2"), Some(vec![]));
        recent.remember(token(2));
        recent.age(at(1));
        recent.age(at(11));
        assert_eq!(recent.of_another_than("2"), Some(vec![]), "though the clock went back");
    }

    #[test]
    fn however_many_there_are_memory_is_bounded_and_the_latest_stay() {
        let recent = Recent::default();
        recent.is_of("1".to_owned());
        let many = i64::try_from(MOST * 3 + 1).unwrap();
        (0..many).for_each(|number| recent.remember(token(number)));
        let kept = recent.of_another_than("2").unwrap();
        assert_eq!(kept.len(), MOST + 1);
        assert_eq!(kept.last(), Some(&token(many - 1)));
    }
}
