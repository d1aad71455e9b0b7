//! When many connections fail alike, the fault is not theirs.
//!
//! A first sign of death is a suspicion, which shows as `degraded` and is checked again later. By
//! then an incident has struck enough others to be seen. It is an incident if, within a span of
//! time, at least [`INCIDENT_MIN_STRUCK`] connections were struck alike, and these are at least a
//! fifth of all asked since the first of them. Struck alike means: suspected, declared dead, or
//! told to act at the provider, for the same reason. Unexplained deaths are also counted over
//! longer spans: if few connections come due, an incident strikes few per hour. The database
//! counts, so replicas agree.
//!
//! During an incident, deaths only degrade, and deaths declared before it was noticed are revoked.
//! It ends when the connections that have worked since it began outnumber the held ones four to
//! one, or all others have worked. Struck connections take turns as canaries.
//!
//! While no connection comes due, nothing is known about the others. Then the worker probes a few
//! that worked last before it believes an unexplained death.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{SharedClock, after, before, is_over};
use crate::connection::belief::{
    CONFIRM_IN_USE, INCIDENT_MIN_STRUCK, OTHERS_NEEDED, Population, SPANS, healthy_to_rule_out,
};
use crate::connection::observation::Confidence;
use crate::connection::reasons::reason_of;
use crate::connection::{Connection, Reason};
use crate::lock::Lock;
use crate::provider::Meaning;
use crate::store::{Store, StoreError, Struck, Trouble};

/// During an incident, the struck connections are counted at most this often.
const RECOUNT: Duration = Duration::from_secs(15);
/// An incident seen after a gap of this length is a new one, with a new alarm.
const ALARM_GAP: Duration = Duration::from_hours(1);
/// Taken back at a look at most.
const TAKEN_BACK: usize = 1000;
/// Made due by one that works: somebody may wait for its answer.
const MADE_DUE: usize = 500;

/// Tells an incident from what people did themselves.
#[derive(Debug, Clone)]
pub struct Incidents {
    store: Store,
    clock: SharedClock,
    /// The last count that showed an incident, and its time.
    seen: Arc<Lock<Option<(Timestamp, Population)>>>,
}

/// The population, and the deaths to revoke.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assessment {
    /// The population.
    pub population: Population,
    /// Where an incident is seen: those whose death is not believed any more.
    pub taken_back: Option<TakenBack>,
}

/// Connections that were declared dead at the beginning of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenBack {
    /// They were declared dead after this time.
    pub fallen_after: Timestamp,
    /// The connections.
    pub connections: Vec<Connection>,
}

