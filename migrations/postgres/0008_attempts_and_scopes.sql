-- The connect attempt that began (no outcome) or ended with a line of history.
ALTER TABLE connection_history ADD COLUMN attempt_id TEXT;
ALTER TABLE connection_history ADD COLUMN attempt_outcome TEXT;

-- Scopes that the app's calls were refused for want of, though they had been granted. One refusal is believed at once only where
-- there are few connections; else it has to come again, while it does not strike many.
CREATE TABLE scope_refusals (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    scope         TEXT NOT NULL,
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    PRIMARY KEY (connection_id, scope)
);
CREATE INDEX scope_refusals_lately ON scope_refusals (scope, last_at);
CREATE INDEX scope_refusals_by_age ON scope_refusals (last_at);
