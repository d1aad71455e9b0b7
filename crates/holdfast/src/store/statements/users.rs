//! Users, and the events about them.

use super::Sql;

statements! {
    USER = Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"));
    /// SQLite's unit of work holds the write lock already.
    USER_LOCK = Sql::each(
        concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"),
        concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 FOR UPDATE"),
    );
    USER_INSERT = Sql::both(
        "INSERT INTO users (id, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT (id) DO NOTHING",
    );
    USER_UPDATE = Sql::both(
        "UPDATE users SET email = $2, email_verified = $3, first_name = $4, last_name = $5, image_url = \
         $6, updated_at = $7, last_seen_at = $8, clerk_updated_at = $9, claimed_at = $10, \
         first_synced_at = $11 WHERE id = $1",
    );
    USER_TOUCH = Sql::both(
        "UPDATE users SET last_seen_at = $2 WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)",
    );
    /// Also deletes keys, connections, history, grants and attempts (`ON DELETE CASCADE`).
    USER_DELETE = Sql::both("DELETE FROM users WHERE id = $1");
    HISTORY_ERASE = Sql::both(
        "DELETE FROM connection_history WHERE (connection_id, version, position) IN (SELECT h.connection_id, h.version, \
         h.position FROM connections AS c JOIN connection_history AS h ON h.connection_id = c.id WHERE c.user_id = $1 LIMIT \
         $2 + 0)",
    );
    USER_PROVIDERS = Sql::both("SELECT DISTINCT provider FROM connections WHERE user_id = $1");
    TOMBSTONE = Sql::both("SELECT user_id FROM deleted_users WHERE user_id = $1");
    TOMBSTONE_INSERT = Sql::both(
        "INSERT INTO deleted_users (user_id, deleted_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
    );
    CLERK_EVENT_INSERT = Sql::both("INSERT INTO clerk_events (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");
}