impl Incidents {
    /// Incidents among the connections of `store`.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock, seen: Arc::default() }
    }

    /// Assesses all connections, as far as an answer of this meaning needs it.
    pub async fn assess(&self, connection: &Connection, meaning: Meaning) -> Result<Assessment, StoreError> {
        match meaning {
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) => {
                if let Some(incident) = self.incident(meaning).await? {
                    return Ok(incident);
                }
                let population = if self.are_few().await? {
                    Population { confidence: Confidence::TooFew, ..Population::default() }
                } else if meaning == Meaning::DeadUnexplained {
                    self.of_unexplained(connection).await?
                } else {
                    Population::default()
                };
                Ok(Assessment { population, taken_back: None })
            }
            Meaning::App(_) => {
                let waiting = self.store.misconfigured().await?;
                let population = Population { waiting, ..Population::default() };
                Ok(Assessment { population, taken_back: None })
            }
            Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Crowded
            | Meaning::Content
            | Meaning::CodeRejected => Ok(Assessment::default()),
        }
    }

    /// Up to `limit` other connections that last worked before the first sign on `connection`.
    pub async fn others_to_ask(
        &self,
        connection: &Connection,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let now = self.clock.now();
        let first_at = connection.grant.map_or(now, |facts| connection.first_sign_at(facts, now));
        self.store.proven_last_before(first_at, connection.id, now, limit).await
    }

    /// Makes connections due that wait for the same shared trouble as `before`, which has worked.
    /// Each of them that works does so too, so all are tried before long. A failure is logged: the
    /// call that worked stays one.
    pub async fn passed(&self, before: &Connection) {
        let Some(reason @ (Reason::ProviderIncident | Reason::AppMisconfigured)) = before.standing.reason()
        else {
            return;
        };
        match self.store.make_due(reason, self.clock.now(), MADE_DUE).await {
            Ok(0) => {}
            Ok(made_due) => tracing::info!(
                reason = reason.as_str(),
                made_due,
                "one connection works again: others are tried now"
            ),
            Err(error) => {
                tracing::warn!(%error, "one connection works again, but the others could not be made due");
            }
        }
    }

    /// Whether there are too few connections to tell an incident.
    pub(super) async fn are_few(&self) -> Result<bool, StoreError> {
        Ok(self.store.alive(INCIDENT_MIN_STRUCK).await? < INCIDENT_MIN_STRUCK)
    }

    /// Whether enough others have worked since the first sign, and how many are missing.
    async fn of_unexplained(&self, connection: &Connection) -> Result<Population, StoreError> {
        let now = self.clock.now();
        let first_at = connection.grant.map(|facts| connection.first_sign_at(facts, now));
        // Before that it is not believed in any case.
        let Some(first_at) = first_at.filter(|first_at| now >= after(*first_at, CONFIRM_IN_USE)) else {
            return Ok(Population::default());
        };
        let wanted = OTHERS_NEEDED.saturating_sub(self.store.proven(first_at, now, OTHERS_NEEDED).await?);
        let confidence = if wanted == 0 { Confidence::OthersHealthy } else { Confidence::Unknown };
        let others_wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        Ok(Population { confidence, others_wanted, ..Population::default() })
    }

    async fn incident(&self, meaning: Meaning) -> Result<Option<Assessment>, StoreError> {
        let now = self.clock.now();
        if let Some(population) = self.recent(now) {
            return Ok(Some(Assessment { population, taken_back: None }));
        }
        let reason = reason_of(meaning);
        let starts = SPANS.map(|span| before(now, span));
        let trouble = self.store.trouble(starts, reason).await?;
        // A death with a stated cause is a person's own doing, unless many come within minutes.
        let spans = if meaning == Meaning::DeadUnexplained { SPANS.len() } else { 1 };
        for Strike { from, first_at, struck } in strikes(&trouble, starts, spans) {
            if struck < INCIDENT_MIN_STRUCK || self.has_enough_healthy(first_at, struck, now).await? {
                continue;
            }
            let strikes_all = self.store.proven(starts[0], now, 1).await? == 0;
            let population = Population {
                confidence: Confidence::Incident,
                waiting: struck,
                strikes_all,
                since: Some(trouble.held_since.map_or(now, |since| since.min(now))),
                others_wanted: 0,
            };
            if self.remember(now, population) {
                tracing::error!(
                    struck,
                    "many connections fail in the same way; nobody is told to reconnect until that is over"
                );
            }
            // At each look and not only at the first: trouble that passes and comes back within the
            // hour, or goes on for another reason, strikes some before it is seen again.
            let fallen_after = from.max(starts[1]);
            let connections = self.store.fallen(fallen_after, reason, TAKEN_BACK).await?;
            let taken_back = Some(TakenBack { fallen_after, connections });
            return Ok(Some(Assessment { population, taken_back }));
        }
        Ok(None)
    }

    /// Whether enough connections have worked since the first was struck to rule out an incident.
    async fn has_enough_healthy(
        &self,
        first_at: Timestamp,
        struck: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // With fewer connections, all that are not struck are enough.
        let alive = self.store.alive(struck + healthy_to_rule_out(struck)).await?;
        let enough = healthy_to_rule_out(struck).min(alive.saturating_sub(struck).max(1));
        Ok(self.store.proven(first_at, now, enough).await? >= enough)
    }

    fn recent(&self, now: Timestamp) -> Option<Population> {
        let seen = *self.seen.lock();
        seen.filter(|(at, _)| !is_over(*at, RECOUNT, now)).map(|(_, population)| population)
    }

    /// Remembers a count that showed an incident. Returns whether the incident is new.
    fn remember(&self, now: Timestamp, incident: Population) -> bool {
        let mut seen = self.seen.lock();
        let before = seen.replace((now, incident));
        before.is_none_or(|(at, _)| is_over(at, ALARM_GAP, now))
    }
}

/// Connections that were struck within a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Strike {
    /// When the span began.
    from: Timestamp,
    /// When the first of them was struck. A success before that proves nothing: all connections may
    /// have been linked minutes earlier.
    first_at: Timestamp,
    struck: u64,
}

/// The held connections together with those struck lately, then those of each span alone.
fn strikes(
    trouble: &Trouble,
    starts: [Timestamp; SPANS.len()],
    spans: usize,
) -> impl Iterator<Item = Strike> {
    let [lately, ..] = trouble.struck;
    let first_of_all = [trouble.held_since, lately.first_at].into_iter().flatten().min();
    let held = Strike {
        from: trouble.held_since.map_or(starts[0], |since| since.min(starts[0])),
        first_at: first_of_all.unwrap_or(starts[0]),
        struck: trouble.held + lately.count,
    };
    let of_span = |(from, struck): (Timestamp, Struck)| Strike {
        from,
        first_at: struck.first_at.unwrap_or(from),
        struck: struck.count,
    };
    std::iter::once(held).chain(starts.into_iter().zip(trouble.struck).map(of_span).take(spans))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    #[test]
    fn those_held_are_weighed_with_those_struck_lately_and_each_span_by_itself() {
        let at = |minutes: i64| from_millis(minutes * 60_000);
        let starts = [at(100), at(50), at(10)];
        let struck = |count, first_at| Struck { count, first_at: Some(at(first_at)) };
        let trouble = Trouble {
            held: 7,
            held_since: Some(at(20)),
            struck: [struck(1, 110), struck(2, 60), struck(3, 15)],
        };
        let strike = |from, first_at, struck| Strike { from: at(from), first_at: at(first_at), struck };
        let all: Vec<_> = strikes(&trouble, starts, 3).collect();
        assert_eq!(all, [strike(20, 20, 8), strike(100, 110, 1), strike(50, 60, 2), strike(10, 15, 3)]);
        let stated: Vec<_> = strikes(&Trouble { held: 0, held_since: None, ..trouble }, starts, 1).collect();
        assert_eq!(stated, [strike(100, 110, 1), strike(100, 110, 1)]);
    }
}
