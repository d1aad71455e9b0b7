//! When to refresh a grant, when to probe a connection in trouble, and how long to pause.
//!
//! Pure: the time and the jitter are passed in.

use std::time::Duration;

use jiff::Timestamp;

use super::belief::{Population, confirmation_delay};
use super::clock_repair::LONGEST_WAIT;
use super::observation::{Call, Confidence};
use super::{Connection, GrantFacts, Reason, State};
use crate::clock::{Backoff, after, from_millis};
use crate::provider::{Failure, Meaning};

/// Jitter lengthens the time until a refresh by at most this fraction, to spread the load.
const SPREAD: f64 = 0.05;
/// The first pause after a failed refresh.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause before the last days.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// With less lifetime left than this, a failed refresh is retried at least every hour.
const LAST_DAYS: Duration = Duration::from_hours(72);
/// The pause after a limit whose end the provider does not name: part of a rolling hour is back by
/// then, and calling while throttled lengthens it.
pub const LIMITED_PAUSE: Duration = Duration::from_mins(5);
/// The longest pause in the last days.
pub const HOUR: Duration = Duration::from_hours(1);
/// The canaries of an incident together ask once per this fraction of its age: a short incident is
/// soon seen to end, and a long one costs few calls.
const CANARY_PART: u32 = 16;
/// The shortest and the longest time between two canaries.
const CANARY_GAP: (Duration, Duration) = (Duration::from_secs(20), Duration::from_mins(30));

/// The refresh policy, from the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefreshPolicy {
    /// A grant younger than this is never refreshed: Instagram refuses grants younger than 24 h.
    pub min_age: Duration,
    /// The fraction of its life after which a grant is due.
    pub at: f64,
}

impl RefreshPolicy {
    /// When a grant is due: at the policy's fraction of its life, never before the minimum age.
    /// `jitter` (in `0..=1`) adds up to a twentieth, so that grants of one day spread.
    pub fn due(&self, obtained_at: Timestamp, expires_at: Timestamp, jitter: f64) -> Timestamp {
        let born = obtained_at.as_millisecond();
        let life = expires_at.as_millisecond().saturating_sub(born).max(0);
        let fraction = self.fraction(jitter);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a lifetime in ms is far below 2^53"
        )]
        let due = (life as f64 * fraction) as i64;
        let min_age = i64::try_from(self.min_age.as_millis()).unwrap_or(i64::MAX);
        from_millis(born.saturating_add(due.max(min_age)))
    }

    /// The least lifetime left when a grant first comes due, in whole percent.
    pub fn tail_percent(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
        let tail = ((1.0 - self.fraction(1.0)) * 100.0).floor() as u32;
        // One percent for rounding: due times to milliseconds, lifetimes to hundredths.
        tail.saturating_sub(1)
    }

    fn fraction(&self, jitter: f64) -> f64 {
        (self.at * (1.0 + jitter.clamp(0.0, 1.0) * SPREAD)).clamp(0.0, 0.95)
    }
}

/// Randomness, drawn once per decision, so that the decision itself is pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u16);

impl Jitter {
    fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(u16::MAX)
    }
}

/// Makes scheduling decisions at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The refresh policy.
    pub policy: RefreshPolicy,
    /// The time of the decision.
    pub now: Timestamp,
    /// The randomness for it.
    pub jitter: Jitter,
}

impl Schedule {
    /// When a grant with these times is refreshed.
    pub fn refresh_at(&self, facts: GrantFacts) -> Timestamp {
        self.policy.due(facts.obtained_at, facts.expires_at, self.jitter.fraction())
    }

    /// Whether the policy wants the grant to be refreshed by now.
    pub fn is_due(&self, facts: GrantFacts) -> bool {
        self.policy.due(facts.obtained_at, facts.expires_at, 0.0) <= self.now
    }

    /// When to refresh a grant that has just worked, if the stored time was for a probe, or there is
    /// none because the connection had ended.
    pub fn due_again(&self, connection: &Connection, facts: GrantFacts) -> Option<Timestamp> {
        let has_no_time = connection.is_doubted() || connection.next_refresh_at.is_none();
        (has_no_time && !self.is_due(facts)).then(|| self.refresh_at(facts))
    }

    /// When the worker returns to a connection after a failed call. `None`: as stored.
    pub fn after_failure(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        call: Call,
        failure: &Failure,
        population: &Population,
    ) -> Option<Timestamp> {
        match call {
            Call::Refresh => Some(self.next_try(connection, facts, call, failure, population)),
            Call::PassThrough if failure.meaning == Meaning::Unavailable => None,
            Call::Check | Call::Probe | Call::PassThrough => {
                self.next_probe(connection, facts, call, failure, population)
            }
        }
    }

