-- `created` is true for a user's first `sync`, whether or not a webhook or another route made the record before.
ALTER TABLE users ADD COLUMN first_synced_at BIGINT;
UPDATE users SET first_synced_at = last_seen_at;
