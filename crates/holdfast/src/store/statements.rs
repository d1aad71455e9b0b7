//! Every statement, once. Both engines take the same text wherever they can.
//!
//! `$n` parameters, `ON CONFLICT`, `RETURNING` and `WITH … AS MATERIALIZED` are common to SQLite,
//! Postgres and CockroachDB. A test prepares each statement on both engines.
//!
//! `LIMIT $n + 0`: of a bare parameter there, SQLite's planner reads the value, and prepares the
//! statement anew at each execution. `COALESCE(x, '')`, `x || ''` and `x + 0` keep planners from an
//! index of `x` that would look better than it is where statistics are missing: another finds fewer
//! rows. An `OFFSET` behind it passes over rows that cannot be read: see
//! [`Store::readable`](super::Store::readable).

/// A statement, in the words of each engine.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For Postgres and what speaks its protocol.
    pub postgres: &'static str,
}

impl Sql {
    /// One text for both.
    pub(super) const fn both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    /// Where they differ.
    pub(super) const fn each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// A statement that SQLite is held to an index for, which it would not take with statistics from
/// when there were few rows.
macro_rules! by_index {
    ($before:expr, $index:literal, $after:expr $(,)?) => {
        Sql::each(concat!($before, " INDEXED BY ", $index, $after), concat!($before, $after))
    };
}

/// The columns of a connection, for `concat!`. Named, because `*` would break prepared statements
/// when a migration adds one.
macro_rules! connection_columns {
    () => {
        "c.id, c.user_id, c.provider, c.state, c.reason, c.account_id, c.account_professional_id, \
         c.account_username, c.account_name, c.account_type, c.account_picture_url, c.scopes, \
         c.missing_scopes, c.grant_version, c.grant_obtained_at, c.grant_expires_at, c.next_refresh_at, \
         c.retry_after, c.since, c.linked_at, c.evidence_source, c.evidence_at, \
         c.suspicion_grant_version, c.suspicion_first_at, c.failures, c.version"
    };
}

macro_rules! attempt_columns {
    () => {
        "id, revision, user_id, provider, state_hash, completion_hash, stage, outcome, return_to, expect, \
         created_at, expires_at, sealed, sealed_completion, busy_until, closed_at"
    };
}

macro_rules! user_columns {
    () => {
        "id, email, email_verified, first_name, last_name, image_url, created_at, updated_at, last_seen_at, clerk_updated_at, first_synced_at"
    };
}

// Health and schema

/// Touches a table, so that a database without schema is not called healthy.
pub(super) const PING: Sql = Sql::both("SELECT COUNT(*) AS users FROM (SELECT id FROM users LIMIT 1) AS one");
/// Before the first migration; not part of [`ALL`], because it is what makes the others preparable.
pub(super) const MIGRATIONS_TABLE: Sql = Sql::each(
    "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, \
     checksum BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, \
     checksum BYTEA NOT NULL, applied_at BIGINT NOT NULL)",
);
pub(super) const MIGRATIONS_TABLE_EXISTS: Sql = Sql::each(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND \
     table_name = 'schema_migrations'",
);
pub(super) const MIGRATIONS_APPLIED: Sql =
    Sql::both("SELECT version, checksum FROM schema_migrations ORDER BY version");
/// A migration may take longer than any statement of a request.
pub(super) const MIGRATION_PATIENCE: Sql = Sql::each("SELECT 1", "SET LOCAL statement_timeout = 0");
/// Comes first in its transaction: the primary key makes a second migrator wait, then fail.
pub(super) const MIGRATION_RECORD: Sql =
    Sql::both("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)");

// Users

pub(super) const USER: Sql = Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"));
/// SQLite's unit of work holds the write lock already.
pub(super) const USER_LOCK: Sql = Sql::each(
    concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"),
    concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 FOR UPDATE"),
);
pub(super) const USER_INSERT: Sql = Sql::both(
    "INSERT INTO users (id, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT (id) DO NOTHING",
);
pub(super) const USER_UPDATE: Sql = Sql::both(
    "UPDATE users SET email = $2, email_verified = $3, first_name = $4, last_name = $5, image_url = \
     $6, updated_at = $7, last_seen_at = $8, clerk_updated_at = $9, first_synced_at = $10 WHERE id = $1",
);
pub(super) const USER_TOUCH: Sql = Sql::both(
    "UPDATE users SET last_seen_at = $2 WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)",
);
/// Takes keys, connections, history, grants and attempts with it (`ON DELETE CASCADE`).
pub(super) const USER_DELETE: Sql = Sql::both("DELETE FROM users WHERE id = $1");
pub(super) const USER_PROVIDERS: Sql =
    Sql::both("SELECT DISTINCT provider FROM connections WHERE user_id = $1");
pub(super) const TOMBSTONE: Sql = Sql::both("SELECT user_id FROM deleted_users WHERE user_id = $1");
pub(super) const TOMBSTONE_INSERT: Sql = Sql::both(
    "INSERT INTO deleted_users (user_id, deleted_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
);
pub(super) const CLERK_EVENT_INSERT: Sql =
    Sql::both("INSERT INTO clerk_events (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");

// Connections: reads

/// The hot path. On SQLite it asks about the user `$1` and has one row, whose two halves may be
/// null. On Postgres, where what costs is the round trip, it asks about as many as there are in the
/// lists `$1` of users and `$2` of providers: one row each, numbered by its place in the lists.
///
/// `LATERAL … LIMIT 1` leaves Postgres' planner no way but one look-up for each caller, however
/// many callers or rows it expects.
pub(super) const STATUS: Sql = Sql::each(
    concat!(
        "SELECT ",
        connection_columns!(),
        ", a.id AS attempt_id, a.created_at AS attempt_created_at, a.expires_at AS attempt_expires_at \
         FROM (SELECT 1) AS one LEFT JOIN connections AS c ON c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0 \
         LEFT JOIN attempts AS a ON a.stage <> 'closed' AND a.id = (SELECT id FROM attempts WHERE user_id = $1 \
         AND provider = $2 ORDER BY created_at DESC, id DESC LIMIT 1)"
    ),
    concat!(
        "SELECT caller.place, ",
        connection_columns!(),
        ", a.attempt_id, a.attempt_created_at, a.attempt_expires_at FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
         WITH ORDINALITY AS caller (user_id, provider, place) LEFT JOIN LATERAL (SELECT ",
        connection_columns!(),
        " FROM connections AS c WHERE c.user_id = caller.user_id AND c.provider = caller.provider AND c.ordinal = 0 \
         LIMIT 1) AS c ON TRUE LEFT JOIN LATERAL (\
         SELECT id AS attempt_id, created_at AS attempt_created_at, expires_at AS attempt_expires_at, stage FROM attempts \
         WHERE user_id = caller.user_id AND provider = caller.provider ORDER BY created_at DESC, id DESC LIMIT 1) \
         AS a ON a.stage <> 'closed'"
    ),
);
pub(super) const CONNECTION: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0"
));
pub(super) const CONNECTION_BY_ID: Sql =
    Sql::both(concat!("SELECT ", connection_columns!(), " FROM connections AS c WHERE c.id = $1"));
