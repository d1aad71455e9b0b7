-- When the browser came back with the code: the time of the person's consent. Beside the sealed
-- code, so that the version before opens that.
ALTER TABLE attempts ADD COLUMN returned_at INTEGER;
