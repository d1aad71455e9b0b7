-- Who did what: which service key took whose grant, and what operators did on the command line. Holds no secret.
CREATE TABLE audit (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    -- The user concerned; null where none is, and where that user was erased.
    user_id TEXT,
    detail  TEXT
);
CREATE INDEX audit_by_age ON audit (at, id);
CREATE INDEX audit_by_user ON audit (user_id) WHERE user_id IS NOT NULL;

-- What became of refreshes, by hour: all replicas together, across restarts.
CREATE TABLE refresh_tally (
    hour    BIGINT NOT NULL,
    outcome TEXT   NOT NULL,
    amount  BIGINT NOT NULL,
    PRIMARY KEY (hour, outcome)
);

-- So that counting by state reads an index and no rows. SQLite has none: its planner, which guesses, would take it where others fit better.
CREATE INDEX connections_by_state ON connections (reason, state, provider);
