//! The sweep: each takes a few rows at a time, so that nobody waits for it.

use super::Sql;

statements! {
    LAST_USED = Sql::both(
        "SELECT MAX(at) AS at FROM (SELECT MAX(at) AS at FROM connection_history WHERE at <= $1 UNION ALL SELECT MAX(at) FROM \
         audit WHERE at <= $1 UNION ALL SELECT MAX(received_at) FROM clerk_events WHERE received_at <= $1 UNION ALL SELECT \
         MAX(evidence_at) FROM connections WHERE state = 'connected' AND evidence_at <= $1) AS newest",
    );
    SWEEP_ATTEMPTS = by_index!(
        "DELETE FROM attempts",
        "sqlite_autoindex_attempts_1",
        " WHERE id IN (SELECT id FROM attempts WHERE closed_at < $1 ORDER BY closed_at LIMIT $2 + 0)",
    );
    /// Secrets that a closed attempt still holds after it has expired.
    SWEEP_COMPLETIONS = by_index!(
        "UPDATE attempts",
        "sqlite_autoindex_attempts_1",
        " SET sealed_completion = NULL, sealed = NULL WHERE id IN (SELECT id FROM attempts WHERE closed_at IS NOT NULL AND \
         expires_at < $1 AND (sealed_completion IS NOT NULL OR sealed IS NOT NULL) ORDER BY closed_at LIMIT $2 + 0)",
    );
    SWEEP_CLERK_EVENTS = by_index!(
        "DELETE FROM clerk_events",
        "sqlite_autoindex_clerk_events_1",
        " WHERE id IN (SELECT id FROM clerk_events WHERE received_at < $1 ORDER BY received_at LIMIT $2 + 0)",
    );
    SWEEP_DELETIONS = by_index!(
        "DELETE FROM data_deletions",
        "sqlite_autoindex_data_deletions_1",
        " WHERE code IN (SELECT code FROM data_deletions WHERE requested_at < $1 ORDER BY requested_at LIMIT $2 + 0)",
    );
    SWEEP_WITHDRAWALS = Sql::both(
        "DELETE FROM withdrawals WHERE (provider, account_hash) IN (SELECT provider, account_hash FROM withdrawals WHERE \
         issued_at < $1 ORDER BY issued_at LIMIT $2 + 0)",
    );
    SWEEP_OUTBOX = Sql::both(
        "DELETE FROM outbox WHERE (user_id, provider) IN (SELECT user_id, provider FROM outbox WHERE \
         occurred_at < $1 ORDER BY occurred_at LIMIT $2 + 0)",
    );
    SWEEP_REFUSALS = Sql::both(
        "DELETE FROM scope_refusals WHERE (connection_id, scope) IN (SELECT connection_id, scope FROM scope_refusals WHERE \
         last_at < $1 ORDER BY last_at LIMIT $2 + 0)",
    );
    SWEEP_ACTS = by_index!(
        "DELETE FROM audit",
        "sqlite_autoindex_audit_1",
        " WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2 + 0)",
    );
    SWEEP_NOTICES = by_index!(
        "DELETE FROM notices",
        "sqlite_autoindex_notices_1",
        " WHERE subject IN (SELECT subject FROM notices WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2 + 0)",
    );
    /// Hours since the epoch; `$1` is in milliseconds.
    SWEEP_REFRESHES = Sql::both(
        "DELETE FROM refresh_tally WHERE hour IN (SELECT hour FROM refresh_tally WHERE hour < CAST($1 AS BIGINT) / \
         3600000 ORDER BY hour LIMIT $2 + 0)",
    );
    /// Grants of connections that have lost theirs since `$1`. Versions before schema 15 leave them
    /// when an account moves, and may do so while replicas are upgraded one after the other. One
    /// look-up for each, whatever the planner expects.
    SWEEP_GRANTS = by_index!(
        "DELETE FROM grants",
        "sqlite_autoindex_grants_1",
        " WHERE connection_id IN (SELECT c.id FROM connections AS c WHERE (c.state <> 'connected' OR \
         c.suspicion_first_at IS NOT NULL) AND c.since > $1 AND c.grant_version IS NULL AND (SELECT g.version FROM grants AS g \
         WHERE g.connection_id = c.id LIMIT 1) IS NOT NULL ORDER BY c.since LIMIT $2 + 0)",
    );
    /// The time of the last of the next few entries after $2 that are older than $1.
    SWEEP_HISTORY_NEXT = Sql::both(
        "SELECT MAX(at) AS at FROM (SELECT at FROM connection_history WHERE at < $1 AND at > $2 ORDER BY at \
         LIMIT $3 + 0) AS next",
    );
    /// Deletes those among them that have twenty newer entries of their connection.
    SWEEP_HISTORY = Sql::both(
        "DELETE FROM connection_history WHERE at > $1 AND at <= $2 AND (SELECT COUNT(*) FROM (SELECT 1 FROM \
         connection_history AS newer WHERE newer.connection_id = connection_history.connection_id AND \
         (newer.version, newer.position) > (connection_history.version, connection_history.position) LIMIT 20) \
         AS newest) >= 20",
    );
}
