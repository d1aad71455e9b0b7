//! The incident guard: when many connections fail alike within minutes, the fault is not theirs.
//!
//! Where there are enough connections for an incident to be told from a person's own doing, the worker does not believe a
//! first sign of death: it keeps it as a suspicion, which shows as `degraded`, and asks again after [`patience`]. By then
//! an incident has struck enough others to be seen. It is an incident when, within [`WINDOW`], at least [`FEWEST`]
//! connections were struck alike and they are at least a fifth of all that were asked: ten at once do not happen
//! to people who changed their passwords, and a fifth is far above what an ordinary day brings. Alike means: suspected,
//! or declared dead for the same reason. All is counted in the database, so replicas agree.
//!
//! While it lasts, deaths only degrade; whoever was declared dead alike before it was seen is taken back. Those struck
//! take turns as canaries, a few per minute however many they are. The first that works makes the others due.
//!
//! A person who asks for a check is waiting for the answer: a death of which the provider says the cause is believed then at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::service::{Connections, ServiceError};
use super::transition::{Observation, reason_of};
use super::{Connection, Reason};
use crate::clock::{after, from_millis};
use crate::entropy::random;
use crate::provider::Meaning;
use crate::store::Trouble;

/// How long the worker holds a sign of death back before it may be confirmed. Long enough for a batch of refreshes.
const HOLD: Duration = Duration::from_mins(1);
/// The same for a death of which the provider does not say the cause. Where few connections come due in an hour, an
/// incident strikes too few to be seen as one; half a lifetime remains, so a day can be waited.
const HOLD_UNEXPLAINED: Duration = Duration::from_hours(24);
/// What lies further back is not part of the same incident. Longer than [`HOLD`], so that those who were struck
/// together still see each other when the first of them is asked again.
pub const WINDOW: Duration = Duration::from_mins(20);
/// With fewer struck than this there is no incident.
const FEWEST: u64 = 10;
/// One in so many of those asked must be struck.
const SHARE: u64 = 5;
/// Canaries ask once in this time, all of them together.
const CANARY_GAP: Duration = Duration::from_secs(20);
/// While an incident lasts, its extent is counted this often at most.
const RECOUNT: Duration = Duration::from_secs(15);
/// Taken back at once when an incident is noticed.
const TAKEN_BACK: usize = 1000;

/// What a sign of death is worth, as the connections fare together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outlook {
    /// Fewer connections than an incident strikes: waiting could show nothing.
    Few,
    /// An incident may be beginning.
    #[default]
    Watchful,
    /// One is going on: believe no sign of death.
    Incident,
}

/// How long the worker waits for a second sign of a death for `reason`.
pub fn patience(reason: Reason) -> Duration {
    if reason == Reason::TokenInvalid { HOLD_UNEXPLAINED } else { HOLD }
}

/// How the connections fare together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// What a sign of death is worth.
    pub outlook: Outlook,
    /// How many wait for the same trouble to pass.
    pub waiting: u64,
}

/// What this replica knows of an incident.
#[derive(Debug, Default)]
pub struct IncidentGuard {
    /// The last count that showed an incident, and when; calm is not remembered, for it may end at any moment.
    seen: Mutex<Option<(Timestamp, Trouble)>>,
}

impl IncidentGuard {
    fn recent(&self, now: Timestamp) -> Option<Trouble> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| *at <= now && now < after(*at, RECOUNT)).map(|(_, trouble)| trouble)
    }

    /// Remembers a count; answers whether it is the first to show an incident.
    fn remember(&self, now: Timestamp, trouble: Trouble) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.is_some();
        *seen = is_incident(&trouble).then_some((now, trouble));
        !before && seen.is_some()
    }
}

fn struck(trouble: &Trouble) -> u64 {
    trouble.held + trouble.suspected + trouble.fallen
}

