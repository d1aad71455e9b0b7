//! The overview as metrics. A scrape reads the last snapshot and makes no query.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::Overview;
use crate::metric::{collect, metrics};

metrics! {
    /// The metrics of the overview, in the order of the reference page.
    TABLE;
    CONNECTIONS = Gauge "connections",
        "Connections in the database by state and reason, so the same on every replica",
        "Alert where `app_misconfigured` is above 0 for 5 minutes (`HoldfastAppRefused`): the app's id, secret or \
         permissions are at fault.",
        by [
            ("provider", "`instagram`"),
            ("state", "a state of the status; `connecting` is never stored, so it is not among them"),
            ("reason", "a reason of the status; empty for none"),
        ];
    OVERDUE = Gauge "refresh_overdue",
        "Refreshes that have been due for more than ten minutes, counted up to 100,000",
        "Alert where it is above 0 and does not fall for 30 minutes (`HoldfastRefreshOverdue`).";
    LATE_DELETIONS = Gauge "data_deletions_unfinished",
        "Data deletion requests of Meta's that are not done after ten minutes",
        "Alert where it is above 0 for 5 minutes (`HoldfastDeletionUnfinished`): somebody still reads that their data \
         is being deleted.";
    SOONEST_EXPIRY = Gauge "grant_soonest_expiry_timestamp_seconds",
        "When the first grant in use expires; absent where no grant is in use",
        "Nothing to alert on: a grant that was imported late, or one that waits for its person, ends soon, too.";
    EXPIRING = Gauge "grants_expiring_unrenewed",
        "Grants that expire within three days and could not be refreshed; not those that wait for their person",
        "Alert where it is above 0 for an hour (`HoldfastGrantExpiring`): refreshing them has failed for weeks.";
    BUDGET = Gauge "provider_budget_ratio",
        "The used share of Instagram's hourly budget for the app, as Instagram reports it; 1 where it is used up",
        "Alert where it is 1 for 5 minutes (`HoldfastBudgetSpent`).";
    INCIDENT = Gauge "provider_incident",
        "1 while many connections fail in the same way, so that nobody is told to reconnect",
        "Alert where it is 1 (`HoldfastIncident`).";
    JOURNAL = Gauge "journal_entries",
        "Tokens in this process's journal that wait for the database; absent where they cannot be counted",
        "Alert where it is above 0 for 10 minutes (`HoldfastJournalWaits`).";
    JOURNAL_WRITABLE = Gauge "journal_writable",
        "1 if a token could be journaled while the database is down",
        "Alert where it is 0 for 2 minutes (`HoldfastJournalUnwritable`): a token could be lost.";
    LAST_TICK = Gauge "worker_last_tick_timestamp_seconds",
        "When this process's worker last completed a tick, or began if it never has; absent where it runs no worker",
        "Alert where it is more than 10 minutes ago (`HoldfastWorkerStuck`).";
    POOL = Gauge "database_pool",
        "Connections to the database",
        "Alert where `used` is at `max` for 5 minutes (`HoldfastDatabaseSlow` shows it too, as slow answers).",
        by [("state", "`used`, `idle`, or `max` (the limit)")];
    ROWS = Gauge "table_rows",
        "Rows by table; an estimate on Postgres",
        "Nothing to alert on. `clerk_events`, `attempts` and `outbox` must stay level; the others grow with users.",
        by [("table", "the table's name")];
    OLDEST = Gauge "table_oldest_timestamp_seconds",
        "When the oldest row of a swept table was written",
        "Compare with the retention in SECURITY.md: an older row means that the sweep does not run.",
        by [("table", "a table that is swept")];
    SEEN = Gauge "overview_timestamp_seconds",
        "When the gauges of this section were last updated; absent before the first update",
        "Alert where it is more than 10 minutes ago while the database is ready (`HoldfastFiguresStale`): the gauges are out \
         of date.";
    CLOCK = Gauge "clock_ahead_seconds",
        "How far this machine's clock is ahead of Clerk's or Instagram's, whichever answered last; absent before the \
         first answer",
        "Alert where it is above 5 or below -5 for 5 minutes (`HoldfastClockOff`): good tokens are being refused.";
    BUILD = Gauge "build_info",
        "Always 1",
        "Compare replicas: two values during an upgrade, one before and after it.",
        by [
            ("version", "the program's version"),
            ("commit", "the commit it was built from, or `unknown`"),
        ];
}

/// The commit that the program was built from, as the release script says.
pub const COMMIT: &str = match option_env!("HOLDFAST_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Collects the metrics of `overview`.
pub fn register(overview: Overview, registry: &mut Registry) {
    collect(registry, move |out| encode(&overview, out));
}

fn encode(overview: &Overview, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let seen = overview.snapshot();
    let counts = seen.counts.iter().map(|each| {
        let labels = [
            ("provider", each.provider.as_str()),
            ("state", each.standing.state().as_str()),
            ("reason", each.standing.reason().map_or("", |reason| reason.as_str())),
        ];
        (labels, amount(each.amount))
    });
    CONNECTIONS.gauges(out, counts)?;
    OVERDUE.gauge(out, seen.overdue.map(amount))?;
    EXPIRING.gauge(out, seen.expiring_unrenewed.map(amount))?;
    LATE_DELETIONS.gauge(out, seen.late_deletions.map(amount))?;
    SOONEST_EXPIRY.gauge(out, seen.soonest_expiry.map(seconds))?;
    INCIDENT.gauge(out, seen.incident_was_read.then(|| truth(seen.incident_since.is_some())))?;
    JOURNAL.gauge(out, seen.journal.as_ref().map(|all| amount(all.len() as u64)))?;
    JOURNAL_WRITABLE.gauge(out, seen.journal_is_writable.map(truth))?;
    BUDGET.gauge(out, Some(overview.connections.budget_used()))?;
    LAST_TICK.gauge(out, overview.tally.last_tick().map(seconds))?;
    let pool = overview.store.pool_use();
    let pool =
        pool.into_iter().flat_map(|pool| [("used", pool.used), ("idle", pool.idle), ("max", pool.max)]);
    POOL.gauges(out, pool.map(|(state, amount)| ([("state", state)], f64::from(amount))))?;
    let tables = || seen.tables.iter();
    ROWS.gauges(out, tables().map(|table| ([("table", table.name.as_str())], amount(table.amount))))?;
    let oldest = tables().filter_map(|table| Some((table.name.as_str(), table.oldest?)));
    OLDEST.gauges(out, oldest.map(|(name, at)| ([("table", name)], seconds(at))))?;
    SEEN.gauge(out, seen.taken_at.map(seconds))?;
    CLOCK.gauge(out, overview.watch.ahead_by())?;
    BUILD.gauges(out, [([("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT)], 1.0)])
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are such; nobody has 2^53 rows")]
fn amount(of: u64) -> f64 {
    of as f64
}