/// One asker per connection and gap, on whichever replica. A probe further ahead than the gap is of
/// a clock that has been set back; one that is only a little ahead is of somebody who looked at the
/// clock after us and wrote before us.
pub(super) const CONNECTION_CLAIM_PROBE: Sql = Sql::both(
    "UPDATE connections SET probed_at = $2 WHERE id = $1 AND (probed_at IS NULL OR probed_at <= $3 OR probed_at > $4)",
);
pub(super) const CONNECTIONS_BY_ACCOUNT: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.id IN (SELECT id FROM connections WHERE provider = $1 AND account_id = $2 UNION \
     ALL SELECT id FROM connections WHERE provider = $1 AND account_professional_id = $2) ORDER BY c.id"
));
/// A handle may have been another account's before, so there may be several.
pub(super) const CONNECTIONS_BY_USERNAME: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.provider = $1 AND c.account_username = $2 ORDER BY c.id"
));
/// Who, by id; the rest is read with the status.
pub(super) const LISTED: Sql = Sql::both(
    "SELECT id, user_id, grant_expires_at FROM connections WHERE COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND id > $2 ORDER BY id \
     LIMIT $3 + 0",
);
/// The same of those in one stored state other than `connected`, which are few.
pub(super) const LISTED_IN_STATE: Sql = Sql::both(
    "SELECT id, user_id, grant_expires_at FROM connections WHERE state = $4 AND state <> 'connected' AND provider = $1 \
     AND ordinal = 0 AND id > $2 ORDER BY id LIMIT $3 + 0",
);
/// The same of those whose grant has died by the clock while their stored state does not say so.
/// With nothing joined to them, provider and id keep planners from indexes that would have them
/// read everybody.
pub(super) const LISTED_LAPSED: Sql = Sql::both(
    "SELECT id, user_id, grant_expires_at FROM connections WHERE grant_expires_at <= $4 AND state IN ('connected', \
     'degraded', 'action_required') AND COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND id || '' > $2 ORDER BY id || '' LIMIT $3 + 0",
);
/// By deadline, from where the page before ended.
pub(super) const LISTED_BY_DEADLINE: Sql = Sql::both(
    "SELECT id, user_id, grant_expires_at FROM connections WHERE COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND grant_version IS NOT \
     NULL AND grant_expires_at < $4 AND (grant_expires_at > $5 OR (grant_expires_at = $5 AND id > $2)) ORDER BY \
     grant_expires_at, id LIMIT $3 + 0",
);
pub(super) const CONNECTIONS_PAGE: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.id > $1 ORDER BY c.id LIMIT $2 + 0"
));
pub(super) const CONNECTION_COUNTS: Sql = Sql::both(
    "SELECT provider, state, reason, COUNT(*) AS amount FROM connections GROUP BY provider, state, \
     reason ORDER BY provider, state, reason",
);
pub(super) const HISTORY: Sql = Sql::both(
    "SELECT h.connection_id, h.version, h.position, h.at, h.state, h.reason, h.evidence_source, \
     h.evidence_at, h.detail, h.attempt_id, h.attempt_outcome FROM connection_history AS h JOIN connections AS c ON c.id = \
     h.connection_id WHERE c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0 AND (h.version < $3 \
     OR (h.version = $3 AND h.position < $4)) ORDER BY h.version DESC, h.position DESC LIMIT $5 + 0",
);
pub(super) const GRANT: Sql = Sql::both(
    "SELECT connection_id, version, blob, obtained_at, expires_at FROM grants WHERE connection_id = \
     $1 AND version = $2",
);
pub(super) const GRANT_AND_KEY: Sql = Sql::both(
    "SELECT g.connection_id, g.version, g.blob, g.obtained_at, g.expires_at, k.key_id, k.blob AS key_blob \
     FROM grants AS g JOIN user_keys AS k ON k.user_id = $3 WHERE g.connection_id = $1 AND g.version = $2",
);
pub(super) const GRANTS: Sql = Sql::both(
    "SELECT connection_id, version, blob, obtained_at, expires_at FROM grants WHERE connection_id = \
     $1 ORDER BY version DESC",
);

// Connections: writes

pub(super) const CONNECTION_INSERT: Sql = Sql::both(
    "INSERT INTO connections (id, user_id, provider, state, reason, account_id, \
     account_professional_id, account_username, account_name, account_type, account_picture_url, \
     scopes, missing_scopes, grant_version, grant_obtained_at, grant_expires_at, next_refresh_at, \
     retry_after, since, linked_at, evidence_source, evidence_at, suspicion_grant_version, \
     suspicion_first_at, failures, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (user_id, \
     provider, ordinal) DO NOTHING",
);
/// Compare and set.
pub(super) const CONNECTION_UPDATE: Sql = Sql::both(
    "UPDATE connections SET state = $3, reason = $4, account_id = $5, account_professional_id = $6, \
     account_username = $7, account_name = $8, account_type = $9, account_picture_url = $10, scopes = \
     $11, missing_scopes = $12, grant_version = $13, grant_obtained_at = $14, grant_expires_at = $15, \
     next_refresh_at = $16, retry_after = $17, since = $18, linked_at = $19, evidence_source = $20, \
     evidence_at = $21, suspicion_grant_version = $22, suspicion_first_at = $23, failures = $24, \
     version = $25 WHERE id = $1 AND version = $2",
);
/// Behind what the history says of that version already: an attempt begins and ends beside it.
pub(super) const HISTORY_INSERT: Sql = Sql::both(
    "INSERT INTO connection_history (connection_id, version, position, at, state, reason, \
     evidence_source, evidence_at, detail, attempt_id, attempt_outcome) VALUES ($1, $2, (SELECT COALESCE(MAX(position) + \
     1, 0) FROM connection_history WHERE connection_id = $1 AND version = $2), $3, $4, $5, $6, $7, $8, $9, $10)",
);
pub(super) const GRANT_APPEND: Sql = Sql::both(
    "INSERT INTO grants (connection_id, version, blob, obtained_at, expires_at) VALUES ($1, $2, $3, \
     $4, $5) ON CONFLICT (connection_id, version) DO NOTHING",
);
pub(super) const GRANTS_ERASE_BELOW: Sql =
    Sql::both("DELETE FROM grants WHERE connection_id = $1 AND version < $2");
