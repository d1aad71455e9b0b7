-- Times are unix milliseconds. Ids are text: Clerk's `user_…`, or a UUID in its hyphenated form.
-- Foreign keys cascade from `users`, so that erasing a person leaves nothing of them behind.

CREATE TABLE users (
    id               TEXT    NOT NULL PRIMARY KEY,
    email            TEXT,
    email_verified   INTEGER CHECK (email_verified IN (0, 1)),
    first_name       TEXT,
    last_name        TEXT,
    image_url        TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    last_seen_at     INTEGER,
    clerk_updated_at INTEGER
) STRICT;

-- Tombstones: a late event or a session token that still lives must not bring an erased user back.
CREATE TABLE deleted_users (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) STRICT;

-- Signed webhook deliveries that have been applied, by their `svix-id`.
CREATE TABLE clerk_events (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX clerk_events_by_age ON clerk_events (received_at);

-- One data key per user, sealed by the key ring. Deleting the row shreds all that it sealed.
CREATE TABLE user_keys (
    user_id    TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    key_id     TEXT    NOT NULL,
    blob       BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_keys_by_key ON user_keys (key_id, user_id);

-- One row per key of the ring: proves at start that the configured bytes are the ones that sealed this database.
CREATE TABLE key_ring_sentinel (
    key_id     TEXT    NOT NULL PRIMARY KEY,
    blob       BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE connections (
    id                      TEXT    NOT NULL PRIMARY KEY,
    user_id                 TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider                TEXT    NOT NULL,
    ordinal                 INTEGER NOT NULL DEFAULT 0,
    state                   TEXT    NOT NULL,
    reason                  TEXT,
    account_id              TEXT,
    account_professional_id TEXT,
    account_username        TEXT,
    account_name            TEXT,
    account_type            TEXT,
    account_picture_url     TEXT,
    scopes                  TEXT    NOT NULL,
    missing_scopes          TEXT    NOT NULL,
    grant_version           INTEGER,
    grant_obtained_at       INTEGER,
    grant_expires_at        INTEGER,
    next_refresh_at         INTEGER,
    retry_after             INTEGER,
    since                   INTEGER NOT NULL,
    linked_at               INTEGER,
    evidence_source         TEXT,
    evidence_at             INTEGER,
    suspicion_grant_version INTEGER,
    suspicion_first_at      INTEGER,
    failures                INTEGER NOT NULL DEFAULT 0,
    version                 INTEGER NOT NULL,
    probed_at               INTEGER,
    lease_owner             TEXT,
    lease_until             INTEGER,
    lease_epoch             INTEGER NOT NULL DEFAULT 0,
    UNIQUE (user_id, provider, ordinal)
) STRICT;
-- Two users cannot both link one account.
CREATE UNIQUE INDEX connections_account ON connections (provider, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX connections_by_professional ON connections (provider, account_professional_id)
    WHERE account_professional_id IS NOT NULL;
CREATE INDEX connections_due ON connections (next_refresh_at) WHERE next_refresh_at IS NOT NULL;
-- For a backlog, which is worked off by deadline.
CREATE INDEX connections_by_deadline ON connections (grant_expires_at, id) WHERE grant_version IS NOT NULL;
-- Few rows: those being worked on, and those that must wait.
CREATE INDEX connections_held ON connections (next_refresh_at)
    WHERE lease_until IS NOT NULL OR retry_after IS NOT NULL;
CREATE INDEX connections_expiring ON connections (grant_expires_at)
    WHERE state IN ('connected', 'degraded', 'action_required');

CREATE TABLE connection_history (
    connection_id   TEXT    NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    version         INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    reason          TEXT,
    evidence_source TEXT,
    evidence_at     INTEGER,
    detail          TEXT,
    PRIMARY KEY (connection_id, version, position)
) STRICT, WITHOUT ROWID;

-- Sealed under the user's data key. Appended, never updated: a new grant is a new version.
CREATE TABLE grants (
    connection_id TEXT    NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    blob          BLOB    NOT NULL,
    obtained_at   INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (connection_id, version)
) STRICT;

CREATE TABLE attempts (
    id                TEXT    NOT NULL PRIMARY KEY,
    revision          INTEGER NOT NULL,
    user_id           TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider          TEXT    NOT NULL,
    state_hash        BLOB    NOT NULL UNIQUE,
    completion_hash   BLOB,
    stage             TEXT    NOT NULL,
    outcome           TEXT,
    return_to         TEXT    NOT NULL,
    expect            TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    sealed            BLOB,
    sealed_completion BLOB,
    busy_until        INTEGER,
    closed_at         INTEGER
) STRICT;
CREATE INDEX attempts_by_user ON attempts (user_id, provider, created_at);
CREATE INDEX attempts_expiring ON attempts (expires_at) WHERE stage <> 'closed';
CREATE INDEX attempts_closed ON attempts (closed_at) WHERE closed_at IS NOT NULL;

-- What Meta's data deletion callback was answered with; holds no personal data.
CREATE TABLE data_deletions (
    code         TEXT    NOT NULL PRIMARY KEY,
    provider     TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    completed_at INTEGER,
    erased       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE service_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
