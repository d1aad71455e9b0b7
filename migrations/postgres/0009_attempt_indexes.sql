-- The status asks for a user's newest attempt: found at the end of this index, without sorting those of the same day.
CREATE INDEX attempts_newest ON attempts (user_id, provider, created_at, id);
DROP INDEX attempts_by_user;
-- At its start a server lets go of what it was completing when it was killed: few rows of many.
CREATE INDEX attempts_busy ON attempts (busy_until) WHERE busy_until IS NOT NULL;