pub(super) const GRANTS_ERASE: Sql = Sql::both("DELETE FROM grants WHERE connection_id = $1");

/// Begins anew where the last refusal is long past, or was of an earlier link.
pub(super) const REFUSAL_PUT: Sql = Sql::both(
    "INSERT INTO scope_refusals (connection_id, scope, first_at, last_at) VALUES ($1, $2, $3, $3) ON CONFLICT \
     (connection_id, scope) DO UPDATE SET first_at = CASE WHEN scope_refusals.last_at < $4 OR scope_refusals.first_at < \
     $5 THEN excluded.first_at ELSE scope_refusals.first_at END, last_at = excluded.last_at RETURNING first_at",
);
pub(super) const REFUSALS_COUNT: Sql = Sql::both(
    "SELECT COUNT(*) AS amount FROM (SELECT connection_id FROM scope_refusals WHERE scope = $1 AND last_at > $2 LIMIT \
     $3 + 0) AS struck",
);
pub(super) const REFUSALS_PRUNE: Sql = Sql::both("DELETE FROM scope_refusals WHERE last_at < $1");

// Leases

/// As `connection_columns!`, without the alias: SQLite does not know it in `RETURNING`.
macro_rules! returned_columns {
    () => {
        "id, user_id, provider, state, reason, account_id, account_professional_id, account_username, \
         account_name, account_type, account_picture_url, scopes, missing_scopes, grant_version, \
         grant_obtained_at, grant_expires_at, next_refresh_at, retry_after, since, linked_at, \
         evidence_source, evidence_at, suspicion_grant_version, suspicion_first_at, failures, version"
    };
}

/// Who may be claimed besides being due. A lease or a wait that ends later than any may is from a
/// clock that was ahead.
macro_rules! claimable {
    () => {
        " AND grant_version IS NOT NULL AND (retry_after IS NULL OR retry_after <= $1 OR retry_after > $6) \
         AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $5)"
    };
}

/// Finds by due time, then sorts by deadline: for few due rows among many. A plus keeps planners
/// from an index.
macro_rules! few_due {
    () => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM connections WHERE next_refresh_at <= $1",
            claimable!(),
            " ORDER BY +grant_expires_at, id LIMIT $2 + 0"
        )
    };
}

/// Walks along the deadlines until enough are found: for a backlog, all of which would otherwise be
/// sorted at each claim.
macro_rules! many_due {
    () => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM connections WHERE +next_refresh_at <= $1",
            claimable!(),
            " ORDER BY grant_expires_at, id LIMIT $2 + 0"
        )
    };
}

/// `$by_id` is how SQLite is held to finding each by its id, which it would not with statistics
/// from when there were few.
macro_rules! claim {
    ($by_id:literal) => {
        concat!(
            ") UPDATE connections AS c ",
            $by_id,
            "SET lease_owner = $3, lease_until = $4, lease_epoch = c.lease_epoch + \
         1 WHERE c.id IN (SELECT id FROM due) AND (c.lease_until IS NULL OR c.lease_until <= $1 OR \
         c.lease_until > $5) \
         RETURNING lease_epoch, ",
            returned_columns!()
        )
    };
}

/// How many are due, counted up to a limit.
pub(super) const DUE_COUNT: Sql = Sql::both(
    "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections WHERE next_refresh_at <= $1 LIMIT $2 + 0) AS due",
);
/// Earliest deadline first. Materialized, because a planner may otherwise run the limited
/// sub-select more than once.
pub(super) const CLAIM_FEW_DUE: Sql = Sql::each(
    concat!(few_due!(), claim!("INDEXED BY sqlite_autoindex_connections_1 ")),
    concat!(few_due!(), " FOR UPDATE SKIP LOCKED", claim!("")),
);
/// As [`CLAIM_FEW_DUE`], by another way.
pub(super) const CLAIM_MANY_DUE: Sql = Sql::each(
    concat!(many_due!(), claim!("INDEXED BY sqlite_autoindex_connections_1 ")),
    concat!(many_due!(), " FOR UPDATE SKIP LOCKED", claim!("")),
);
pub(super) const CLAIM_ONE: Sql = Sql::both(concat!(
    "UPDATE connections SET lease_owner = $2, lease_until = $3, lease_epoch = lease_epoch + 1 WHERE \
     id = $1 AND (lease_until IS NULL OR lease_until <= $4 OR lease_until > $5) RETURNING lease_epoch, ",
    returned_columns!()
));
pub(super) const LEASE_RELEASE: Sql = Sql::both(
    "UPDATE connections SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND lease_owner = $2 \
     AND lease_epoch = $3",
);
/// What was claimed and cannot be read. The status tells the next refresh, so its version moves
/// too.
pub(super) const LEASES_PUT_OFF: Sql = Sql::each(
    "UPDATE connections SET next_refresh_at = $4, lease_owner = NULL, lease_until = NULL, version = version + 1 \
     WHERE lease_owner = $2 AND lease_until = $3 AND id IN (SELECT value FROM json_each($1))",
    "UPDATE connections SET next_refresh_at = $4, lease_owner = NULL, lease_until = NULL, version = version + 1 \
     WHERE lease_owner = $2 AND lease_until = $3 AND id IN (SELECT jsonb_array_elements_text(CAST(CAST($1 AS TEXT) AS \
     JSONB)))",
);
/// Of a database with one server, when that begins: whoever held anything is dead.
pub(super) const LEASES_FENCE: Sql = Sql::both(
    "UPDATE connections SET lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1 WHERE lease_until IS NOT NULL",
);
/// The same for attempts that were being completed.
pub(super) const ATTEMPTS_LET_GO: Sql =
    Sql::both("UPDATE attempts SET busy_until = 0, revision = revision + 1 WHERE busy_until > 0");
