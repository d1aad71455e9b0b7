-- What is still to be erased for a deletion request, so that a crash in between does not lose it:
-- the connections that had the account, and when the request was issued. No personal data; empty
-- once everything is erased.
ALTER TABLE data_deletions ADD COLUMN unfinished TEXT;
CREATE INDEX data_deletions_unfinished ON data_deletions (requested_at) WHERE completed_at IS NULL;
