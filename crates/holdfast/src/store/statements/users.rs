//! Users, and the events about them.

use super::Sql;

pub(in crate::store) const USER: Sql =
    Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"));
/// SQLite's unit of work holds the write lock already.
pub(in crate::store) const USER_LOCK: Sql = Sql::each(
    concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"),
    concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 FOR UPDATE"),
);
pub(in crate::store) const USER_INSERT: Sql = Sql::both(
    "INSERT INTO users (id, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT (id) DO NOTHING",
);
pub(in crate::store) const USER_UPDATE: Sql = Sql::both(
    "UPDATE users SET email = $2, email_verified = $3, first_name = $4, last_name = $5, image_url = \
     $6, updated_at = $7, last_seen_at = $8, clerk_updated_at = $9, first_synced_at = $10 WHERE id = $1",
);
pub(in crate::store) const USER_TOUCH: Sql = Sql::both(
    "UPDATE users SET last_seen_at = $2 WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)",
);
/// Takes keys, connections, history, grants and attempts with it (`ON DELETE CASCADE`).
pub(in crate::store) const USER_DELETE: Sql = Sql::both("DELETE FROM users WHERE id = $1");
pub(in crate::store) const USER_PROVIDERS: Sql =
    Sql::both("SELECT DISTINCT provider FROM connections WHERE user_id = $1");
pub(in crate::store) const TOMBSTONE: Sql = Sql::both("SELECT user_id FROM deleted_users WHERE user_id = $1");
pub(in crate::store) const TOMBSTONE_INSERT: Sql = Sql::both(
    "INSERT INTO deleted_users (user_id, deleted_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
);
pub(in crate::store) const CLERK_EVENT_INSERT: Sql =
    Sql::both("INSERT INTO clerk_events (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");

/// By name.
pub(super) const ALL: &[(&str, Sql)] = &[
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
];