    /// When to probe again: soon if the trouble may pass, but no later than the stored time.
    fn next_probe(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        call: Call,
        failure: &Failure,
        population: &Population,
    ) -> Option<Timestamp> {
        // A stored time that has passed is the one now being handled.
        let due = connection.next_refresh_at.filter(|at| *at > self.now);
        let may_pass = match failure.meaning {
            Meaning::Dead(_)
            | Meaning::DeadUnexplained
            | Meaning::UserAction(_)
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::App(_) => true,
            // A pass-through call may need a scope that no other call needs.
            Meaning::Permission => {
                call != Call::PassThrough && connection.healthy_standing() != Reason::ScopesMissing.into()
            }
            Meaning::Crowded | Meaning::Content | Meaning::CodeRejected => false,
        };
        if may_pass {
            let look = self.next_try(connection, facts, call, failure, population);
            Some(due.map_or(look, |due| look.min(due)))
        } else if due.is_some() || self.is_due(facts) {
            None
        } else {
            Some(self.refresh_at(facts))
        }
    }

    /// The next try, after a pause that grows with each failure: at least as long as the provider
    /// asks for, and otherwise short enough for several tries before the grant expires.
    fn next_try(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        call: Call,
        failure: &Failure,
        population: &Population,
    ) -> Timestamp {
        let left = Duration::try_from(facts.expires_at.duration_since(self.now)).unwrap_or_default();
        let growing = backoff(connection.failures);
        let pause = match failure.meaning {
            Meaning::UserAction(_) if connection.standing.state() == State::ActionRequired => growing,
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_)
                if population.confidence != Confidence::Incident =>
            {
                // The next call is the worker's, whatever call failed now.
                let call =
                    if call == Call::Refresh || self.is_due(facts) { Call::Refresh } else { Call::Probe };
                let delay = confirmation_delay(failure.meaning, call, population.confidence);
                recheck_pause(connection.first_sign_at(facts, self.now), delay, self.now)
            }
            // Backoff keeps a few permanently failing ones from taking every canary turn.
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) | Meaning::App(_) => {
                self.canary_pause(population).max(growing.min(HOUR))
            }
            Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Crowded
            | Meaning::Content
            | Meaning::CodeRejected => growing,
        };
        let longest = if left < LAST_DAYS { HOUR } else { LONGEST_PAUSE };
        // A grant that works past its expiry is tried as one in its last days.
        let share = if left.is_zero() { longest } else { left / 4 };
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_WAIT);
        let pause = pause.min(longest).min(share).max(asked);
        after(self.now, pause.max(Duration::from_secs(1)))
    }

    /// The pause before a connection's next turn as a canary. All canaries together ask every 20 s
    /// at first, later more rarely, and never all at once.
    pub fn canary_pause(&self, population: &Population) -> Duration {
        let lasted = population.since.map_or(Duration::ZERO, |since| {
            Duration::try_from(self.now.duration_since(since)).unwrap_or_default()
        });
        let (shortest, longest) = CANARY_GAP;
        let gap = (lasted / CANARY_PART).clamp(shortest, longest);
        let turns = u32::try_from(population.waiting.max(3)).unwrap_or(u32::MAX);
        // Spread over two rounds: one round on average, and the first canaries ask right away.
        let rounds = gap.saturating_mul(turns).saturating_mul(2);
        gap + (rounds / 65_536).saturating_mul(u32::from(self.jitter.0))
    }
}

/// Backoff after `failures` consecutive failures and one more: 1, 2, 4 minutes, then ×4.
fn backoff(failures: u32) -> Duration {
    let pauses = Backoff { first: FIRST_PAUSE, factor: 2, longest: LONGEST_PAUSE };
    pauses.pause(failures.saturating_add(failures.saturating_sub(2)))
}

/// The pause before a sign first seen at `first_at` is checked again: short at first, then longer,
/// and once more when it is old enough to be believed.
fn recheck_pause(first_at: Timestamp, confirmation_delay: Duration, now: Timestamp) -> Duration {
    let age = now.duration_since(first_at).unsigned_abs();
    match confirmation_delay.saturating_sub(age) {
        Duration::ZERO => FIRST_PAUSE,
        left => FIRST_PAUSE.max(age.saturating_mul(3)).min(left),
    }
}

#[cfg(test)]
mod tests;
