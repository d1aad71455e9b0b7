//! What is wrong now, as far as this process sees it: each names the alert whose section of the
//! runbook says what to do.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::readiness::{DATABASE, ENCRYPTION_KEYS, Readiness, SCHEMA};
use super::Operator;
use crate::connection::{Reason, State};
use crate::counted::counted;
use crate::overview::Snapshot;
use crate::store::ConnectionCount;

/// A trouble and its alert.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The alert whose section of the runbook says what to do.
    pub alert: Cow<'static, str>,
    /// One sentence.
    pub says: String,
    /// Whether it was met a while ago, and may be over.
    pub may_be_over: bool,
}

/// Collects troubles.
#[derive(Default)]
struct Troubles(Vec<Trouble>);

impl Troubles {
    fn add(&mut self, alert: &'static str, says: impl Into<String>) {
        self.0.push(Trouble { alert: Cow::Borrowed(alert), says: says.into(), may_be_over: false });
    }

    /// Met within ten minutes.
    fn add_past(&mut self, alert: &'static str, says: impl Into<String>) {
        self.0.push(Trouble { alert: Cow::Borrowed(alert), says: says.into(), may_be_over: true });
    }
}

/// What `HoldfastDatabaseSlow` allows a status.
const SLOW: Duration = Duration::from_millis(250);
/// Age at which the overview and the worker's last tick count as stale.
const STALE_S: i64 = 600;
/// What `HoldfastWebhooksFail` allows an event to wait.
const EVENT_WAITS_S: i64 = 900;
/// How long `HoldfastEventLost` counts one.
const EVENT_LOST_S: i64 = 3600;

pub(super) fn now(operator: &Operator, readiness: &Readiness) -> Vec<Trouble> {
    let now = operator.overview.clock.now();
    let seen = operator.overview.snapshot();
    let mut troubles = Troubles::default();
    of_readiness(operator, readiness, &mut troubles);
    of_connections(&seen, &mut troubles);
    if seen.journal_waits > 0 && readiness.tells(DATABASE) == Some(true) {
        let tokens = counted(seen.journal_waits as u64, "token waits", "tokens wait");
        troubles.add("HoldfastJournalWaits", format!("{tokens} in the journal."));
    }
    if let Some(ahead) = operator.overview.watch.off_by() {
        let side = if ahead > 0.0 { "ahead" } else { "behind" };
        troubles.add("HoldfastClockOff", format!("This machine's clock is {:.0} s {side}.", ahead.abs()));
    }
    if operator.overview.connections.budget_used() >= 1.0 {
        troubles.add("HoldfastBudgetSpent", "Instagram's hourly budget for the app is used up.");
    } else if let Some(at) = operator.overview.connections.provider_rests_until()
        // In an incident it answers, and is asked rarely.
        && seen.incident_since.is_none()
    {
        troubles
            .add("HoldfastInstagramDown", format!("Instagram does not answer; the next call is at {at}."));
    }
    if let Some(at) = operator.overview.tally.last_tick().filter(|at| since(*at, now) > STALE_S)
        // Without it no tick is completed.
        && readiness.tells(DATABASE) != Some(false)
    {
        troubles.add("HoldfastWorkerStuck", format!("The worker has completed no tick since {at}."));
    }
    let last_of = |code| operator.state.edge.metrics.memory.last_of(code);
    let recent = |code| last_of(code).filter(|one| since(one.at, now) < STALE_S);
    let app_refused_at = operator.overview.connections.app_refused_at();
    if app_refused_at.is_some_and(|at| since(at, now) < STALE_S) && !is_app_refused(&seen) {
        let says = "Instagram refused the app itself within the last ten minutes: nobody can connect.";
        troubles.add_past("HoldfastAppRefused", says);
    }
    // Reads and small writes succeed meanwhile, so that nothing shows that it is over.
    if let Some(one) = recent("database-full") {
        troubles.add(
            "HoldfastDatabaseFull",
            format!("The database had no room to store a request at {}.", one.at),
        );
    }
    if let Some(one) = recent("internal-error") {
        let says =
            format!("A fault in the program failed a request; `holdfast why {}` tells more.", one.request_id);
        troubles.add_past("HoldfastInternalError", says);
    }
    let is_blamed = |check| readiness.tells(check) == Some(false);
    if recent("database-unavailable").is_some() && !is_blamed(DATABASE) && !is_blamed(ENCRYPTION_KEYS) {
        let says = "A request failed within the last ten minutes because of the database, which answers now; `holdfast why` \
                    tells more.";
        troubles.add_past("HoldfastDatabaseAway", says);
    }
    let stale = seen.taken_at.filter(|at| since(*at, now) > STALE_S);
    if seen.database_took > SLOW {
        let took = seen.database_took.as_millis();
        troubles.add("HoldfastDatabaseSlow", format!("One database query took {took} ms."));
    }
    if let Some(at) = stale.filter(|_| !is_blamed(DATABASE)) {
        troubles.add(
            "HoldfastFiguresStale",
            format!("These figures are of {at}: gathering them anew does not finish."),
        );
    }
    if let Some(at) = oldest_event(&seen).filter(|at| since(*at, now) > EVENT_WAITS_S) {
        troubles.add("HoldfastWebhooksFail", format!("An event to the app has been waiting since {at}."));
    }
    if let Some(at) = seen.event_lost_at.filter(|at| since(*at, now) < EVENT_LOST_S) {
        let says = format!("An event that the app had not taken for a week was given up at {at}.");
        troubles.add_past("HoldfastEventLost", says);
    }
    troubles.0
}

