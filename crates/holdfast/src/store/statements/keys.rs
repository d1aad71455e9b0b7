//! Keys: of users, of the ring, of backends.

use super::Sql;

/// Selects the users whose data key a lost key sealed, as far as the condition goes; see
/// [`Store::give_up_key`](crate::store::Store::give_up_key).
macro_rules! of_lost_key {
    ($which:literal) => {
        concat!("user_id IN (SELECT user_id FROM user_keys WHERE key_id = $1 AND ", $which, ")")
    };
}

statements! {
    USER_KEY = Sql::both("SELECT key_id, blob FROM user_keys WHERE user_id = $1");
    /// Only where the key of the ring has its sentinel, held until the unit ends: a key that was
    /// retired must seal nothing more.
    USER_KEY_INSERT = Sql::each(
        "INSERT INTO user_keys (user_id, key_id, blob, created_at) SELECT $1, key_id, $3, $4 FROM key_ring_sentinel WHERE \
         key_id = $2 ON CONFLICT (user_id) DO NOTHING",
        "INSERT INTO user_keys (user_id, key_id, blob, created_at) SELECT $1, key_id, $3, $4 FROM key_ring_sentinel WHERE \
         key_id = $2 FOR KEY SHARE ON CONFLICT (user_id) DO NOTHING",
    );
    USER_KEY_RENEW = Sql::both("UPDATE user_keys SET key_id = $2, blob = $3 WHERE user_id = $1 AND blob = $4");
    USER_KEYS_NOT_UNDER = Sql::both(
        "SELECT user_id, key_id, blob FROM user_keys WHERE key_id <> $1 AND user_id > $2 ORDER BY user_id \
         LIMIT $3 + 0",
    );
    USER_KEY_COUNTS = Sql::both("SELECT key_id, COUNT(*) AS amount FROM user_keys GROUP BY key_id ORDER BY key_id");
    USER_KEY_COUNT = Sql::both("SELECT COUNT(*) AS amount FROM user_keys WHERE key_id = $1");
    SENTINELS = Sql::both("SELECT key_id, blob FROM key_ring_sentinel ORDER BY key_id");
    SENTINEL_LOCK = Sql::each(
        "SELECT key_id FROM key_ring_sentinel WHERE key_id = $1",
        "SELECT key_id FROM key_ring_sentinel WHERE key_id = $1 FOR UPDATE",
    );
    SENTINEL_INSERT = Sql::both(
        "INSERT INTO key_ring_sentinel (key_id, blob, created_at) VALUES ($1, $2, $3) ON CONFLICT \
         (key_id) DO NOTHING",
    );
    SENTINEL_DELETE = Sql::both("DELETE FROM key_ring_sentinel WHERE key_id = $1");
    LOST_KEY_COUNT = Sql::both(concat!(
        "SELECT COUNT(*) AS amount FROM connections WHERE grant_version IS NOT NULL AND ",
        of_lost_key!("user_id > $2 AND user_id <= $3")
    ));
    LOST_KEY_ATTEMPT_COUNT = Sql::both(concat!(
        "SELECT COUNT(*) AS amount FROM attempts WHERE stage <> 'closed' AND ",
        of_lost_key!("user_id > $2 AND user_id <= $3")
    ));
    /// The last of the next users of a lost key, after `$2`.
    LOST_KEY_NEXT = Sql::both(
        "SELECT MAX(user_id) AS last FROM (SELECT user_id FROM user_keys WHERE key_id = $1 AND user_id > $2 ORDER BY user_id \
         LIMIT $3 + 0) AS next",
    );
    LOST_KEY_HISTORY = Sql::both(concat!(
        "INSERT INTO connection_history (connection_id, version, position, at, state, reason, detail) SELECT id, \
         version + 1, 0, $3, 'reconnect_required', 'key_lost', $4 FROM connections WHERE grant_version IS NOT NULL AND ",
        of_lost_key!("user_id <= $2")
    ));
    LOST_KEY_GRANTS = Sql::both(concat!(
        "DELETE FROM grants WHERE connection_id IN (SELECT id FROM connections WHERE ",
        of_lost_key!("user_id <= $2"),
        ")"
    ));
    LOST_KEY_CONNECTIONS = Sql::both(concat!(
        "UPDATE connections SET state = 'reconnect_required', reason = 'key_lost', grant_version = NULL, \
         grant_obtained_at = NULL, grant_expires_at = NULL, next_refresh_at = NULL, retry_after = NULL, \
         suspicion_grant_version = NULL, suspicion_first_at = NULL, failures = 0, since = $3, evidence_source = NULL, \
         evidence_at = NULL, lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1, version = version + 1 \
         WHERE grant_version IS NOT NULL AND ",
        of_lost_key!("user_id <= $2"),
        " RETURNING id, user_id, provider, version"
    ));
    LOST_KEY_ATTEMPTS = Sql::both(concat!(
        "DELETE FROM attempts WHERE stage <> 'closed' AND ",
        of_lost_key!("user_id <= $2"),
        " RETURNING CAST(NULL AS TEXT) AS id, user_id, provider, CAST(NULL AS BIGINT) AS version"
    ));
    LOST_KEY_USER_KEYS = Sql::both("DELETE FROM user_keys WHERE key_id = $1 AND user_id <= $2");
    SERVICE_KEY_INSERT = Sql::both("INSERT INTO service_keys (id, name, hash, created_at) VALUES ($1, $2, $3, $4)");
    SERVICE_KEYS = Sql::both(
        "SELECT id, name, created_at, last_used_at, revoked_at FROM service_keys ORDER BY created_at, id",
    );
    SERVICE_KEY_BY_HASH = Sql::both("SELECT id, name, created_at, last_used_at, revoked_at FROM service_keys WHERE hash = $1");
    SERVICE_KEY_REVOKE = Sql::both("UPDATE service_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
    SERVICE_KEY_TOUCH = Sql::both(
        "UPDATE service_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR \
         last_used_at < $2)",
    );
}
