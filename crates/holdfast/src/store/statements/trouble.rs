//! Signs of trouble among all connections together.

use super::Sql;

/// Connections not simply healthy, worded as the index `connections_troubled`, so it is used.
macro_rules! troubled {
    () => {
        "(state <> 'connected' OR suspicion_first_at IS NOT NULL)"
    };
}

/// `$then` for connections with an open suspicion that was first seen after `$since`.
macro_rules! suspected_since {
    ($since:literal, $then:literal) => {
        concat!(
            "WHEN suspicion_first_at > ",
            $since,
            " AND state <> 'reconnect_required' AND COALESCE(reason, '') <> 'provider_incident' THEN ",
            $then,
            " "
        )
    };
}

/// `$then` for connections that an answer declared dead after `$since`, for the reason asked about.
macro_rules! fallen_since {
    ($since:literal, $then:literal) => {
        concat!(
            "WHEN state IN ('reconnect_required', 'action_required') AND reason = $4 AND since > ",
            $since,
            " AND evidence_source IN ('refresh', 'use') THEN ",
            $then,
            " "
        )
    };
}

/// How many were struck after `$since`, and when the first of them was.
macro_rules! struck_since {
    ($since:literal, $count:literal, $first:literal) => {
        concat!(
            ", COUNT(CASE ",
            suspected_since!($since, "1"),
            fallen_since!($since, "1"),
            "END) AS ",
            $count,
            ", MIN(CASE ",
            suspected_since!($since, "suspicion_first_at"),
            fallen_since!($since, "since"),
            "END) AS ",
            $first
        )
    };
}

macro_rules! held {
    () => {
        concat!(
            troubled!(),
            " AND state = 'degraded' AND reason = $1 AND grant_version IS NOT NULL AND +next_refresh_at > $2 ORDER BY failures, \
             since LIMIT $3 + 0"
        )
    };
}

macro_rules! make_due {
    () => {
        "SET next_refresh_at = $2, version = version + 1 WHERE id IN (SELECT id FROM held)"
    };
}

statements! {
    /// Reads only the connections in trouble.
    TROUBLE = by_index!(
        concat!(
            "SELECT COUNT(CASE WHEN reason = 'provider_incident' THEN 1 END) AS held, MIN(CASE WHEN reason = \
         'provider_incident' THEN since END) AS held_since",
            struck_since!("$1", "struck_short", "first_short"),
            struck_since!("$2", "struck_middle", "first_middle"),
            ", COUNT(CASE ",
            suspected_since!("$3", "1"),
            "END) AS struck_long, MIN(CASE ",
            suspected_since!("$3", "suspicion_first_at"),
            "END) AS first_long FROM connections"
        ),
        "connections_troubled",
        concat!(" WHERE ", troubled!(), " AND grant_version IS NOT NULL"),
    );
    MISCONFIGURED_COUNT = by_index!(
        "SELECT COUNT(*) AS amount FROM connections",
        "connections_troubled",
        concat!(" WHERE ", troubled!(), " AND grant_version IS NOT NULL AND reason = 'app_misconfigured'"),
    );
    /// Connections that were lately proven to work.
    PROVEN_COUNT = Sql::both(
        "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections WHERE state = 'connected' AND evidence_at > $1 AND \
         evidence_at <= $2 AND suspicion_first_at IS NULL AND evidence_source IN ('oauth', 'refresh', 'use') AND \
         grant_version IS NOT NULL LIMIT $3 + 0) AS proven",
    );
    PROVEN_LAST = connections_where!("c.state = 'connected' AND c.evidence_at <= $3 AND c.id <> $1 AND c.suspicion_first_at IS \
         NULL AND c.grant_version IS NOT NULL AND c.grant_expires_at > $2 AND (c.retry_after IS NULL OR \
         c.retry_after <= $2) ORDER BY c.evidence_at DESC, c.id LIMIT $4 + 0 OFFSET $5 + 0");
    ALIVE_COUNT = by_index!(
        "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections",
        "connections_expiring",
        " WHERE state IN ('connected', 'degraded', 'action_required') LIMIT $1 + 0) AS alive",
    );
    CONNECTIONS_FALLEN = connections_where!(
        troubled!(),
        " AND c.grant_version IS NOT NULL AND COALESCE(c.state, '') IN ('reconnect_required', 'action_required') AND c.since > $1 AND COALESCE(c.reason, '') = $2 AND c.evidence_source IN ('refresh', 'use') ORDER BY c.since, c.id LIMIT $3 + 0 OFFSET $4 + 0"
    );
    /// The status shows the next refresh, so the version grows.
    CONNECTIONS_MAKE_DUE = Sql::each(
        concat!(
            "WITH held AS MATERIALIZED (SELECT id FROM connections INDEXED BY connections_troubled WHERE ",
            held!(),
            ") UPDATE connections INDEXED BY sqlite_autoindex_connections_1 ",
            make_due!()
        ),
        concat!(
            "WITH held AS MATERIALIZED (SELECT id FROM connections WHERE ",
            held!(),
            " FOR UPDATE SKIP LOCKED) UPDATE connections ",
            make_due!()
        ),
    );
}
