//! Due connections and their leases.

use super::Sql;

/// The conditions for claiming a due row. Ignores a lease or a wait that ends too late: its clock
/// was ahead.
macro_rules! claimable {
    () => {
        " AND grant_version IS NOT NULL AND (retry_after IS NULL OR retry_after <= $1 OR retry_after > $6) \
         AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $5)"
    };
}

/// Finds rows by due time, then sorts by expiry: for few due rows among many. The `+` keeps
/// planners from an index.
macro_rules! few_due {
    () => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM connections WHERE next_refresh_at <= $1",
            claimable!(),
            " ORDER BY +grant_expires_at, id LIMIT $2 + 0"
        )
    };
}

/// Reads rows by expiry until enough are due: for a backlog, which would otherwise be sorted at
/// each claim.
macro_rules! many_due {
    () => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM connections WHERE +next_refresh_at <= $1",
            claimable!(),
            " ORDER BY grant_expires_at, id LIMIT $2 + 0"
        )
    };
}

/// `$by_id` makes SQLite find each row by its id, which it would not do with statistics of few
/// rows. In `RETURNING` it does not know the alias.
macro_rules! claim {
    ($by_id:literal) => {
        concat!(
            ") UPDATE connections AS c ",
            $by_id,
            "SET lease_owner = $3, lease_until = $4, lease_epoch = c.lease_epoch + \
         1 WHERE c.id IN (SELECT id FROM due) AND (c.lease_until IS NULL OR c.lease_until <= $1 OR \
         c.lease_until > $5) \
         RETURNING lease_epoch, ",
            connection_columns!("")
        )
    };
}

statements! {
    /// How many are due, counted up to a limit.
    DUE_COUNT = Sql::both(
        "SELECT COUNT(*) AS amount FROM (SELECT id FROM connections WHERE next_refresh_at <= $1 LIMIT $2 + 0) AS due",
    );
    /// Earliest deadline first. Materialized, because a planner may otherwise run the limited
    /// sub-select more than once.
    CLAIM_FEW_DUE = Sql::each(
        concat!(few_due!(), claim!("INDEXED BY sqlite_autoindex_connections_1 ")),
        concat!(few_due!(), " FOR UPDATE SKIP LOCKED", claim!("")),
    );
    /// As [`CLAIM_FEW_DUE`], for many due rows.
    CLAIM_MANY_DUE = Sql::each(
        concat!(many_due!(), claim!("INDEXED BY sqlite_autoindex_connections_1 ")),
        concat!(many_due!(), " FOR UPDATE SKIP LOCKED", claim!("")),
    );
    CLAIM_ONE = Sql::both(concat!(
        "UPDATE connections SET lease_owner = $2, lease_until = $3, lease_epoch = lease_epoch + 1 WHERE \
         id = $1 AND (lease_until IS NULL OR lease_until <= $4 OR lease_until > $5) RETURNING lease_epoch, ",
        connection_columns!("")
    ));
    GRANT_IS_REPLACED = Sql::both(
        "SELECT id FROM connections WHERE id = $1 AND (COALESCE(grant_version, 0) <> $2 OR (lease_epoch <> $5 AND \
         lease_until > $3 AND lease_until <= $4))",
    );
    LEASE_RELEASE = Sql::both(
        "UPDATE connections SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND lease_owner = $2 \
         AND lease_epoch = $3",
    );
    /// Postpones claimed rows that cannot be read. The status shows the next refresh, so the
    /// version grows.
    LEASES_POSTPONE = Sql::each(
        "UPDATE connections SET next_refresh_at = $4, lease_owner = NULL, lease_until = NULL, version = version + 1 \
         WHERE lease_owner = $2 AND lease_until = $3 AND id IN (SELECT value FROM json_each($1))",
        "UPDATE connections SET next_refresh_at = $4, lease_owner = NULL, lease_until = NULL, version = version + 1 \
         WHERE lease_owner = $2 AND lease_until = $3 AND id IN (SELECT jsonb_array_elements_text(CAST(CAST($1 AS TEXT) AS \
         JSONB)))",
    );
    /// Releases all leases, when the only server of a database starts: their holders are dead.
    LEASES_FENCE = Sql::both(
        "UPDATE connections SET lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1 WHERE lease_until IS NOT NULL",
    );
    /// Releases all claims on attempts, likewise.
    ATTEMPTS_RELEASE =
        Sql::both("UPDATE attempts SET busy_until = 0, revision = revision + 1 WHERE busy_until > 0");
    NEXT_DUE = Sql::each(
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
}
