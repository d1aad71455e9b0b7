-- The connect attempt that began (no outcome) or ended with a line of history.
ALTER TABLE connection_history ADD COLUMN attempt_id TEXT;
ALTER TABLE connection_history ADD COLUMN attempt_outcome TEXT;
