-- What the app is told besides the status of a user: once for each subject, whichever replica notices it first. A row stays after its
-- delivery, so that the same is not told twice; the daily upkeep removes it a month later.
CREATE TABLE notices (
    subject      TEXT    NOT NULL PRIMARY KEY,
    kind         TEXT    NOT NULL,
    user_id      TEXT,
    provider     TEXT    NOT NULL,
    occurred_at  BIGINT NOT NULL,
    due_at       BIGINT,
    tries        BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notices_by_age ON notices (occurred_at);
CREATE INDEX notices_by_user ON notices (user_id) WHERE user_id IS NOT NULL;

-- Since when an incident lasts, as the replicas agree: one row per provider while one does.
CREATE TABLE incidents (
    provider TEXT    NOT NULL PRIMARY KEY,
    began_at BIGINT NOT NULL
);
