-- What a clock that was ahead wrote is looked for each day; without these, at the price of reading every connection.
CREATE INDEX connections_by_age ON connections (grant_obtained_at);
CREATE INDEX connections_expired ON connections (grant_expires_at) WHERE reason = 'expired';
