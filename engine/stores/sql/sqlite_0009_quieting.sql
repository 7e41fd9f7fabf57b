-- Why an alert does not ring (NULL: it does): 1 maintenance, 2 silenced, 3 muted hours, 4 flapping, 5 storm.
ALTER TABLE alert ADD COLUMN quieted INTEGER;

-- Lists by reason, and (open ones) what must be looked at after a start. Nothing of other alerts is in here.
CREATE INDEX alert_quieted ON alert (workspace, quieted, state, severity, id) WHERE quieted IS NOT NULL;
CREATE INDEX alert_quieted_open ON alert (channel) WHERE quieted IS NOT NULL AND state < 3;

-- A channel's budget of new alerts (when it is full again), and its storm, if since is not 0. Times are microseconds.
CREATE TABLE storm (
    channel INTEGER PRIMARY KEY REFERENCES channel (id),
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    full_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    held INTEGER NOT NULL,
    rang INTEGER NOT NULL
) STRICT;

CREATE INDEX storm_now ON storm (workspace, channel) WHERE since > 0;
