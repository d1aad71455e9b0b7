//! What is wrong now, as far as this process sees it: each names the alert whose section of the
//! runbook says what to do.

use std::time::Duration;

use jiff::Timestamp;

use super::Operator;
use crate::connection::Reason;
use crate::overview::Snapshot;

/// A trouble and its alert.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) alert: &'static str,
    pub(super) says: String,
}

/// Half of a grant's last week is left.
const EXPIRING_S: i64 = 3 * 86_400;
/// What `HoldfastDatabaseSlow` allows a status.
const SLOW: Duration = Duration::from_millis(250);
/// The overview and the worker are looked at as stale after this.
const STALE_S: i64 = 600;

pub(super) fn now(operator: &Operator) -> Vec<Trouble> {
    let now = operator.overview.clock().now();
    let seen = operator.overview.snapshot();
    let mut troubles = of_connections(&seen, now);
    let mut add = |alert, says: String| troubles.push(Trouble { alert, says });
    let keys = operator.state.verifier().key_status();
    if !operator.state.verifier().can_judge() {
        add("HoldfastCannotJudge", "There is no key to judge session tokens with.".to_owned());
    } else if let Some(error) = keys.last_error {
        add("HoldfastKeysStale", format!("Clerk's keys cannot be renewed: {error}."));
    }
    if let Some(ahead) = operator.overview.clock_watch().ahead_by().filter(|ahead| ahead.abs() > 5.0) {
        let side = if ahead > 0.0 { "ahead" } else { "behind" };
        add("HoldfastClockOff", format!("This machine's clock is {:.0} s {side}.", ahead.abs()));
    }
    if operator.overview.connections().budget_used() >= 1.0 {
        add("HoldfastBudgetSpent", "Instagram's hourly budget for the app is spent.".to_owned());
    } else if let Some(at) = operator.overview.connections().provider_rests_until() {
        add("HoldfastInstagramDown", format!("Instagram answers nobody; it is asked again at {at}."));
    }
    if let Some(at) = operator.overview.tally().last_tick().filter(|at| since(*at, now) > STALE_S) {
        add("HoldfastWorkerStuck", format!("The worker was last seen at work at {at}."));
    }
    let codes = operator.state.edge().metrics.memory.latest(200);
    let recent = |code: &str| codes.iter().any(|one| one.code == code && since(one.at, now) < STALE_S);
    if recent(Reason::AppMisconfigured.as_str()) && of_app(&seen) == 0 {
        add(
            "HoldfastAppRefused",
            "Instagram refused the app itself within ten minutes: nobody can connect.".to_owned(),
        );
    }
    if recent("database-full") {
        add("HoldfastDatabaseFull", "The database has refused to take more within ten minutes.".to_owned());
    }
    if recent("database-unavailable") || seen.taken_at.is_some_and(|at| since(at, now) > STALE_S) {
        add("HoldfastDatabaseAway", "The database has not answered within ten minutes.".to_owned());
    }
    if seen.database_took > SLOW {
        let took = seen.database_took.as_millis();
        add("HoldfastDatabaseSlow", format!("The database took {took} ms for one look-up."));
    }
    if let Some(at) = oldest_event(&seen).filter(|at| since(*at, now) > STALE_S) {
        add("HoldfastWebhooksFail", format!("An event to the app has waited since {at}."));
    }
    troubles
}

/// Connections that wait for the app itself to be mended.
fn of_app(seen: &Snapshot) -> u64 {
    let wait = seen.counts.iter().filter(|each| each.standing.reason() == Some(Reason::AppMisconfigured));
    wait.map(|each| each.amount).sum()
}

/// When the oldest of the events that wait came to be.
fn oldest_event(seen: &Snapshot) -> Option<Timestamp> {
    seen.tables.iter().find(|table| table.name == "outbox").and_then(|table| table.oldest)
}

fn of_connections(seen: &Snapshot, now: Timestamp) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut add = |alert, says: String| troubles.push(Trouble { alert, says });
    if let Some(since) = seen.incident_since {
        add(
            "HoldfastIncident",
            format!("Many connections fail alike since {since}: nobody is told to reconnect."),
        );
    }
    let refused = of_app(seen);
    if refused > 0 {
        add(
            "HoldfastAppRefused",
            format!("Instagram refuses the app itself; {refused} connections wait for that."),
        );
    }
    if seen.overdue > 0 {
        add("HoldfastRefreshOverdue", format!("{} refreshes are overdue.", seen.overdue));
    }
    if let Some(at) = seen.soonest_expiry.filter(|at| -since(*at, now) < EXPIRING_S) {
        add("HoldfastGrantExpiring", format!("The first grant ends at {at}, and refreshing it has failed."));
    }
    if seen.taken_at.is_some() && !seen.journal_is_writable {
        add(
            "HoldfastJournalUnwritable",
            "The journal cannot be written: work goes on without its safety net.".to_owned(),
        );
    }
    if let Some(waiting) = seen.journal.filter(|waiting| *waiting > 0) {
        add("HoldfastJournalWaits", format!("{waiting} tokens wait in the journal."));
    }
    troubles
}

/// Whole seconds from `at` to `now`.
fn since(at: Timestamp, now: Timestamp) -> i64 {
    now.as_second() - at.as_second()
}
