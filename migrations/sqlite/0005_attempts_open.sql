-- How many attempts of a user are open is counted before each new one; without this, by reading all that they ever began.
CREATE INDEX attempts_open ON attempts (user_id, provider, created_at) WHERE stage <> 'closed';
