-- When the newest session token was issued whose claims told something about the user: an older
-- token that is still alive must not overrule it.
ALTER TABLE users ADD COLUMN claimed_at INTEGER;
