-- Events that the app has still to be told of: per connection the newest, because each carries the status as it is when it is sent.
-- No foreign key: the app is told of an erasure too, after the user is gone.
CREATE TABLE outbox (
    user_id     TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    occurred_at INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due_at);
