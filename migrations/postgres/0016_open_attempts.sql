-- The status asks for a user's newest open attempt, of which there are few, whatever ended after it began.
CREATE INDEX attempts_open ON attempts (user_id, provider, created_at, id) WHERE stage <> 'closed';
