//! Writes of connections, their history and their grants.

use super::Sql;

statements! {
    CONNECTION_INSERT = Sql::both(concat!(
        "INSERT INTO connections (",
        stored_columns!(""),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (user_id, \
         provider, ordinal) DO NOTHING",
    ));
    /// Compare and set.
    CONNECTION_UPDATE = Sql::both(
        "UPDATE connections SET state = $3, reason = $4, account_id = $5, account_professional_id = $6, \
         account_username = $7, account_name = $8, account_type = $9, account_picture_url = $10, scopes = \
         $11, missing_scopes = $12, grant_version = $13, grant_obtained_at = $14, grant_expires_at = $15, \
         next_refresh_at = $16, retry_after = $17, since = $18, linked_at = $19, evidence_source = $20, \
         evidence_at = $21, suspicion_grant_version = $22, suspicion_first_at = $23, failures = $24, \
         version = $25 WHERE id = $1 AND version = $2",
    );
    CONNECTIONS_RENUMBER = Sql::both(
        "UPDATE connections SET version = CASE WHEN version + 1000 > $1 THEN version + 1000 ELSE $1 END",
    );
    /// After the version's earlier entries: an attempt begins and ends without a new version.
    HISTORY_INSERT = Sql::both(
        "INSERT INTO connection_history (connection_id, version, position, at, state, reason, \
         evidence_source, evidence_at, detail, attempt_id, attempt_outcome) VALUES ($1, $2, (SELECT COALESCE(MAX(position) + \
         1, 0) FROM connection_history WHERE connection_id = $1 AND version = $2), $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    GRANT_APPEND = Sql::both(
        "INSERT INTO grants (connection_id, version, blob, obtained_at, expires_at) VALUES ($1, $2, $3, \
         $4, $5) ON CONFLICT (connection_id, version) DO NOTHING",
    );
    GRANT_RESEAL = Sql::both(
        "UPDATE grants SET blob = $4 WHERE connection_id = $1 AND version = $2 AND blob = $3",
    );
    GRANTS_ERASE_BELOW = Sql::both("DELETE FROM grants WHERE connection_id = $1 AND version < $2");
    GRANTS_ERASE = Sql::both("DELETE FROM grants WHERE connection_id = $1");
    /// Begins a new series if the last refusal is long past, or was of an earlier link.
    REFUSAL_PUT = Sql::both(
        "INSERT INTO scope_refusals (connection_id, scope, first_at, last_at) VALUES ($1, $2, $3, $3) ON CONFLICT \
         (connection_id, scope) DO UPDATE SET first_at = CASE WHEN scope_refusals.last_at < $4 OR scope_refusals.first_at < \
         $5 THEN excluded.first_at ELSE scope_refusals.first_at END, last_at = excluded.last_at RETURNING first_at",
    );
    REFUSAL = Sql::both("SELECT first_at FROM scope_refusals WHERE connection_id = $1 AND scope = $2");
    REFUSAL_FORGET = Sql::both("DELETE FROM scope_refusals WHERE connection_id = $1 AND scope = $2");
    REFUSALS_COUNT = Sql::both(
        "SELECT COUNT(*) AS amount FROM (SELECT connection_id FROM scope_refusals WHERE scope = $1 AND last_at > $2 LIMIT \
         $3 + 0) AS struck",
    );
}
