-- What is kept only for so long is looked for each hour; without these, at the price of reading every row.
CREATE INDEX connection_history_by_age ON connection_history (at);
CREATE INDEX data_deletions_by_age ON data_deletions (requested_at);
CREATE INDEX outbox_by_age ON outbox (occurred_at);
-- Few rows: closed attempts that still hold something.
CREATE INDEX attempts_holding ON attempts (closed_at)
    WHERE closed_at IS NOT NULL AND (sealed_completion IS NOT NULL OR sealed IS NOT NULL);
-- Few rows: damaged grants, which are looked at again.
CREATE INDEX connections_unreadable ON connections (since) WHERE reason = 'grant_unreadable';
