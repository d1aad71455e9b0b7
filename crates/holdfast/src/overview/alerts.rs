//! The alerts: Prometheus rules, each with its section of the runbook. `deploy/prometheus/` and
//! `docs/guides/alerts.md` are generated from this table.

use crate::names::names;

names! {
    /// How soon somebody should look.
    pub enum Severity {
        /// At once, even at night.
        Page = "page",
        /// The next morning.
        Ticket = "ticket",
    }
}

/// One alert with its section of the runbook.
#[derive(Debug, Clone, Copy)]
pub struct Alert {
    /// Its name.
    pub name: &'static str,
    /// When it fires, in PromQL.
    pub expr: &'static str,
    /// How long the expression must hold.
    pub hold: &'static str,
    /// How soon somebody should look.
    pub severity: Severity,
    /// Checks of `holdfast doctor` that look at the same thing, by their codes.
    pub checks: &'static [&'static str],
    /// What is wrong, in a sentence.
    pub summary: &'static str,
    /// What it means for people.
    pub meaning: &'static str,
    /// What to run first.
    pub first: &'static str,
    /// What mends it.
    pub remedy: &'static str,
}

/// Declares the alerts: name, severity, how long the expression must hold, checks,
/// and the texts.
macro_rules! alerts {
    ($(
        $name:ident = $severity:ident, $hold:literal, [$($check:literal),*] {
            expr: $expr:literal,
            summary: $summary:literal,
            meaning: $meaning:literal,
            first: $first:literal,
            remedy: $remedy:literal,
        }
    )+) => {
        /// Every alert, in the order of the runbook.
        pub const ALERTS: &[Alert] = &[$(Alert {
            name: stringify!($name),
            expr: $expr,
            hold: $hold,
            severity: Severity::$severity,
            checks: &[$($check),*],
            summary: $summary,
            meaning: $meaning,
            first: $first,
            remedy: $remedy,
        },)+];
    };
}

