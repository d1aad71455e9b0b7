//! Reads of connections, their history and their grants.

use super::Sql;

/// When an attempt ends by itself: not before the claim that holds it.
macro_rules! attempt_end {
    () => {
        "CASE WHEN a.busy_until > a.expires_at THEN a.busy_until ELSE a.expires_at END"
    };
}

/// Whether a newer attempt, which has ended then, began after the open one.
macro_rules! attempt_newer {
    () => {
        "(SELECT CAST(1 AS BIGINT) FROM attempts AS n WHERE n.user_id = a.user_id AND n.provider = a.provider AND \
         (n.created_at, n.id) > (a.created_at, a.id) LIMIT 1)"
    };
}

statements! {
    /// The hot path. On SQLite it reads the user `$1` and returns one row, whose two halves may be
    /// null. On Postgres, where the round trip is the cost, it reads all users of the lists `$1`
    /// (users) and `$2` (providers): one row each, numbered by its place in the lists.
    ///
    /// `LATERAL … LIMIT 1` forces Postgres' planner to one look-up per caller, however many callers
    /// or rows it expects.
    STATUS = Sql::each(
        concat!(
            "SELECT ",
            connection_columns!("c."),
            ", a.id AS attempt_id, a.created_at AS attempt_created_at, a.paused_until AS attempt_paused_until, ",
            attempt_end!(),
            " AS attempt_expires_at, ",
            attempt_newer!(),
            " AS attempt_newer FROM (SELECT 1) AS one LEFT JOIN connections AS c ON c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0 \
             LEFT JOIN attempts AS a ON a.id = (SELECT id FROM attempts WHERE user_id = $1 AND provider = $2 AND \
             stage <> 'closed' ORDER BY created_at DESC, id DESC LIMIT 1)"
        ),
        concat!(
            "SELECT caller.place, ",
            connection_columns!("c."),
            ", a.attempt_id, a.attempt_created_at, a.attempt_expires_at, a.attempt_paused_until, a.attempt_newer FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
             WITH ORDINALITY AS caller (user_id, provider, place) LEFT JOIN LATERAL (SELECT ",
            connection_columns!("c."),
            " FROM connections AS c WHERE c.user_id = caller.user_id AND c.provider = caller.provider AND c.ordinal = 0 \
             LIMIT 1) AS c ON TRUE LEFT JOIN LATERAL (\
             SELECT id AS attempt_id, created_at AS attempt_created_at, paused_until AS attempt_paused_until, ",
            attempt_end!(),
            " AS attempt_expires_at, ",
            attempt_newer!(),
            " AS attempt_newer FROM attempts AS a WHERE user_id = caller.user_id AND provider = caller.provider AND \
             stage <> 'closed' ORDER BY created_at DESC, id DESC LIMIT 1) AS a ON TRUE"
        ),
    );
    CONNECTION = connections_where!("c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0");
    CONNECTION_BY_ID = connections_where!("c.id = $1");
    /// One claim per connection and gap, across replicas. A `probed_at` further ahead than the gap
    /// is from a clock that has been set back; one slightly ahead is from a caller that read the
    /// clock after us and wrote before us.
    CONNECTION_CLAIM_PROBE = Sql::both(
        "UPDATE connections SET probed_at = $2 WHERE id = $1 AND (probed_at IS NULL OR probed_at <= $3 OR probed_at > $4 \
         OR probed_at < linked_at)",
    );
    CONNECTIONS_BY_ACCOUNT = connections_where!("c.id IN (SELECT id FROM connections WHERE provider = $1 AND account_id = $2 UNION \
         ALL SELECT id FROM connections WHERE provider = $1 AND account_professional_id = $2) ORDER BY c.id");
    /// A handle may have belonged to another account before, so there may be several.
    CONNECTIONS_BY_USERNAME = connections_where!("c.provider = $1 AND c.account_username = $2 ORDER BY c.id");
    /// The listed users, by id; the rest is read with the status.
    LISTED = Sql::both(
        "SELECT id, user_id, grant_expires_at FROM connections WHERE COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND id > $2 ORDER BY id \
         LIMIT $3 + 0",
    );
    /// As [`LISTED`], in one stored state other than `connected`, which few are in.
    LISTED_IN_STATE = Sql::both(
        "SELECT id, user_id, grant_expires_at FROM connections WHERE state = $4 AND state <> 'connected' AND provider = $1 \
         AND ordinal = 0 AND id > $2 ORDER BY id LIMIT $3 + 0",
    );
    /// As [`LISTED`], of live connections whose grant has expired. The expressions on provider and
    /// id keep planners from indexes by which they would read all rows.
    LISTED_LAPSED = Sql::both(
        "SELECT id, user_id, grant_expires_at FROM connections WHERE grant_expires_at <= $4 AND state IN ('connected', \
         'degraded', 'action_required') AND COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND id || '' > $2 ORDER BY id || '' LIMIT $3 + 0",
    );
    /// By expiry, from where the last page ended.
    LISTED_BY_DEADLINE = Sql::both(
        "SELECT id, user_id, grant_expires_at FROM connections WHERE COALESCE(provider, '') = $1 AND ordinal + 0 = 0 AND grant_version IS NOT \
         NULL AND grant_expires_at < $4 AND (grant_expires_at > $5 OR (grant_expires_at = $5 AND id > $2)) ORDER BY \
         grant_expires_at, id LIMIT $3 + 0",
    );
    CONNECTION_COUNTS = Sql::both(
        "SELECT provider, state, reason, COUNT(*) AS amount FROM connections GROUP BY provider, state, \
         reason ORDER BY provider, state, reason",
    );
    HISTORY = Sql::both(
        "SELECT h.connection_id, h.version, h.position, h.at, h.state, h.reason, h.evidence_source, \
         h.evidence_at, h.detail, h.attempt_id, h.attempt_outcome FROM connection_history AS h JOIN connections AS c ON c.id = \
         h.connection_id WHERE c.user_id = $1 AND c.provider = $2 AND c.ordinal = 0 AND (h.version < $3 \
         OR (h.version = $3 AND h.position < $4)) ORDER BY h.version DESC, h.position DESC LIMIT $5 + 0",
    );
    GRANT_AND_KEY = Sql::both(
        "SELECT g.connection_id, g.version, g.blob, g.obtained_at, g.expires_at, k.key_id, k.blob AS key_blob \
         FROM grants AS g JOIN user_keys AS k ON k.user_id = $3 WHERE g.connection_id = $1 AND g.version = $2",
    );
    /// All connections, with what is stored of their grants.
    SEALED_PAGE = Sql::both(concat!(
        "SELECT ",
        connection_columns!("c."),
        ", g.blob AS sealed, k.key_id, k.blob AS key_blob FROM connections AS c LEFT JOIN grants AS g ON g.connection_id = \
         c.id AND g.version = c.grant_version LEFT JOIN user_keys AS k ON k.user_id = c.user_id WHERE c.id > $1 ORDER BY c.id \
         LIMIT $2 + 0"
    ));
    GRANTS = Sql::both(
        "SELECT connection_id, version, blob, obtained_at, expires_at FROM grants WHERE connection_id = \
         $1 ORDER BY version DESC",
    );
    GRANTS_OF_USER = Sql::both(
        "SELECT c.provider, g.connection_id, g.version, g.blob, g.obtained_at, g.expires_at FROM connections AS c \
         JOIN grants AS g ON g.connection_id = c.id WHERE c.user_id = $1",
    );
}
