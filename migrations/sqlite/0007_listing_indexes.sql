-- Support and backends look connections up by handle, and list those that are not simply well. Those that are, are most, and
-- are in neither index but the first.
CREATE INDEX connections_by_username ON connections (provider, account_username) WHERE account_username IS NOT NULL;
CREATE INDEX connections_unwell ON connections (state, id) WHERE state <> 'connected';