pub(super) const NEXT_DUE: Sql = Sql::each(
    "SELECT MIN(at) AS at FROM (SELECT at FROM (SELECT next_refresh_at AS at FROM connections WHERE \
     next_refresh_at IS NOT NULL AND grant_version IS NOT NULL AND lease_until IS NULL AND \
     retry_after IS NULL ORDER BY next_refresh_at LIMIT 1) AS free UNION ALL SELECT \
     MAX(next_refresh_at, COALESCE(lease_until, 0), COALESCE(retry_after, 0)) AS at FROM connections \
     WHERE next_refresh_at IS NOT NULL AND grant_version IS NOT NULL AND (lease_until IS NOT NULL OR \
     retry_after IS NOT NULL)) AS due",
    "SELECT MIN(at) AS at FROM (SELECT at FROM (SELECT next_refresh_at AS at FROM connections WHERE \
     next_refresh_at IS NOT NULL AND grant_version IS NOT NULL AND lease_until IS NULL AND \
     retry_after IS NULL ORDER BY next_refresh_at LIMIT 1) AS free UNION ALL SELECT \
     GREATEST(next_refresh_at, COALESCE(lease_until, 0), COALESCE(retry_after, 0)) AS at FROM \
     connections WHERE next_refresh_at IS NOT NULL AND grant_version IS NOT NULL AND (lease_until IS \
     NOT NULL OR retry_after IS NOT NULL)) AS due",
);
pub(super) const CONNECTIONS_EXPIRED: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.grant_expires_at <= $1 AND c.state IN ('connected', 'degraded', \
     'action_required') AND NOT (COALESCE(c.evidence_source, '') IN ('use', 'refresh') AND c.evidence_at \
     >= c.grant_expires_at AND c.evidence_at > $2) ORDER BY c.grant_expires_at, c.id LIMIT $3 + 0 OFFSET $4 + 0"
));
pub(super) const CONNECTIONS_UNREADABLE: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.reason = 'grant_unreadable' ORDER BY c.since, c.id LIMIT $1 + 0 OFFSET $2 + 0"
));
/// Times that no right clock can have written: a grant from the future, an end that is still to
/// come, a refresh due in the last part of a life, of which less is left than when it should have
/// been due. Each is found by an index of its own; `COALESCE` keeps planners from one of all that
/// live.
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

pub(super) const CONNECTIONS_MISTIMED: Sql = Sql::each(
    concat!(
        "SELECT ",
        connection_columns!(),
        " FROM connections AS c WHERE c.id IN (",
        mistimed!(),
        ") ORDER BY c.id LIMIT $6 + 0 OFFSET $7 + 0"
    ),
    // As in `STATUS`: otherwise the planner may walk along all ids, expecting to find some soon.
    concat!(
        "SELECT ",
        connection_columns!(),
        " FROM (",
        mistimed!(),
        ") AS found CROSS JOIN LATERAL (SELECT ",
        connection_columns!(),
        " FROM connections AS c WHERE c.id = found.id LIMIT 1) AS c ORDER BY c.id LIMIT $6 + 0 OFFSET $7 + 0"
    ),
);

/// Who is not simply well; in the words of the index `connections_troubled`, so that it serves.
macro_rules! troubled {
    () => {
        "(state <> 'connected' OR suspicion_first_at IS NOT NULL)"
    };
}

/// A sign of death that was first seen after a time, and is neither believed nor settled.
macro_rules! suspected_since {
    ($since:literal) => {
        concat!(
            "WHEN suspicion_first_at > ",
            $since,
            " AND state <> 'reconnect_required' AND COALESCE(reason, '') <> 'provider_incident' THEN 1 "
        )
    };
}

/// A death by an answer after a time, for the reason asked about.
macro_rules! fallen_since {
    ($since:literal) => {
        concat!(
            "WHEN state IN ('reconnect_required', 'action_required') AND reason = $4 AND since > ",
            $since,
            " AND evidence_source IN ('refresh', 'use') THEN 1 "
        )
    };
}

/// Reads those in trouble.
pub(super) const TROUBLE: Sql = by_index!(
    concat!(
        "SELECT COUNT(CASE WHEN reason = 'provider_incident' THEN 1 END) AS held, MIN(CASE WHEN reason = \
     'provider_incident' THEN since END) AS held_since, ",
        "COUNT(CASE ",
        suspected_since!("$1"),
        fallen_since!("$1"),
        "END) AS struck_first, COUNT(CASE ",
        suspected_since!("$2"),
        fallen_since!("$2"),
        "END) AS struck_second, COUNT(CASE ",
        suspected_since!("$3"),
        "END) AS struck_third FROM connections"
    ),
    "connections_troubled",
    concat!(" WHERE ", troubled!(), " AND grant_version IS NOT NULL"),
);
pub(super) const MISCONFIGURED_COUNT: Sql = by_index!(
    "SELECT COUNT(*) AS amount FROM connections",
    "connections_troubled",
    concat!(" WHERE ", troubled!(), " AND grant_version IS NOT NULL AND reason = 'app_misconfigured'"),
);
/// Those who were proven well lately.
pub(super) const PROVEN_COUNT: Sql = Sql::both(
    "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections WHERE state = 'connected' AND evidence_at > $1 AND \
     evidence_at <= $2 AND suspicion_first_at IS NULL AND evidence_source IN ('oauth', 'refresh', 'use') AND \
     grant_version IS NOT NULL LIMIT $3 + 0) AS proven",
);
pub(super) const PROVEN_LAST: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE c.state = 'connected' AND c.evidence_at <= $3 AND c.id <> $1 AND c.suspicion_first_at IS \
     NULL AND c.grant_version IS NOT NULL AND c.grant_expires_at > $2 AND (c.retry_after IS NULL OR \
     c.retry_after <= $2) ORDER BY c.evidence_at DESC, c.id LIMIT $4 + 0 OFFSET $5 + 0"
));
pub(super) const ALIVE_COUNT: Sql = by_index!(
    "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections",
    "connections_expiring",
    " WHERE state IN ('connected', 'degraded', 'action_required') LIMIT $1 + 0) AS alive",
);
pub(super) const CONNECTIONS_FALLEN: Sql = Sql::both(concat!(
    "SELECT ",
    connection_columns!(),
    " FROM connections AS c WHERE ",
    troubled!(),
    " AND c.grant_version IS NOT NULL AND COALESCE(c.state, '') IN ('reconnect_required', 'action_required') AND c.since > $1 AND COALESCE(c.reason, '') = $2 AND c.evidence_source IN ('refresh', 'use') ORDER BY c.since, c.id LIMIT $3 + 0 OFFSET $4 + 0"
));
/// The status tells the next refresh, so its version moves too.
pub(super) const CONNECTIONS_HASTEN: Sql = by_index!(
    "UPDATE connections",
    "connections_troubled",
    concat!(
        " SET next_refresh_at = $2, version = version + 1 WHERE ",
        troubled!(),
        " AND state = 'degraded' AND reason = $1 AND grant_version IS NOT NULL AND +next_refresh_at > $2"
    ),
);

