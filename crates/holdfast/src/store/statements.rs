//! Every statement, once. Both engines share the text where they can.
//!
//! `$n` parameters, `ON CONFLICT`, `RETURNING` and `WITH … AS MATERIALIZED` are common to SQLite,
//! Postgres and CockroachDB. A test prepares each statement on both engines.
//!
//! `LIMIT $n + 0`: SQLite's planner reads the value of a bare parameter there, and prepares the
//! statement anew at each execution. `COALESCE(x, '')`, `x || ''` and `x + 0` keep planners from an
//! index on `x` that looks too good without statistics: another finds fewer rows. An `OFFSET` after
//! it skips unreadable rows: see [`Store::readable`](super::Store::readable).

/// A statement, with its text for each engine.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For Postgres and databases with its protocol.
    pub postgres: &'static str,
}

impl Sql {
    /// One text for both.
    pub(super) const fn both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    /// A text for each, where they differ.
    pub(super) const fn each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// Declares statements, and `ALL` of them by name.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(in crate::store) const $name: Sql = $sql;)+

        /// Every statement of this module by name.
        pub(super) const ALL: &[(&str, Sql)] = &[$((stringify!($name), $name),)+];
    };
}

pub(super) use statements;

/// A statement with a forced index on SQLite, which would ignore it with statistics of few rows.
macro_rules! by_index {
    ($before:expr, $index:literal, $after:expr $(,)?) => {
        Sql::each(concat!($before, " INDEXED BY ", $index, $after), concat!($before, $after))
    };
}

pub(super) use by_index;

/// Every table of the migrations, for `concat!`.
macro_rules! table_names {
    () => {
        "'attempts', 'audit', 'clerk_events', 'connection_history', 'connections', 'data_deletions', \
         'deleted_users', 'grants', 'incidents', 'key_ring_sentinel', 'notices', 'outbox', \
         'refresh_tally', 'scope_refusals', 'service_keys', 'user_keys', 'users', 'withdrawals'"
    };
}

pub(super) use table_names;

/// The earlier grants whose expiry a connection's grant has, because the refresh named none. `$c`
/// is the connection's alias, with a dot.
macro_rules! grants_of_that_expiry {
    ($c:literal) => {
        concat!(
            "grants AS g WHERE g.connection_id = ",
            $c,
            "id AND g.version < ",
            $c,
            "grant_version AND g.expires_at = ",
            $c,
            "grant_expires_at"
        )
    };
}

/// The column that says so. It is looked up only where the grant's life is shorter than usual by an
/// hour: a refresh names the usual sixty days.
macro_rules! expiry_assumed {
    ($c:literal) => {
        concat!(
            "CASE WHEN ",
            $c,
            "grant_expires_at - ",
            $c,
            "grant_obtained_at < 5180400000 THEN (SELECT CAST(1 AS BIGINT) FROM ",
            grants_of_that_expiry!($c),
            " LIMIT 1) END AS expiry_assumed"
        )
    };
}

/// The stored columns of a connection, for `concat!`; each behind `$c`. Named, because `*` would
/// break prepared statements when a migration adds one.
macro_rules! stored_columns {
    ($c:literal) => {
        stored_columns!($c; user_id provider state reason account_id account_professional_id account_username
            account_name account_type account_picture_url scopes missing_scopes grant_version grant_obtained_at
            grant_expires_at next_refresh_at retry_after since linked_at evidence_source evidence_at
            suspicion_grant_version suspicion_first_at failures version)
    };
    ($c:literal; $($column:ident)+) => { concat!($c, "id", $(", ", $c, stringify!($column)),+) };
}

/// The columns of a connection that is read.
macro_rules! connection_columns {
    ($c:literal) => {
        concat!(stored_columns!($c), ", ", expiry_assumed!($c))
    };
}

macro_rules! attempt_columns {
    () => {
        "id, user_id, provider, state_hash, return_to, expect, created_at, revision, completion_hash, stage, outcome, \
         expires_at, returned_at, sealed, sealed_completion, busy_until, paused_until, closed_at"
    };
}

/// Connections, as `c`, for which that holds.
macro_rules! connections_where {
    ($($condition:expr),+ $(,)?) => {
        Sql::both(concat!("SELECT ", connection_columns!("c."), " FROM connections AS c WHERE ", $($condition),+))
    };
}

/// Attempts for which that holds.
macro_rules! attempts_where {
    ($condition:literal) => {
        Sql::both(concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE ", $condition))
    };
}

macro_rules! user_columns {
    () => {
        "id, email, email_verified, first_name, last_name, image_url, created_at, updated_at, last_seen_at, clerk_updated_at, claimed_at, first_synced_at"
    };
}

// Behind the macros, which they use.
mod attempts;
mod keys;
mod leases;
mod outbox;
mod reads;
mod schema;
mod sweep;
mod trouble;
mod upkeep;
mod users;
mod writes;

pub(super) use attempts::*;
pub(super) use keys::*;
pub(super) use leases::*;
pub(super) use outbox::*;
pub(super) use reads::*;
pub(super) use schema::*;
pub(super) use sweep::*;
pub(super) use trouble::*;
pub(super) use upkeep::*;
pub(super) use users::*;
pub(super) use writes::*;

/// Every statement by name, for `doctor` and for the tests that prepare them and look at their
/// plans.
pub fn all() -> Vec<(&'static str, Sql)> {
    [
        schema::ALL,
        users::ALL,
        reads::ALL,
        writes::ALL,
        leases::ALL,
        upkeep::ALL,
        trouble::ALL,
        attempts::ALL,
        sweep::ALL,
        keys::ALL,
        outbox::ALL,
    ]
    .concat()
}

#[cfg(test)]
mod tests;
