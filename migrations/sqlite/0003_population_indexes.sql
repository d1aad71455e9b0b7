-- How the connections fare together is asked after every sign of death; without these, each time at the price of reading them all.
CREATE INDEX connections_troubled ON connections (since)
    WHERE state <> 'connected' OR suspicion_first_at IS NOT NULL;
CREATE INDEX connections_proven ON connections (evidence_at) WHERE state = 'connected';
