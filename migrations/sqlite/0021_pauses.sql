-- Until when an attempt waits because Instagram could not be asked; `busy_until` is a claim alone.
ALTER TABLE attempts ADD COLUMN paused_until INTEGER;
-- A claim takes an attempt out of this stage, so these are pauses.
UPDATE attempts SET paused_until = busy_until, busy_until = NULL WHERE stage = 'returned' AND busy_until IS NOT NULL;
