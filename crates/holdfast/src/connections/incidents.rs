//! The incident guard: when many connections fail alike, the fault is not theirs.
//!
//! Where there are enough connections for an incident to be told from a person's own doing, a first sign of death is not
//! believed by the worker: it keeps it as a suspicion, which shows as `degraded`, and asks again after [`patience`]. By then
//! an incident has struck enough others to be seen. It is one when, within a span of time, at least [`FEWEST`]
//! connections were struck alike and they are at least a fifth of all that were asked: ten at once do not happen
//! to people who changed their passwords, and a fifth is far above what an ordinary day brings. Alike means: suspected,
//! or declared dead, or told to do something at the provider's, for the same reason. A death without a cause is held against longer spans as well, since where few come due, an
//! incident strikes few in an hour. All is counted in the database, so replicas agree.
//!
//! While it lasts, deaths only degrade; whoever was declared dead alike before it was seen is taken back. It lasts until
//! connections that have worked since it began outnumber those held four to one, or all others have. Those struck
//! take turns as canaries, a few per minute however many they are. The first that works makes the others due.
//!
//! In a lull nobody else is asked, so nothing is known of how they fare. Then the worker asks a few of those that worked last before it
//! believes a death without a cause: either they work, or they are struck too.
//!
//! A person who asks for a check is waiting for the answer: a death of which the provider says the cause is believed then at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::clock::{after, from_millis};
use crate::connection::belief::{Confidence, FEWEST, HOLD_IN_USE, PROOFS, Population, SPANS, enough_to_calm};
use crate::connection::observation::{Call, Observation};
use crate::connection::transition::reason_of;
use crate::connection::{Connection, Reason};
use crate::connections::{Connections, ServiceError};
use crate::entropy::random;
use crate::provider::{Meaning, SharedProvider};
use crate::store::Trouble;

/// Canaries ask once in this time, all of them together.
const CANARY_GAP: Duration = Duration::from_secs(20);
/// While an incident lasts, its extent is counted this often at most.
const RECOUNT: Duration = Duration::from_secs(15);
/// An incident that has not shown for so long is another one when it does.
const ALARM_GAP: Duration = Duration::from_hours(1);
/// Taken back at once when an incident is noticed.
const TAKEN_BACK: usize = 1000;

/// What this replica knows of an incident.
#[derive(Debug, Default)]
pub struct IncidentGuard {
    /// The last look that showed an incident, and when.
    seen: Mutex<Option<(Timestamp, Population)>>,
}

impl IncidentGuard {
    fn recent(&self, now: Timestamp) -> Option<Population> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| *at <= now && now < after(*at, RECOUNT)).map(|(_, population)| population)
    }

    /// Remembers a look that showed an incident; answers whether it is the first for a while.
    fn remember(&self, now: Timestamp, incident: Population) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace((now, incident));
        before.is_none_or(|(at, _)| at > now || after(at, ALARM_GAP) <= now)
    }
}