// Attempts

pub(super) const ATTEMPT: Sql =
    Sql::both(concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE id = $1"));
pub(super) const ATTEMPT_BY_STATE: Sql =
    Sql::both(concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE state_hash = $1"));
pub(super) const ATTEMPTS_EXPIRED: Sql = Sql::both(concat!(
    "SELECT ",
    attempt_columns!(),
    " FROM attempts WHERE stage <> 'closed' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2 + 0 OFFSET $3 + 0"
));
pub(super) const ATTEMPTS_OPEN: Sql = Sql::both(concat!(
    "SELECT ",
    attempt_columns!(),
    " FROM attempts WHERE user_id = $1 AND provider = $2 AND COALESCE(stage, '') <> 'closed' ORDER BY created_at, id"
));
/// Begun to be completed and let go of: by a crash, or because the provider could not be asked. One
/// whose code could not be sent is back at `returned`, and rests.
pub(super) const ATTEMPTS_STRANDED: Sql = Sql::both(concat!(
    "SELECT ",
    attempt_columns!(),
    " FROM attempts WHERE stage <> 'closed' AND (stage IN ('redeeming', 'short_granted', 'granted') OR (stage = 'returned' \
     AND busy_until IS NOT NULL)) AND expires_at > $1 AND (busy_until IS NULL OR busy_until <= $1) ORDER BY expires_at, id LIMIT $2 + 0 OFFSET $3 + 0"
));
pub(super) const ATTEMPTS_CLOSE: Sql = Sql::both(
    "UPDATE attempts SET stage = 'closed', outcome = $3, closed_at = $4, sealed = NULL, busy_until = NULL, \
     revision = revision + 1 WHERE user_id = $1 AND provider = $2 AND COALESCE(stage, '') <> 'closed'",
);
/// An open attempt began at most its lifetime, ten minutes, ago: however many a user has closed,
/// few are read.
pub(super) const ATTEMPTS_COUNT_OPEN: Sql = Sql::both(
    "SELECT COUNT(*) AS amount FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at > $3 - 600000 AND \
     COALESCE(stage, '') <> 'closed' AND expires_at > $3",
);
/// Not those that ended because Instagram does not admit the account: that is the app's trouble,
/// and costs nobody a try.
pub(super) const ATTEMPTS_COUNT_BEGUN: Sql = Sql::both(
    "SELECT COUNT(*) AS amount FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at <= $3 \
     AND created_at > $4 AND (outcome IS NULL OR outcome <> 'failed:account_not_admitted')",
);
/// The same, one by one.
pub(super) const ATTEMPTS_BEGUN: Sql = Sql::both(
    "SELECT created_at FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at <= $3 AND \
     created_at > $4 AND (outcome IS NULL OR outcome <> 'failed:account_not_admitted') ORDER BY \
     created_at DESC LIMIT $5 + 0",
);
pub(super) const ATTEMPT_INSERT: Sql = Sql::both(
    "INSERT INTO attempts (id, revision, user_id, provider, state_hash, completion_hash, stage, \
     outcome, return_to, expect, created_at, expires_at, sealed, sealed_completion, busy_until, \
     closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON \
     CONFLICT DO NOTHING",
);
/// Compare and set. What an attempt was begun with never changes.
pub(super) const ATTEMPT_UPDATE: Sql = Sql::both(
    "UPDATE attempts SET revision = $3, completion_hash = $4, stage = $5, outcome = $6, expires_at = \
     $7, sealed = $8, sealed_completion = $9, busy_until = $10, closed_at = $11 WHERE id = $1 AND \
     revision = $2",
);

// The sweep: each takes a few rows at a time, so that nobody waits for it

pub(super) const SWEEP_ATTEMPTS: Sql = by_index!(
    "DELETE FROM attempts",
    "sqlite_autoindex_attempts_1",
    " WHERE id IN (SELECT id FROM attempts WHERE closed_at < $1 ORDER BY closed_at LIMIT $2 + 0)",
);
/// What a closed attempt still holds once its time is over.
pub(super) const SWEEP_COMPLETIONS: Sql = by_index!(
    "UPDATE attempts",
    "sqlite_autoindex_attempts_1",
    " SET sealed_completion = NULL, sealed = NULL WHERE id IN (SELECT id FROM attempts WHERE closed_at IS NOT NULL AND \
     expires_at < $1 AND (sealed_completion IS NOT NULL OR sealed IS NOT NULL) ORDER BY closed_at LIMIT $2 + 0)",
);
pub(super) const SWEEP_CLERK_EVENTS: Sql = by_index!(
    "DELETE FROM clerk_events",
    "sqlite_autoindex_clerk_events_1",
    " WHERE id IN (SELECT id FROM clerk_events WHERE received_at < $1 ORDER BY received_at LIMIT $2 + 0)",
);
pub(super) const SWEEP_DELETIONS: Sql = by_index!(
    "DELETE FROM data_deletions",
    "sqlite_autoindex_data_deletions_1",
    " WHERE code IN (SELECT code FROM data_deletions WHERE requested_at < $1 ORDER BY requested_at LIMIT $2 + 0)",
);
pub(super) const SWEEP_OUTBOX: Sql = Sql::both(
    "DELETE FROM outbox WHERE (user_id, provider) IN (SELECT user_id, provider FROM outbox WHERE \
     occurred_at < $1 ORDER BY occurred_at LIMIT $2 + 0)",
);
/// The end of the next few entries after $2 that are older than $1.
pub(super) const SWEEP_HISTORY_NEXT: Sql = Sql::both(
    "SELECT MAX(at) AS at FROM (SELECT at FROM connection_history WHERE at < $1 AND at > $2 ORDER BY at \
     LIMIT $3 + 0) AS next",
);
/// Of those, each after which its connection has had twenty more.
pub(super) const SWEEP_HISTORY: Sql = Sql::both(
    "DELETE FROM connection_history WHERE at > $1 AND at <= $2 AND (SELECT COUNT(*) FROM (SELECT 1 FROM \
     connection_history AS newer WHERE newer.connection_id = connection_history.connection_id AND \
     (newer.version, newer.position) > (connection_history.version, connection_history.position) LIMIT 20) \
     AS newest) >= 20",
);

// Keys

pub(super) const USER_KEY: Sql = Sql::both("SELECT key_id, blob FROM user_keys WHERE user_id = $1");
pub(super) const USER_KEY_INSERT: Sql = Sql::both(
    "INSERT INTO user_keys (user_id, key_id, blob, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT \
     (user_id) DO NOTHING",
);
pub(super) const USER_KEY_REWRAP: Sql =
    Sql::both("UPDATE user_keys SET key_id = $2, blob = $3 WHERE user_id = $1 AND blob = $4");
pub(super) const USER_KEYS_NOT_UNDER: Sql = Sql::both(
    "SELECT user_id, key_id, blob FROM user_keys WHERE key_id <> $1 AND user_id > $2 ORDER BY user_id \
     LIMIT $3 + 0",
);
pub(super) const USER_KEYS_UNDER: Sql = Sql::both(
    "SELECT user_id, key_id, blob FROM user_keys WHERE key_id = $1 AND user_id > $2 ORDER BY user_id \
     LIMIT $3 + 0",
);
pub(super) const USER_KEY_COUNTS: Sql =
    Sql::both("SELECT key_id, COUNT(*) AS amount FROM user_keys GROUP BY key_id ORDER BY key_id");
pub(super) const USER_KEY_COUNT: Sql =
    Sql::both("SELECT COUNT(*) AS amount FROM user_keys WHERE key_id = $1");
pub(super) const SENTINELS: Sql = Sql::both("SELECT key_id, blob FROM key_ring_sentinel ORDER BY key_id");
pub(super) const SENTINEL_LOCK: Sql = Sql::each(
    "SELECT key_id FROM key_ring_sentinel WHERE key_id = $1",
    "SELECT key_id FROM key_ring_sentinel WHERE key_id = $1 FOR UPDATE",
);
pub(super) const SENTINEL_INSERT: Sql = Sql::both(
    "INSERT INTO key_ring_sentinel (key_id, blob, created_at) VALUES ($1, $2, $3) ON CONFLICT \
     (key_id) DO NOTHING",
);
pub(super) const SENTINEL_DELETE: Sql = Sql::both("DELETE FROM key_ring_sentinel WHERE key_id = $1");

/// What a lost key sealed is lost with it; see [`Store::give_up_key`](super::Store::give_up_key).
macro_rules! of_lost_key {
    () => {
        "user_id IN (SELECT user_id FROM user_keys WHERE key_id = $1)"
    };
}

pub(super) const LOST_KEY_HISTORY: Sql = Sql::both(concat!(
    "INSERT INTO connection_history (connection_id, version, position, at, state, reason, detail) SELECT id, \
     version + 1, 0, $2, 'reconnect_required', 'key_lost', $3 FROM connections WHERE grant_version IS NOT NULL AND ",
    of_lost_key!()
));
pub(super) const LOST_KEY_GRANTS: Sql = Sql::both(concat!(
    "DELETE FROM grants WHERE connection_id IN (SELECT id FROM connections WHERE ",
    of_lost_key!(),
    ")"
));
pub(super) const LOST_KEY_CONNECTIONS: Sql = Sql::both(concat!(
    "UPDATE connections SET state = 'reconnect_required', reason = 'key_lost', grant_version = NULL, \
     grant_obtained_at = NULL, grant_expires_at = NULL, next_refresh_at = NULL, retry_after = NULL, \
     suspicion_grant_version = NULL, suspicion_first_at = NULL, failures = 0, since = $2, evidence_source = NULL, \
     evidence_at = NULL, lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1, version = version + 1 \
     WHERE grant_version IS NOT NULL AND ",
    of_lost_key!()
));
pub(super) const LOST_KEY_ATTEMPTS: Sql =
    Sql::both(concat!("DELETE FROM attempts WHERE stage <> 'closed' AND ", of_lost_key!()));
pub(super) const LOST_KEY_USER_KEYS: Sql = Sql::both("DELETE FROM user_keys WHERE key_id = $1");
pub(super) const SERVICE_KEY_INSERT: Sql =
    Sql::both("INSERT INTO service_keys (id, name, hash, created_at) VALUES ($1, $2, $3, $4)");
pub(super) const SERVICE_KEYS: Sql = Sql::both(
    "SELECT id, name, created_at, last_used_at, revoked_at FROM service_keys ORDER BY created_at, id",
);
pub(super) const SERVICE_KEY_BY_HASH: Sql =
    Sql::both("SELECT id, name, created_at, last_used_at, revoked_at FROM service_keys WHERE hash = $1");
pub(super) const SERVICE_KEY_REVOKE: Sql =
    Sql::both("UPDATE service_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
pub(super) const SERVICE_KEY_TOUCH: Sql = Sql::both(
    "UPDATE service_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR \
     last_used_at < $2)",
);

// Data deletion requests

pub(super) const DELETION_INSERT: Sql = Sql::both(
    "INSERT INTO data_deletions (code, provider, requested_at, completed_at, erased) VALUES ($1, $2, \
     $3, $4, $5) ON CONFLICT (code) DO UPDATE SET completed_at = excluded.completed_at, erased = \
     excluded.erased",
);
pub(super) const DELETION: Sql = Sql::both(
    "SELECT code, provider, requested_at, completed_at, erased FROM data_deletions WHERE code = $1",
);

// Outbox

/// A newer event takes the place of one that was not delivered, and its turn comes at once.
pub(super) const OUTBOX_PUT: Sql = Sql::both(
    "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ($1, $2, $3, $4, $4) ON \
     CONFLICT (user_id, provider) DO UPDATE SET event_id = excluded.event_id, occurred_at = \
     excluded.occurred_at, due_at = excluded.due_at, tries = 0",
);
macro_rules! outbox_due {
    () => {
        "WITH due AS MATERIALIZED (SELECT user_id, provider FROM outbox WHERE due_at <= $1 ORDER BY due_at LIMIT $3 + 0"
    };
}
macro_rules! outbox_claim {
    () => {
        ") UPDATE outbox AS o SET due_at = $2, tries = o.tries + 1 WHERE EXISTS (SELECT 1 FROM due WHERE due.user_id \
         = o.user_id AND due.provider = o.provider) AND o.due_at <= $1 RETURNING user_id, provider, event_id, occurred_at, tries"
    };
}
/// A claimed event is not due for a while: nobody else sends it meanwhile, and a crash costs that
/// while.
pub(super) const OUTBOX_CLAIM: Sql = Sql::each(
    concat!(outbox_due!(), outbox_claim!()),
    concat!(outbox_due!(), " FOR UPDATE SKIP LOCKED", outbox_claim!()),
);
/// Only the very event: a newer one has taken its place and stays.
pub(super) const OUTBOX_REMOVE: Sql =
    Sql::both("DELETE FROM outbox WHERE user_id = $1 AND provider = $2 AND event_id = $3");
pub(super) const OUTBOX_PUT_OFF: Sql =
    Sql::both("UPDATE outbox SET due_at = $4 WHERE user_id = $1 AND provider = $2 AND event_id = $3");
pub(super) const OUTBOX_NEXT: Sql = Sql::both("SELECT MIN(due_at) AS at FROM outbox");

/// At the beginning of each of Postgres' sessions: has the planner look things up by an index,
/// whatever it expects.
///
/// Its expectations come from statistics, which may be missing or from when a table was small, and
/// a plan that it keeps for a prepared statement may be older still. No statement of a request or
/// of the worker gains by reading a table, however small. The settings are found by name, because
/// what only speaks Postgres' protocol lacks some.
pub(super) const KEEP_TO_INDEXES: Sql = Sql::each(
    "SELECT 1",
    "SELECT set_config(name, CASE vartype WHEN 'bool' THEN 'off' ELSE '0' END, false) FROM pg_settings WHERE name IN \
     ('enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'jit', 'max_parallel_workers_per_gather')",
);

/// Tells the other replicas; Postgres alone has it.
pub(super) const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// Every statement by name, for `doctor` and for the tests that prepare them and look at their
/// plans.
pub const ALL: &[(&str, Sql)] = &[
    ("KEEP_TO_INDEXES", KEEP_TO_INDEXES),
    ("PING", PING),
    ("MIGRATIONS_TABLE_EXISTS", MIGRATIONS_TABLE_EXISTS),
    ("MIGRATIONS_APPLIED", MIGRATIONS_APPLIED),
    ("MIGRATION_PATIENCE", MIGRATION_PATIENCE),
    ("MIGRATION_RECORD", MIGRATION_RECORD),
    ("USER", USER),
    ("USER_LOCK", USER_LOCK),
    ("USER_INSERT", USER_INSERT),
    ("USER_UPDATE", USER_UPDATE),
    ("USER_TOUCH", USER_TOUCH),
    ("USER_DELETE", USER_DELETE),
    ("USER_PROVIDERS", USER_PROVIDERS),
    ("TOMBSTONE", TOMBSTONE),
    ("TOMBSTONE_INSERT", TOMBSTONE_INSERT),
    ("CLERK_EVENT_INSERT", CLERK_EVENT_INSERT),
    ("STATUS", STATUS),
    ("CONNECTION", CONNECTION),
    ("CONNECTION_BY_ID", CONNECTION_BY_ID),
    ("CONNECTIONS_BY_ACCOUNT", CONNECTIONS_BY_ACCOUNT),
    ("CONNECTIONS_BY_USERNAME", CONNECTIONS_BY_USERNAME),
    ("LISTED", LISTED),
    ("LISTED_IN_STATE", LISTED_IN_STATE),
    ("LISTED_LAPSED", LISTED_LAPSED),
    ("LISTED_BY_DEADLINE", LISTED_BY_DEADLINE),
    ("CONNECTIONS_PAGE", CONNECTIONS_PAGE),
    ("TROUBLE", TROUBLE),
    ("MISCONFIGURED_COUNT", MISCONFIGURED_COUNT),
    ("PROVEN_COUNT", PROVEN_COUNT),
    ("PROVEN_LAST", PROVEN_LAST),
    ("ALIVE_COUNT", ALIVE_COUNT),
    ("CONNECTIONS_FALLEN", CONNECTIONS_FALLEN),
    ("CONNECTIONS_HASTEN", CONNECTIONS_HASTEN),
    ("CONNECTION_COUNTS", CONNECTION_COUNTS),
    ("HISTORY", HISTORY),
    ("GRANT", GRANT),
    ("GRANT_AND_KEY", GRANT_AND_KEY),
    ("GRANTS", GRANTS),
    ("CONNECTION_INSERT", CONNECTION_INSERT),
    ("CONNECTION_UPDATE", CONNECTION_UPDATE),
    ("HISTORY_INSERT", HISTORY_INSERT),
    ("GRANT_APPEND", GRANT_APPEND),
    ("GRANTS_ERASE_BELOW", GRANTS_ERASE_BELOW),
    ("GRANTS_ERASE", GRANTS_ERASE),
    ("REFUSAL_PUT", REFUSAL_PUT),
    ("REFUSALS_COUNT", REFUSALS_COUNT),
    ("REFUSALS_PRUNE", REFUSALS_PRUNE),
    ("DUE_COUNT", DUE_COUNT),
    ("CLAIM_FEW_DUE", CLAIM_FEW_DUE),
    ("CLAIM_MANY_DUE", CLAIM_MANY_DUE),
    ("CLAIM_ONE", CLAIM_ONE),
    ("LEASE_RELEASE", LEASE_RELEASE),
    ("LEASES_PUT_OFF", LEASES_PUT_OFF),
    ("LEASES_FENCE", LEASES_FENCE),
    ("ATTEMPTS_LET_GO", ATTEMPTS_LET_GO),
    ("NEXT_DUE", NEXT_DUE),
    ("CONNECTIONS_EXPIRED", CONNECTIONS_EXPIRED),
    ("CONNECTIONS_UNREADABLE", CONNECTIONS_UNREADABLE),
    ("CONNECTIONS_MISTIMED", CONNECTIONS_MISTIMED),
    ("ATTEMPT", ATTEMPT),
    ("ATTEMPT_BY_STATE", ATTEMPT_BY_STATE),
    ("ATTEMPTS_EXPIRED", ATTEMPTS_EXPIRED),
    ("ATTEMPTS_OPEN", ATTEMPTS_OPEN),
    ("ATTEMPTS_STRANDED", ATTEMPTS_STRANDED),
    ("ATTEMPTS_CLOSE", ATTEMPTS_CLOSE),
    ("CONNECTION_CLAIM_PROBE", CONNECTION_CLAIM_PROBE),
    ("ATTEMPTS_COUNT_OPEN", ATTEMPTS_COUNT_OPEN),
    ("ATTEMPTS_COUNT_BEGUN", ATTEMPTS_COUNT_BEGUN),
    ("ATTEMPTS_BEGUN", ATTEMPTS_BEGUN),
    ("ATTEMPT_INSERT", ATTEMPT_INSERT),
    ("ATTEMPT_UPDATE", ATTEMPT_UPDATE),
    ("SWEEP_ATTEMPTS", SWEEP_ATTEMPTS),
    ("SWEEP_COMPLETIONS", SWEEP_COMPLETIONS),
    ("SWEEP_CLERK_EVENTS", SWEEP_CLERK_EVENTS),
    ("SWEEP_DELETIONS", SWEEP_DELETIONS),
    ("SWEEP_OUTBOX", SWEEP_OUTBOX),
    ("SWEEP_HISTORY_NEXT", SWEEP_HISTORY_NEXT),
    ("SWEEP_HISTORY", SWEEP_HISTORY),
    ("USER_KEY", USER_KEY),
    ("USER_KEY_INSERT", USER_KEY_INSERT),
    ("USER_KEY_REWRAP", USER_KEY_REWRAP),
    ("USER_KEYS_NOT_UNDER", USER_KEYS_NOT_UNDER),
    ("USER_KEYS_UNDER", USER_KEYS_UNDER),
    ("USER_KEY_COUNTS", USER_KEY_COUNTS),
    ("USER_KEY_COUNT", USER_KEY_COUNT),
    ("SENTINELS", SENTINELS),
    ("SENTINEL_LOCK", SENTINEL_LOCK),
    ("SENTINEL_INSERT", SENTINEL_INSERT),
    ("SENTINEL_DELETE", SENTINEL_DELETE),
    ("LOST_KEY_HISTORY", LOST_KEY_HISTORY),
    ("LOST_KEY_GRANTS", LOST_KEY_GRANTS),
    ("LOST_KEY_CONNECTIONS", LOST_KEY_CONNECTIONS),
    ("LOST_KEY_ATTEMPTS", LOST_KEY_ATTEMPTS),
    ("LOST_KEY_USER_KEYS", LOST_KEY_USER_KEYS),
    ("SERVICE_KEY_INSERT", SERVICE_KEY_INSERT),
    ("SERVICE_KEYS", SERVICE_KEYS),
    ("SERVICE_KEY_BY_HASH", SERVICE_KEY_BY_HASH),
    ("SERVICE_KEY_REVOKE", SERVICE_KEY_REVOKE),
    ("SERVICE_KEY_TOUCH", SERVICE_KEY_TOUCH),
    ("DELETION_INSERT", DELETION_INSERT),
    ("DELETION", DELETION),
    ("OUTBOX_PUT", OUTBOX_PUT),
    ("OUTBOX_CLAIM", OUTBOX_CLAIM),
    ("OUTBOX_REMOVE", OUTBOX_REMOVE),
    ("OUTBOX_PUT_OFF", OUTBOX_PUT_OFF),
    ("OUTBOX_NEXT", OUTBOX_NEXT),
];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    #[test]
    fn every_statement_is_listed() {
        let source = include_str!("statements.rs");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        // All but the one that makes the table of migrations.
        assert_eq!(code.matches(": Sql =").count() - 1, super::ALL.len());
    }

    #[test]
    fn no_statement_is_limited_by_a_bare_parameter() {
        for (name, sql) in super::ALL {
            let bare = sql.sqlite.match_indices("LIMIT $").any(|(at, limit)| {
                let number =
                    sql.sqlite[at + limit.len()..].trim_start_matches(|each: char| each.is_ascii_digit());
                !number.starts_with(" + 0")
            });
            let bare = bare || sql.sqlite.split("OFFSET ").skip(1).any(|offset| !offset.ends_with(" + 0"));
            assert!(!bare, "{name} would be prepared at each execution");
        }
    }

    /// What SQLite does for a statement, step by step.
    fn plan(sql: &super::Sql) -> String {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in crate::store::migrate::MIGRATIONS {
            database.execute_batch(migration.sql.sqlite).unwrap();
        }
        let mut explain = database.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.sqlite)).unwrap();
        let mut steps = explain.raw_query();
        let mut plan = Vec::new();
        while let Some(step) = steps.next().unwrap() {
            plan.push(step.get::<_, String>("detail").unwrap());
        }
        plan.join("\n")
    }

    /// With a hundred thousand connections, none of these may read all of them.
    #[test]
    fn what_the_worker_asks_is_found_by_an_index() {
        let expected: &[(&super::Sql, &[&str])] = &[
            (&super::CLAIM_FEW_DUE, &["connections_due"]),
            (&super::CLAIM_MANY_DUE, &["connections_by_deadline"]),
            (&super::DUE_COUNT, &["connections_due"]),
            (&super::NEXT_DUE, &["connections_due", "connections_held"]),
            (&super::CONNECTIONS_EXPIRED, &["connections_expiring"]),
            (
                &super::CONNECTIONS_MISTIMED,
                &["connections_by_age", "connections_expired", "connections_by_deadline"],
            ),
            (&super::TROUBLE, &["connections_troubled"]),
            (&super::MISCONFIGURED_COUNT, &["connections_troubled"]),
            (&super::PROVEN_COUNT, &["connections_proven"]),
            (&super::PROVEN_LAST, &["connections_proven"]),
            (&super::CONNECTIONS_FALLEN, &["connections_troubled"]),
            (&super::CONNECTIONS_HASTEN, &["connections_troubled"]),
            (&super::ATTEMPTS_EXPIRED, &["attempts_expiring"]),
            (&super::ATTEMPTS_STRANDED, &["attempts_expiring"]),
            (&super::CONNECTIONS_BY_USERNAME, &["connections_by_username"]),
            (&super::LISTED_IN_STATE, &["connections_unwell"]),
            (&super::REFUSALS_COUNT, &["scope_refusals_lately"]),
            (&super::REFUSALS_PRUNE, &["scope_refusals_by_age"]),
            (&super::LISTED_LAPSED, &["connections_expiring"]),
            (&super::LISTED_BY_DEADLINE, &["connections_by_deadline"]),
            (&super::ATTEMPTS_COUNT_OPEN, &["attempts_newest"]),
            (&super::ATTEMPTS_COUNT_BEGUN, &["attempts_newest"]),
            (&super::OUTBOX_CLAIM, &["outbox_due"]),
            (&super::CONNECTIONS_UNREADABLE, &["connections_unreadable"]),
            (&super::SWEEP_ATTEMPTS, &["attempts_closed"]),
            (&super::SWEEP_COMPLETIONS, &["attempts_holding"]),
            (&super::SWEEP_CLERK_EVENTS, &["clerk_events_by_age"]),
            (&super::SWEEP_DELETIONS, &["data_deletions_by_age"]),
            (&super::SWEEP_OUTBOX, &["outbox_by_age"]),
            (&super::SWEEP_HISTORY_NEXT, &["connection_history_by_age"]),
            (&super::SWEEP_HISTORY, &["connection_history_by_age"]),
        ];
        for (sql, indexes) in expected {
            let plan = plan(sql);
            for index in *indexes {
                assert!(plan.contains(&format!("INDEX {index}")), "{}\n\n{plan}", sql.sqlite);
            }
        }
    }
}
