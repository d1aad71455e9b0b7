-- Events that the app has still to be told of: per connection the newest, because each carries the status as it is when it is sent.
-- No foreign key: the app is told of an erasure too, after the user is gone.
CREATE TABLE outbox (
    user_id     TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    occurred_at BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    tries       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, provider)
);
CREATE INDEX outbox_due ON outbox (due_at);
