//! Connect attempts.

use super::Sql;

statements! {
    ATTEMPT = attempts_where!("id = $1");
    ATTEMPT_BY_STATE = attempts_where!("state_hash = $1");
    /// Without claimed ones: their token may be on the way. `$2`: a claim on a code that was sent
    /// must have ended before then.
    ATTEMPTS_EXPIRED = attempts_where!("stage <> 'closed' AND expires_at <= $1 AND (busy_until IS NULL OR busy_until <= $2 OR \
         (stage <> 'redeeming' AND busy_until <= $1)) ORDER BY expires_at, id LIMIT $3 + 0 OFFSET $4 + 0");
    ATTEMPTS_OPEN = attempts_where!("user_id = $1 AND provider = $2 AND COALESCE(stage, '') <> 'closed' ORDER BY created_at, id");
    /// Attempts whose completion was begun and interrupted. If the code could not be sent, the
    /// attempt is back at `returned`, with `paused_until` set. A pause beyond `$2` is none: its
    /// clock was ahead.
    ATTEMPTS_STRANDED = attempts_where!("stage <> 'closed' AND (stage IN ('redeeming', 'short_granted', 'granted') OR (stage = 'returned' \
         AND (paused_until IS NOT NULL OR busy_until IS NOT NULL))) AND expires_at > $1 AND (busy_until IS NULL OR busy_until <= $1) AND (paused_until IS NULL OR \
         paused_until <= $1 OR paused_until > $2) ORDER BY expires_at, id LIMIT $3 + 0 OFFSET $4 + 0");
    /// Attempts that hold a token, or may have one in the journal.
    ATTEMPTS_HOLDING = attempts_where!("stage <> 'closed' AND stage IN ('redeeming', 'short_granted', 'granted') AND COALESCE(provider, \
         '') = $1 ORDER BY expires_at, id LIMIT $2 + 0 OFFSET $3 + 0");
    ATTEMPTS_CLOSE = Sql::both(
        "UPDATE attempts SET stage = 'closed', outcome = $3, closed_at = $4, sealed = NULL, busy_until = NULL, \
         paused_until = NULL, revision = revision + 1 WHERE user_id = $1 AND provider = $2 AND COALESCE(stage, '') <> 'closed' RETURNING id",
    );
    /// Those begun within an attempt's lifetime (ten minutes), so that few rows are read, however
    /// many are closed. One that waits for the provider lives longer, and does not count after
    /// that; nor does one from the future, beyond what clocks of replicas differ by.
    ATTEMPTS_COUNT_OPEN = Sql::both(
        "SELECT COUNT(*) AS amount FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at > $3 - 600000 AND \
         created_at < $3 + 600000 AND COALESCE(stage, '') <> 'closed' AND expires_at > $3",
    );
    /// Without attempts that failed because Instagram does not admit the account: that is the app's
    /// fault, and costs the person no try.
    ATTEMPTS_COUNT_BEGUN = Sql::both(
        "SELECT COUNT(*) AS amount FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at <= $3 \
         AND created_at > $4 AND (outcome IS NULL OR outcome <> 'failed:account_not_admitted')",
    );
    /// As [`ATTEMPTS_COUNT_BEGUN`], but each one's time.
    ATTEMPTS_BEGUN = Sql::both(
        "SELECT created_at FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at <= $3 AND \
         created_at > $4 AND (outcome IS NULL OR outcome <> 'failed:account_not_admitted') ORDER BY \
         created_at DESC LIMIT $5 + 0",
    );
    /// Without attempts that a "no" to another one has ended: those have a completion.
    ATTEMPTS_COUNT_DECLINED = Sql::both(
        "SELECT COUNT(*) AS amount FROM attempts WHERE user_id = $1 AND provider = $2 AND created_at <= $4 \
         AND outcome = 'denied' AND completion_hash IS NULL AND closed_at > $3 AND closed_at <= $4",
    );
    ATTEMPT_INSERT = Sql::both(concat!(
        "INSERT INTO attempts (",
        attempt_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
         $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING",
    ));
    /// Compare and set. The values that an attempt began with never change.
    ATTEMPT_UPDATE = Sql::both(
        "UPDATE attempts SET revision = $3, completion_hash = $4, stage = $5, outcome = $6, expires_at = \
         $7, returned_at = $8, sealed = $9, sealed_completion = $10, busy_until = $11, paused_until = $12, \
         closed_at = $13 \
         WHERE id = $1 AND revision = $2",
    );
}
