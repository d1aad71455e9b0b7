-- Accounts that their person has withdrawn at Meta, by hash: another replica's journal may bring a
-- token from before.
CREATE TABLE withdrawals (
    provider     TEXT   NOT NULL,
    account_hash BYTEA  NOT NULL,
    issued_at    BIGINT NOT NULL,
    PRIMARY KEY (provider, account_hash)
);
CREATE INDEX withdrawals_by_age ON withdrawals (issued_at);