fn is_incident(trouble: &Trouble) -> bool {
    let struck = struck(trouble);
    struck >= FEWEST && struck.saturating_mul(SHARE) >= struck + trouble.proven
}

impl Connections {
    /// How the connections fare together, as far as it matters for a failure of this meaning.
    pub(super) async fn weather(&self, meaning: Meaning) -> Result<Weather, ServiceError> {
        let now = self.parts.clock.now();
        match meaning {
            Meaning::Dead(_) | Meaning::DeadUnexplained => {
                let trouble = self.trouble(reason_of(meaning), now).await?;
                let outlook = if is_incident(&trouble) {
                    Outlook::Incident
                } else if self.parts.store.alive(FEWEST).await? < FEWEST {
                    Outlook::Few
                } else {
                    Outlook::Watchful
                };
                Ok(Weather { outlook, waiting: struck(&trouble) })
            }
            Meaning::App(_) => {
                let trouble = self.trouble(reason_of(meaning), now).await?;
                Ok(Weather { outlook: Outlook::default(), waiting: trouble.misconfigured })
            }
            Meaning::UserAction(_)
            | Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Content
            | Meaning::CodeRejected => Ok(Weather::default()),
        }
    }

    async fn trouble(&self, reason: Reason, now: Timestamp) -> Result<Trouble, ServiceError> {
        if let Some(trouble) = self.incidents.recent(now) {
            return Ok(trouble);
        }
        let since = window_start(now);
        let trouble = self.parts.store.trouble(since, reason).await?;
        if self.incidents.remember(now, trouble) {
            tracing::error!(
                struck = struck(&trouble),
                proven = trouble.proven,
                "many connections fail alike: nobody is told to reconnect until this has passed"
            );
            for connection in self.parts.store.fallen(since, reason, TAKEN_BACK).await? {
                let next_refresh_at = after(now, self.canary_pause(struck(&trouble))?);
                let taken_back = Observation::TakenBack { fallen_after: since, next_refresh_at };
                self.record(connection.id, &taken_back, None).await?;
            }
        }
        Ok(trouble)
    }

    /// How long one of `waiting` connections waits for its turn as a canary: such that all together ask about once per
    /// [`CANARY_GAP`], and never all at the same moment.
    pub(super) fn canary_pause(&self, waiting: u64) -> Result<Duration, ServiceError> {
        let place = u16::from_be_bytes(random::<2>(&*self.parts.entropy)?);
        let turns = u32::try_from(waiting.max(3)).unwrap_or(u32::MAX);
        // Anywhere within two rounds: one round on average, and the first are asked right away.
        let rounds = CANARY_GAP.saturating_mul(turns).saturating_mul(2);
        Ok(CANARY_GAP + (rounds / 65_536).saturating_mul(u32::from(place)))
    }

    /// A connection that was held back by a trouble which concerns all has worked: the others need not wait any longer.
    pub(super) async fn trouble_passed(&self, before: &Connection) -> Result<(), ServiceError> {
        let Some(reason @ (Reason::ProviderIncident | Reason::AppMisconfigured)) = before.standing.reason()
        else {
            return Ok(());
        };
        let hastened = self.parts.store.hasten(reason, self.parts.clock.now()).await?;
        if hastened > 0 {
            tracing::info!(reason = reason.as_str(), hastened, "a canary worked: the others are asked now");
        }
        Ok(())
    }
}

fn window_start(now: Timestamp) -> Timestamp {
    let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
    from_millis(now.as_millisecond().saturating_sub(window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_or_a_small_share_are_no_incident() {
        let trouble = |held, suspected, fallen, proven| {
            is_incident(&Trouble { held, suspected, fallen, proven, misconfigured: 0 })
        };
        assert!(!trouble(0, 9, 0, 0));
        assert!(trouble(0, 10, 0, 0));
        assert!(trouble(4, 4, 2, 40));
        assert!(!trouble(4, 4, 2, 41));
        assert!(trouble(490, 0, 10, 0));
    }
}
