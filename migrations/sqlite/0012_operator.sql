-- Who did what: which service key took whose grant, and what operators did on the command line. Holds no secret.
CREATE TABLE audit (
    id      TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    -- The user concerned; null where none is, and where that user was erased.
    user_id TEXT,
    detail  TEXT
) STRICT;
CREATE INDEX audit_by_age ON audit (at, id);
CREATE INDEX audit_by_user ON audit (user_id) WHERE user_id IS NOT NULL;

-- What became of refreshes, by hour: all replicas together, across restarts.
CREATE TABLE refresh_tally (
    hour    INTEGER NOT NULL,
    outcome TEXT    NOT NULL,
    amount  INTEGER NOT NULL,
    PRIMARY KEY (hour, outcome)
) STRICT;
