-- Alerts that belong together. How far each workspace's events were looked at is in `incident_place`: `position` is the
-- offset of the last one, `oldest` the one after which those still matter that may tie; whoever writes incidents moves
-- `version` on. An alert is in one incident at most; one that somebody split off (`is_apart`) stays out of all of them.
CREATE TABLE incident_place (
    workspace TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    version INTEGER NOT NULL,
    settings TEXT,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved', 'merged')),
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE INDEX incident_by_state ON incident (workspace, state, id);
CREATE INDEX incident_kept ON incident (updated_at) WHERE state IN ('resolved', 'merged');

CREATE TABLE incident_alert (
    workspace TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    incident TEXT NOT NULL,
    framework TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    is_apart INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, alert_id)
) STRICT;

CREATE INDEX incident_alert_of ON incident_alert (workspace, incident, started_at, alert_id);
