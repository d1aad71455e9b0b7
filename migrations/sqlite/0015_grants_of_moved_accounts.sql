-- The grants of a connection were kept when its account moved to another user. A connection without a grant keeps none.
DELETE FROM grants WHERE connection_id IN (SELECT id FROM connections WHERE grant_version IS NULL);
