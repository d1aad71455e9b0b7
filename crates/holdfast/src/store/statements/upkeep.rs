//! Connections that have expired, have wrong times, or cannot be read.

use super::Sql;

/// Times that no correct clock can have written: a grant from the future, a recorded expiry that is
/// still to come, a refresh due too late in a life that should have been refreshed earlier. Each is
/// found by an index of its own; `COALESCE` keeps planners from the index of all live connections.
macro_rules! mistimed {
    () => {
        "SELECT id FROM connections WHERE grant_version IS NOT NULL AND \
         grant_obtained_at > $1 AND (COALESCE(state, '') IN ('connected', 'degraded', 'action_required') OR reason = \
         'expired') UNION SELECT id FROM connections WHERE reason = 'expired' AND evidence_source = 'clock' AND grant_expires_at \
         > $2 AND grant_version IS NOT NULL UNION SELECT id FROM connections WHERE grant_version IS NOT NULL AND \
         grant_expires_at > $2 AND grant_expires_at <= $5 AND next_refresh_at > $3 AND next_refresh_at > \
         grant_expires_at - (grant_expires_at - grant_obtained_at) / 100 * $4"
    };
}

/// Live connections whose grant has expired, and has not worked past its expiry after `$2`; of
/// those, what the condition leaves.
macro_rules! expired {
    ($($condition:expr),+ $(,)?) => {
        connections_where!(
            "c.grant_expires_at <= $1 AND c.state IN ('connected', 'degraded', 'action_required') AND NOT \
             (COALESCE(c.evidence_source, '') IN ('use', 'refresh') AND c.evidence_at >= c.grant_expires_at AND \
             c.evidence_at > $2) AND ",
            $($condition),+,
            " ORDER BY c.grant_expires_at, c.id LIMIT $4 + 0 OFFSET $5 + 0"
        )
    };
}

statements! {
    CONNECTIONS_EXPIRED = expired!(
        "NOT EXISTS (SELECT 1 FROM ",
        grants_of_that_expiry!("c."),
        ") AND c.grant_expires_at > $3"
    );
    /// Expiries that are assumed, or not after `$3`; without those that the provider may not be
    /// asked about yet.
    CONNECTIONS_EXPIRED_IN_DOUBT = expired!(
        "(c.retry_after IS NULL OR c.retry_after <= $1) AND (c.grant_expires_at <= $3 OR EXISTS (SELECT 1 FROM ",
        grants_of_that_expiry!("c."),
        "))"
    );
    CONNECTIONS_UNREADABLE = connections_where!("c.reason = 'grant_unreadable' ORDER BY c.since, c.id LIMIT $1 + 0 OFFSET $2 + 0");
    CONNECTIONS_MISTIMED = Sql::each(
        concat!(
            "SELECT ",
            connection_columns!("c."),
            " FROM connections AS c WHERE c.id IN (",
            mistimed!(),
            ") ORDER BY c.id LIMIT $6 + 0 OFFSET $7 + 0"
        ),
        // As in `STATUS`: otherwise the planner may walk along all ids, expecting to find some
        // soon.
        concat!(
            "SELECT ",
            connection_columns!("c."),
            " FROM (",
            mistimed!(),
            ") AS found CROSS JOIN LATERAL (SELECT ",
            connection_columns!("c."),
            " FROM connections AS c WHERE c.id = found.id LIMIT 1) AS c ORDER BY c.id LIMIT $6 + 0 OFFSET $7 + 0"
        ),
    );
    /// Attempts that began after `$1`, by a clock that was ahead: as if they began at `$2`.
    ATTEMPTS_BRING_BACK = by_index!(
        "UPDATE attempts",
        "sqlite_autoindex_attempts_1",
        " SET expires_at = expires_at - created_at + $2, created_at = $2, revision = revision + 1 WHERE id IN (SELECT id \
         FROM attempts WHERE stage <> 'closed' AND expires_at > $1 AND created_at > $1 ORDER BY expires_at LIMIT $3 + 0)",
    );
    /// Claims that last longer than any, likewise.
    ATTEMPTS_BRING_BACK_CLAIMS = by_index!(
        "UPDATE attempts",
        "sqlite_autoindex_attempts_1",
        " SET busy_until = $2, revision = revision + 1 WHERE id IN (SELECT id FROM attempts WHERE busy_until > $1 ORDER BY \
         busy_until LIMIT $3 + 0)",
    );
    /// Events that are due later than after any pause, likewise.
    OUTBOX_BRING_BACK = Sql::both(
        "UPDATE outbox SET due_at = $2, occurred_at = CASE WHEN occurred_at > $2 THEN $2 ELSE occurred_at END WHERE (user_id, \
         provider) IN (SELECT user_id, provider FROM outbox WHERE due_at > $1 ORDER BY due_at LIMIT $3 + 0)",
    );
    NOTICES_BRING_BACK = by_index!(
        "UPDATE notices",
        "sqlite_autoindex_notices_1",
        " SET due_at = $2, occurred_at = CASE WHEN occurred_at > $2 THEN $2 ELSE occurred_at END WHERE subject IN (SELECT \
         subject FROM notices WHERE due_at > $1 ORDER BY due_at LIMIT $3 + 0)",
    );
}