impl Connections {
    /// How the connections fare together, as far as it matters for a failure of this meaning on `connection`.
    pub(super) async fn population(
        &self,
        connection: &Connection,
        call: Call,
        meaning: Meaning,
    ) -> Result<Population, ServiceError> {
        let now = self.parts.clock.now();
        match meaning {
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) => {
                if let Some(incident) = self.incident(meaning, now).await? {
                    return Ok(incident);
                }
                let confidence = if self.are_few().await? {
                    Confidence::TooFew
                } else if meaning == Meaning::DeadUnexplained && call != Call::Refresh {
                    match self.proofs_wanted(connection).await? {
                        Some(0) => Confidence::OthersHealthy,
                        Some(_) | None => Confidence::Unknown,
                    }
                } else {
                    Confidence::Unknown
                };
                Ok(Population { confidence, ..Population::default() })
            }
            Meaning::App(_) => {
                let waiting = self.parts.store.misconfigured().await?;
                Ok(Population { waiting, ..Population::default() })
            }
            Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Content
            | Meaning::CodeRejected => Ok(Population::default()),
        }
    }

    async fn are_few(&self) -> Result<bool, ServiceError> {
        Ok(self.parts.store.alive(FEWEST).await? < FEWEST)
    }

    /// How many others have still to be seen to work before a death of `connection` without a cause is believed. `None` where that
    /// would be too early in any case.
    async fn proofs_wanted(&self, connection: &Connection) -> Result<Option<u64>, ServiceError> {
        let now = self.parts.clock.now();
        let first_at = connection.grant.map(|facts| connection.first_sign_at(facts, now));
        match first_at.filter(|first_at| now >= after(*first_at, HOLD_IN_USE)) {
            Some(first_at) => {
                Ok(Some(PROOFS.saturating_sub(self.parts.store.proven(first_at, now, PROOFS).await?)))
            }
            None => Ok(None),
        }
    }

    /// Asks about a few that worked last, where a sign of death on `connection` is old enough to be believed and nothing is known of
    /// how others have fared since.
    pub(super) async fn ask_others(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
    ) -> Result<(), ServiceError> {
        // In this order: where nothing is suspected, the database is not asked.
        let wanted = self.proofs_wanted(connection).await?.unwrap_or(0);
        if wanted == 0 || self.are_few().await? {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let first_at = connection.grant.map_or(now, |facts| connection.first_sign_at(facts, now));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let others = self.parts.store.proven_last_before(first_at, connection.id, now, wanted).await?;
        let answers = others.iter().map(|other| self.ask_another(other, provider));
        for (answer, other) in join_all(answers).await.into_iter().zip(&others) {
            match answer {
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    tracing::warn!(connection = %other.id, %error, "it cannot be asked whether this one works");
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn ask_another(&self, other: &Connection, provider: &SharedProvider) -> Result<(), ServiceError> {
        let now = self.parts.clock.now();
        if let Some(facts) = other.grant
            && self.parts.store.claim_probe(other.id, now, self.parts.check_interval).await?
            && let Some(grant) = self.grant(other).await?
        {
            self.ask(other, facts, provider, &grant, Call::Probe).await?;
        }
        Ok(())
    }

    async fn incident(&self, meaning: Meaning, now: Timestamp) -> Result<Option<Population>, ServiceError> {
        if let Some(incident) = self.incidents.recent(now) {
            return Ok(Some(incident));
        }
        let reason = reason_of(meaning);
        let starts = SPANS.map(|span| before(now, span));
        let trouble = self.parts.store.trouble(starts, reason).await?;
        // A stated cause is a person's own doing until many state it within minutes.
        let spans = if meaning == Meaning::DeadUnexplained { SPANS.len() } else { 1 };
        let mut found = None;
        for (start, struck) in struck(&trouble, starts, spans) {
            if struck < FEWEST {
                continue;
            }
            let store = &self.parts.store;
            // Of fewer connections, all that are not struck are enough.
            let alive = store.alive(struck + enough_to_calm(struck)).await?;
            let enough = enough_to_calm(struck).min(alive.saturating_sub(struck).max(1));
            if store.proven(start, now, enough).await? < enough {
                let strikes_all = store.proven(starts[0], now, 1).await? == 0;
                found = Some((
                    start,
                    Population { confidence: Confidence::Incident, waiting: struck, strikes_all },
                ));
                break;
            }
        }
        if let Some((start, population)) = found
            && self.incidents.remember(now, population)
        {
            tracing::error!(
                struck = population.waiting,
                "many connections fail alike: nobody is told to reconnect until this has passed"
            );
            let fallen_after = start.max(starts[1]);
            for connection in self.parts.store.fallen(fallen_after, reason, TAKEN_BACK).await? {
                let next_refresh_at = after(now, self.canary_pause(population.waiting)?);
                let taken_back = Observation::TakenBack { fallen_after, next_refresh_at };
                self.record(connection.id, &taken_back, None).await?;
            }
        }
        Ok(found.map(|(_, population)| population))
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

/// How many were struck, and since when those who were not have to be counted: those held since it began, and each span by itself.
fn struck(
    trouble: &Trouble,
    starts: [Timestamp; SPANS.len()],
    spans: usize,
) -> impl Iterator<Item = (Timestamp, u64)> {
    let began = trouble.held_since.map_or(starts[0], |since| since.min(starts[0]));
    let held = (began, trouble.held + trouble.struck[0]);
    std::iter::once(held).chain(starts.into_iter().zip(trouble.struck).take(spans))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    from_millis(now.as_millisecond().saturating_sub(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_held_are_weighed_since_the_first_of_them_and_each_span_by_itself() {
        let at = |minutes: i64| from_millis(minutes * 60_000);
        let starts = [at(100), at(50), at(10)];
        let trouble = Trouble { held: 7, held_since: Some(at(20)), struck: [1, 2, 3] };
        let all: Vec<_> = struck(&trouble, starts, 3).collect();
        assert_eq!(all, [(at(20), 8), (at(100), 1), (at(50), 2), (at(10), 3)]);
        let stated: Vec<_> = struck(&Trouble { held: 0, held_since: None, ..trouble }, starts, 1).collect();
        assert_eq!(stated, [(at(100), 1), (at(100), 1)]);
    }
}
