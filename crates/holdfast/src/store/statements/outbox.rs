//! Events to the app, receipts of data deletion, and withdrawn accounts.

use super::Sql;

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

statements! {
    /// What is still to be erased is noted anew: a version before may have noted nothing.
    DELETION_INSERT = Sql::both(
        "INSERT INTO data_deletions (code, provider, requested_at, completed_at, erased, unfinished) VALUES ($1, $2, \
         $3, $4, $5, $6) ON CONFLICT (code) DO UPDATE SET completed_at = COALESCE(data_deletions.completed_at, \
         excluded.completed_at), erased = data_deletions.erased + excluded.erased, unfinished = CASE WHEN \
         COALESCE(data_deletions.completed_at, excluded.completed_at) IS NULL THEN COALESCE(excluded.unfinished, \
         data_deletions.unfinished) END",
    );
    /// Those that a crash has cut short, that wait, or that are under way.
    DELETIONS_UNFINISHED = Sql::both(
        "SELECT code, provider, requested_at, completed_at, erased, unfinished FROM data_deletions WHERE completed_at IS \
         NULL AND unfinished IS NOT NULL AND requested_at <= $1 ORDER BY requested_at LIMIT $2 + 0 OFFSET $3 + 0",
    );
    DELETION = Sql::both(
        "SELECT code, provider, requested_at, completed_at, erased, unfinished FROM data_deletions WHERE code = $1",
    );
    WITHDRAWAL_PUT = Sql::both(
        "INSERT INTO withdrawals (provider, account_hash, issued_at) VALUES ($1, $2, $3) ON CONFLICT (provider, account_hash) \
         DO UPDATE SET issued_at = excluded.issued_at WHERE withdrawals.issued_at < excluded.issued_at",
    );
    WITHDRAWAL = Sql::both(
        "SELECT issued_at FROM withdrawals WHERE provider = $1 AND account_hash IN ($2, $3) ORDER BY issued_at DESC LIMIT 1",
    );
    /// A newer event replaces one that was not delivered, and is due at once.
    OUTBOX_PUT = Sql::both(
        "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ($1, $2, $3, $4, $4) ON \
         CONFLICT (user_id, provider) DO UPDATE SET event_id = excluded.event_id, occurred_at = \
         excluded.occurred_at, due_at = excluded.due_at, tries = 0",
    );
    /// An event about every connection, as [`Store::put_change_event`](crate::store::Store) would
    /// name it.
    OUTBOX_PUT_ALL = Sql::both(
        "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) SELECT user_id, provider, 'evt_' || \
         REPLACE(id, '-', '') || '_' || version, $1, $1 FROM connections WHERE ordinal = 0 ON CONFLICT (user_id, provider) DO \
         UPDATE SET event_id = excluded.event_id, occurred_at = excluded.occurred_at, due_at = excluded.due_at, tries = 0",
    );
    /// A claimed event is not due until `$2`: no other replica sends it before, and a crash delays
    /// it until then.
    OUTBOX_CLAIM = Sql::each(
        concat!(outbox_due!(), outbox_claim!()),
        concat!(outbox_due!(), " FOR UPDATE SKIP LOCKED", outbox_claim!()),
    );
    /// Only this event: a newer one that has replaced it stays.
    OUTBOX_REMOVE = Sql::both("DELETE FROM outbox WHERE user_id = $1 AND provider = $2 AND event_id = $3");
    OUTBOX_RESCHEDULE = Sql::both("UPDATE outbox SET due_at = $4 WHERE user_id = $1 AND provider = $2 AND event_id = $3");
    /// What a claim has just held until `$2`.
    OUTBOX_POSTPONE = Sql::both("UPDATE outbox SET due_at = $3 WHERE user_id = $1 AND due_at = $2");
    OUTBOX_NEXT = Sql::both("SELECT MIN(due_at) AS at FROM outbox");
    /// An event that is under way the first time is not late.
    OUTBOX_LATE = Sql::both(
        "SELECT COUNT(*) AS amount, CAST(COALESCE(MAX(tries), 0) AS BIGINT) AS tries, MIN(occurred_at) AS oldest FROM outbox \
         WHERE tries > 1 OR occurred_at < $1",
    );
}