alerts! {
    HoldfastReplicaLost = Page, "2m", [] {
        expr: "min by (instance) (up{job=\"holdfast\"} == 0 or holdfast_ready{check=\"starting\"} == 0)",
        summary: "A replica does not answer Prometheus, or does not get through its start.",
        meaning: "The process, its machine or the network is down; or it starts, and waits for the database, or its migration for \
                  a table. The other replicas keep serving and take over its \
                  refreshes within three minutes. With one replica only, nobody is served.",
        first: "systemctl status holdfast; journalctl -u holdfast -n 50 -o cat",
        remedy: "Start it again. The log names in one line, with its remedy, what keeps it from its start; if a migration waits for a \
                 lock, end the backup or query that holds it. If the process was killed, \
                 look for lack of memory (`dmesg`), and compare `process_resident_memory_bytes` with the limit.",
    }
    HoldfastCannotJudge = Page, "5m", ["clerk-keys"] {
        expr: "sum by (instance) (rate(holdfast_session_tokens_cannot_judge_total[2m])) > 0 or \
               (sum by (instance) (rate(holdfast_session_tokens_key_unknown_total[2m])) > 0 unless \
               sum by (instance) (rate(holdfast_session_tokens_accepted_total[5m])) > 0) or \
               sum by (instance) (holdfast_ready{check=\"session_keys\"}) == 0",
        summary: "Session tokens cannot be judged: callers get 503.",
        meaning: "This process has no Clerk key for the tokens that arrive. Nobody is signed out, but nobody is served.",
        first: "holdfast doctor",
        remedy: "Follow the failing check about Clerk: make its host reachable, or set CLERK_JWT_KEY, which needs no network.",
    }
    HoldfastNotReady = Page, "2m", ["key-ring", "schema", "database"] {
        expr: "min by (instance) (holdfast_ready{check=~\"schema|encryption_keys\"}) == 0",
        summary: "A replica lacks a key that grants are sealed with, or the schema is older than it: it is out of service.",
        meaning: "Proxies that ask `/readyz` send it no requests. Most often a new encryption key was put in front, or used by a command, before every \
                  replica had it. Nothing is lost.",
        first: "holdfast doctor",
        remedy: "With the configuration of that replica, follow the failing check: `key-ring` names the key, which goes behind the others in \
                 HOLDFAST_ENCRYPTION_KEYS, and a reload or restart takes it up; `schema` wants `holdfast migrate`.",
    }
    HoldfastKeysStale = Ticket, "10m", ["clerk-keys"] {
        expr: "holdfast_clerk_keys_failing == 1",
        summary: "Clerk's keys cannot be refreshed; the present keys are used for a day.",
        meaning: "Nothing is broken yet. If Clerk changes its keys now, or this process restarts without saved keys, tokens \
                  cannot be judged.",
        first: "holdfast doctor",
        remedy: "Follow the failing check. Usual causes: name resolution, blocked outgoing https, a revoked CLERK_SECRET_KEY.",
    }
    HoldfastClockOff = Page, "5m", ["clock"] {
        expr: "abs(holdfast_clock_ahead_seconds) > 5",
        summary: "This machine's clock is wrong: good session tokens are refused.",
        meaning: "A session token lives for a minute. If the clock is ahead, good tokens count as expired; if it is behind, \
                  as not active yet.",
        first: "timedatectl; chronyc tracking",
        remedy: "Synchronise the clock (chrony, systemd-timesyncd). Connections are not harmed: times that a wrong clock \
                 wrote are repaired automatically.",
    }
    HoldfastDatabaseAway = Page, "5m", ["database", "database-role"] {
        expr: "sum by (instance) (holdfast_ready{check=\"database\"}) == 0 or \
               (sum by (instance) (rate(holdfast_http_problems_total{code=\"database-unavailable\"}[2m])) > 0 \
               unless on (instance) holdfast_ready{check=~\"encryption_keys|starting\"} == 0)",
        summary: "The database does not answer, or lacks a table or its role a right: callers get 503.",
        meaning: "Statuses cannot be read or not stored. Tokens that Instagram issues meanwhile are kept in the journal and stored later.",
        first: "curl -s http://127.0.0.1:8080/readyz; holdfast doctor",
        remedy: "Bring the database back, or grant what doctor names, as after a restore or a migration by another role; the \
                 server needs no restart. Where tables are missing, restore them from a backup.",
    }
    HoldfastDatabaseFull = Page, "1m", ["database", "disk"] {
        expr: "sum by (instance) (rate(holdfast_http_problems_total{code=\"database-full\"}[5m])) > 0",
        summary: "The database cannot store more: the disk is full.",
        meaning: "Nothing can be connected or refreshed. Stored data can be read and is not lost.",
        first: "df -h; holdfast doctor",
        remedy: "Make room on the disk of the database, or raise its quota. Refreshing resumes by itself.",
    }
    HoldfastDatabaseSlow = Ticket, "10m", ["database"] {
        expr: "histogram_quantile(0.99, sum by (instance, le) (rate(holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\"}[5m]))) > 0.25 \
               unless on (instance) holdfast_ready{check=\"database\"} == 0",
        summary: "One status request in a hundred takes longer than a quarter of a second.",
        meaning: "The database is slow: a status request makes one database query and nothing else.",
        first: "holdfast doctor",
        remedy: "Compare `holdfast_database_pool` with its `max`. Look at the database's load and disk, and for long \
                 transactions of other programs. If a query plan is bad, run `ANALYZE connections`.",
    }
    HoldfastInternalError = Ticket, "0m", [] {
        expr: "sum by (instance) (increase(holdfast_http_problems_total{code=\"internal-error\"}[5m])) > 0",
        summary: "A request failed because of a fault in the program.",
        meaning: "At least one request was answered with 500. No stored data is lost.",
        first: "holdfast why REQUEST_ID",
        remedy: "Report it with the log lines of that request id.",
    }
    HoldfastIncident = Page, "0m", ["incident"] {
        expr: "holdfast_provider_incident == 1",
        summary: "Many connections fail in the same way. Holdfast takes it for a fault of Instagram and tells nobody to \
                  reconnect.",
        meaning: "Statuses say `degraded` / `provider_incident`. A few connections are tried in turn; as soon as one works, \
                  all others are tried.",
        first: "holdfast connections list --state degraded",
        remedy: "Wait, and look at Meta's status page. Look in the App dashboard for a notice: if Meta has revoked the app's \
                 tokens for good, the incident ends only when the grants expire.",
    }
    HoldfastInstagramDown = Ticket, "5m", ["instagram-graph", "instagram-token"] {
        expr: "sum by (instance) (rate(holdfast_provider_calls_total{outcome=~\"failed|no_connection|timeout|broken\"}[10m])) / \
               sum by (instance) (rate(holdfast_provider_calls_total[10m])) > 0.5",
        summary: "Most calls to Instagram fail.",
        meaning: "Statuses stay as they were last confirmed. Grants live for 60 days and are refreshed after 30, so an outage \
                  of days ends no connection.",
        first: "holdfast doctor",
        remedy: "If doctor reaches Instagram and this process does not, check the process's network. Otherwise wait.",
    }
    HoldfastAppRefused = Page, "5m", ["instagram-app", "instagram-redirect", "instagram-scopes"] {
        expr: "sum by (instance) (holdfast_connections{reason=\"app_misconfigured\"}) * 2 > sum by (instance) (holdfast_connections{state=~\"connected|degraded\"}) or \
               (sum by (instance) (holdfast_connections{reason=\"app_misconfigured\"}) > 1 unless on () sum(increase(holdfast_provider_calls_total{outcome=\"ok\"}[6h])) > 0) or \
               sum by (instance) (increase(holdfast_app_refusals_total[15m])) > 0",
        summary: "Instagram refuses the app itself: its id, its secret, or its permissions.",
        meaning: "Nobody can connect, or no grant can be refreshed: more than half of the connections are refused, or several \
                  and none has worked for six hours. Nobody is told to reconnect, because that would not help.",
        first: "holdfast doctor",
        remedy: "Compare INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET with the App dashboard (Instagram, API setup with \
                 Instagram login), especially after the secret was reset. Look there for a notice that the app is restricted.",
    }
    HoldfastAccountRefused = Ticket, "1h", [] {
        expr: "sum by (instance) (holdfast_connections{reason=\"app_misconfigured\"}) > 0 unless \
               (sum by (instance) (holdfast_connections{reason=\"app_misconfigured\"}) * 2 > sum by (instance) (holdfast_connections{state=~\"connected|degraded\"}) or \
               (sum by (instance) (holdfast_connections{reason=\"app_misconfigured\"}) > 1 unless on () sum(increase(holdfast_provider_calls_total{outcome=\"ok\"}[6h])) > 0))",
        summary: "Instagram refuses the app for single accounts, while others work.",
        meaning: "These grants cannot be refreshed. Their owners are not told to reconnect, because the refusal names the app.",
        first: "holdfast connections list --reason app_misconfigured",
        remedy: "Look at the history of one (`holdfast connections show USER`) for what Instagram says. Most often the account \
                 is restricted, or its owner has no role in an app that is still in development. It is tried again by itself.",
    }
    HoldfastBudgetSpent = Ticket, "5m", ["budget"] {
        expr: "holdfast_provider_budget_ratio >= 1",
        summary: "Instagram's hourly budget for the app is used up.",
        meaning: "The worker and checks pause. Graph calls of the app's backend go on, and use the same budget.",
        first: "holdfast doctor",
        remedy: "Let the app's backend make fewer calls, with webhooks or a cache. The budget grows with the number of people \
                 who use the app.",
    }
    HoldfastRefreshOverdue = Ticket, "5m", ["backlog"] {
        expr: "min_over_time(holdfast_refresh_overdue[30m]) > 0",
        summary: "Due refreshes are not being made.",
        meaning: "Nobody notices for weeks; then grants expire.",
        first: "holdfast doctor",
        remedy: "Run at least one replica with HOLDFAST_WORKER=on. After a long outage the budget limits how fast the backlog \
                 falls: watch `holdfast_refresh_overdue`.",
    }
    HoldfastGrantExpiring = Ticket, "1h", ["backlog"] {
        expr: "holdfast_grants_expiring_unrenewed > 0",
        summary: "A grant expires within three days, and could not be refreshed.",
        meaning: "Its owner must connect again when it expires. The event `instagram.expiring_soon` told the app a week before.",
        first: "holdfast connections list --expires-within 3d",
        remedy: "Look at its history (`holdfast connections show USER`) and follow the page of the reason there \
                 (`/docs/errors/REASON`).",
    }
    HoldfastGrantDamaged = Ticket, "0m", ["sealed"] {
        expr: "sum by (instance) (holdfast_connections{reason=\"grant_unreadable\"}) > 0",
        summary: "A stored grant cannot be opened: its row was changed, moved or removed.",
        meaning: "Something other than Holdfast changed the database, or its disk is failing. Its owner must connect again, unless the row \
                  is restored.",
        first: "holdfast connections list --reason grant_unreadable",
        remedy: "Restore the rows of `grants` and `user_keys` from a backup: the worker resumes a connection whose grant opens again. \
                 Then find out who wrote to the database, and look at its disk.",
    }
    HoldfastDeletionUnfinished = Ticket, "5m", [] {
        expr: "holdfast_data_deletions_unfinished > 0",
        summary: "A data deletion that Meta requested is not done after ten minutes.",
        meaning: "Its person still reads that their data is being deleted. Requests wait while Instagram has to say whether a link came before them, at most a week.",
        first: "journalctl -u holdfast -o cat | grep 'data deletion'",
        remedy: "The log names the request's code and what is in the way. Once that is mended, the worker finishes it. Where no \
                 line names one, 0.1.0 has left it and does not know the account: look the account up in the lists that Meta mails, \
                 run `holdfast connections forget --account ID --yes`, and then in the database \
                 `UPDATE data_deletions SET completed_at = requested_at WHERE completed_at IS NULL AND unfinished IS NULL`.",
    }
    HoldfastWorkerStuck = Page, "2m", [] {
        expr: "time() - holdfast_worker_last_tick_timestamp_seconds > 600 unless on (instance) holdfast_ready{check=\"database\"} == 0",
        summary: "The worker has not completed a tick for ten minutes.",
        meaning: "This process refreshes nothing. After three minutes the worker of another replica takes over its work.",
        first: "journalctl -u holdfast -n 50 -o cat",
        remedy: "The log says why ticks fail; where another session holds a lock in the database (`pg_stat_activity`), end it. Otherwise \
                 restart the process; nothing is lost. Report the fault with the log of that time.",
    }
    HoldfastFiguresStale = Ticket, "2m", ["database"] {
        expr: "(time() - holdfast_overview_timestamp_seconds > 600 or \
               (time() - process_start_time_seconds > 600 unless on (instance) holdfast_overview_timestamp_seconds)) \
               and on (instance) holdfast_ready{check=\"database\"} == 1",
        summary: "The gauges of connections, refreshes and tables are ten minutes old.",
        meaning: "Alerts that rest on them, such as those for overdue refreshes and events that wait, stay silent. The database answers, but a query \
                  for them fails or does not end: a table is locked, damaged or missing.",
        first: "journalctl -u holdfast -n 50 -o cat; holdfast doctor",
        remedy: "The log says why the overview is not read. Where a session holds a lock (`pg_stat_activity`), end it.",
    }
    HoldfastJournalUnwritable = Page, "2m", ["journal"] {
        expr: "holdfast_journal_writable == 0",
        summary: "The journal cannot be written, so it cannot protect new tokens.",
        meaning: "A token that Instagram issues while the database is away could be lost.",
        first: "holdfast doctor",
        remedy: "Make room on the disk, or let the process write to HOLDFAST_JOURNAL_DIR. No restart is needed.",
    }
    HoldfastJournalWaits = Ticket, "1m", ["journal"] {
        expr: "min_over_time(holdfast_journal_entries[10m]) > 0 unless on (instance) holdfast_ready{check=\"database\"} == 0",
        summary: "Tokens wait in the journal although the database answers.",
        meaning: "Each token is somebody's newest grant. The tokens are safe as long as the journal's directory is.",
        first: "journalctl -u holdfast -n 50 -o cat",
        remedy: "Do not delete the files. The log says why they cannot be stored; most often HOLDFAST_ENCRYPTION_KEYS lacks a \
                 key.",
    }
    HoldfastWebhooksFail = Ticket, "5m", ["webhook-receiver"] {
        expr: "max by (instance) (time() - holdfast_table_oldest_timestamp_seconds{table=\"outbox\"}) > 900 unless on (instance) holdfast_ready{check=\"database\"} == 0",
        summary: "The app accepts no events.",
        meaning: "One has waited for a quarter of an hour. Events are kept for a week. When the app answers again, it gets the newest status of each user.",
        first: "holdfast doctor",
        remedy: "Check the receiver at HOLDFAST_WEBHOOK_URL: it must answer 2xx within 8 seconds.",
    }
    HoldfastEventLost = Ticket, "0m", [] {
        expr: "sum by (instance) (increase(holdfast_webhook_deliveries_total{outcome=\"given_up\"}[1h])) > 0",
        summary: "An event could not be delivered for a week and is given up.",
        meaning: "The app may not know the newest status of a user.",
        first: "journalctl -u holdfast -o cat | grep 'given up'",
        remedy: "Let the app read `GET /service/connections` once and update its copy.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_name_of_its_own_and_a_whole_section() {
        let names: std::collections::BTreeSet<_> = ALERTS.iter().map(|alert| alert.name).collect();
        assert_eq!(names.len(), ALERTS.len());
        for alert in ALERTS {
            assert!(!alert.expr.contains('\''), "{} would end its quotation", alert.name);
            for text in [alert.summary, alert.meaning, alert.first, alert.remedy] {
                assert!(!text.is_empty() && !text.contains('"'), "{}: {text}", alert.name);
            }
        }
    }
}