/// What takes this process out of service.
fn of_readiness(operator: &Operator, readiness: &Readiness, troubles: &mut Troubles) {
    let keys = operator.state.verifier.key_status();
    if !operator.state.verifier.can_judge() {
        let why = keys
            .last_error
            .map_or_else(String::new, |error| format!(" Clerk's keys cannot be fetched: {error}."));
        troubles.add("HoldfastCannotJudge", format!("There is no key to verify session tokens with.{why}"));
    } else if let Some(error) = keys.last_error {
        troubles.add("HoldfastKeysStale", format!("Clerk's keys cannot be refreshed: {error}."));
    }
    let detail = |name| readiness.checks.iter().find(|check| check.name == name)?.detail.clone();
    if readiness.tells(DATABASE) == Some(false) {
        let says = detail(DATABASE).unwrap_or_else(|| "The database does not answer.".to_owned());
        troubles.add("HoldfastDatabaseAway", says);
    }
    if readiness.tells(SCHEMA) == Some(false) {
        troubles.add("HoldfastNotReady", "The database's schema is older than this program.");
    }
    if readiness.tells(ENCRYPTION_KEYS) == Some(false) {
        troubles.add(
            "HoldfastNotReady",
            detail(ENCRYPTION_KEYS)
                .unwrap_or_else(|| "The encryption keys are not those of this database.".to_owned()),
        );
    }
}

/// Connections with that reason.
fn with(reason: Reason, seen: &Snapshot) -> u64 {
    seen.counts.iter().filter(|each| each.standing.reason() == Some(reason)).map(|each| each.amount).sum()
}

/// Whether so many wait that it is not for reasons of their own.
fn is_app_refused(seen: &Snapshot) -> bool {
    let is_in_use =
        |each: &&ConnectionCount| matches!(each.standing.state(), State::Connected | State::Degraded);
    with(Reason::AppMisconfigured, seen) * 2
        > seen.counts.iter().filter(is_in_use).map(|each| each.amount).sum()
}

/// When the oldest of the events that wait came to be.
fn oldest_event(seen: &Snapshot) -> Option<Timestamp> {
    seen.tables.iter().find(|table| table.name == "outbox").and_then(|table| table.oldest)
}

fn of_connections(seen: &Snapshot, troubles: &mut Troubles) {
    if let Some(since) = seen.incident_since {
        troubles.add(
            "HoldfastIncident",
            format!(
                "Many connections have failed in the same way since {since}. Nobody is told to reconnect."
            ),
        );
    }
    let refused = with(Reason::AppMisconfigured, seen);
    if is_app_refused(seen) {
        troubles.add(
            "HoldfastAppRefused",
            format!(
                "Instagram refuses the app itself; {}.",
                counted(refused, "connection is affected", "connections are affected")
            ),
        );
    } else if refused > 0 {
        let says = format!("Instagram refuses the app for {refused} of the connections; others work.");
        troubles.add("HoldfastAccountRefused", says);
    }
    let damaged = with(Reason::GrantUnreadable, seen);
    if damaged > 0 {
        let grants = counted(damaged, "stored grant does", "stored grants do");
        troubles.add("HoldfastGrantDamaged", format!("{grants} not open."));
    }
    if let Some(overdue) = seen.overdue.filter(|amount| *amount > 0) {
        let says = counted(overdue, "refresh is overdue.", "refreshes are overdue.");
        troubles.add("HoldfastRefreshOverdue", says);
    }
    if let Some(late) = seen.late_deletions.filter(|amount| *amount > 0) {
        let deletions =
            counted(late, "data deletion that Meta requested is", "data deletions that Meta requested are");
        troubles.add("HoldfastDeletionUnfinished", format!("{deletions} not done after ten minutes."));
    }
    if let Some(expiring) = seen.expiring_unrenewed.filter(|amount| *amount > 0) {
        let grants = counted(expiring, "grant expires", "grants expire");
        let says = format!("{grants} within three days, and could not be refreshed.");
        troubles.add("HoldfastGrantExpiring", says);
    }
    if seen.journal_is_writable == Some(false) {
        troubles.add(
            "HoldfastJournalUnwritable",
            "The journal cannot be written: a new token would be lost if the database failed now.",
        );
    }
}

/// Whole seconds from `at` to `now`.
fn since(at: Timestamp, now: Timestamp) -> i64 {
    now.as_second() - at.as_second()
}

#[cfg(test)]
mod tests {
    use crate::overview::alerts::ALERTS;

    /// A lost replica's page is lost with it.
    #[test]
    fn every_alert_but_that_of_a_lost_replica_is_on_the_page() {
        let (page, _) = include_str!("troubles.rs").split_once("mod tests").unwrap();
        let missing =
            ALERTS.iter().map(|alert| alert.name).filter(|name| !page.contains(&format!("\"{name}\"")));
        assert_eq!(missing.collect::<Vec<_>>(), ["HoldfastReplicaLost"]);
    }
}
