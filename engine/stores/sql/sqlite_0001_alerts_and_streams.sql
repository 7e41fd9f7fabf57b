-- Times are microseconds since the Unix epoch. Inside, workspaces and channels are small integers; outside, names.
-- state: 0 pending, 1 active, 2 acknowledged, 3 resolved, 4 expired (below 3 is open); severity: 0 info .. 3 critical.

-- Identity of this store: clients recover by (epoch, offset), so a new store must not look like the old one.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE workspace (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0
) STRICT;

-- last_batch with its results: a batch that was committed just before a crash is answered, not decided again.
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    framework TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    last_batch TEXT NOT NULL DEFAULT '',
    last_base INTEGER NOT NULL DEFAULT 0,
    last_results TEXT NOT NULL DEFAULT '[]',
    UNIQUE (workspace, framework)
) STRICT;

-- body is the whole row (alert, identity, window, sources) as JSON; the columns are what is searched and counted.
CREATE TABLE alert (
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    channel INTEGER NOT NULL REFERENCES channel (id),
    id TEXT NOT NULL,
    identity TEXT NOT NULL,
    state INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    rule_id TEXT,
    triggered_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    resolved_at INTEGER,
    occurrences INTEGER NOT NULL,
    window_until INTEGER NOT NULL,
    window_count INTEGER NOT NULL,
    has_sources INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (workspace, id)
) STRICT;

-- Lists: one seek for each (state, severity) asked for, merged by id, so no filter of these three ever scans.
CREATE INDEX alert_by_workspace ON alert (workspace, state, severity, id);
CREATE INDEX alert_by_channel ON alert (channel, state, severity, id);
-- Recall: besides the open alerts (above), closed ones whose window still suppresses, and receipts that are owed.
CREATE INDEX alert_cooling ON alert (channel, window_until) WHERE state >= 3;
CREATE INDEX alert_owed ON alert (channel) WHERE window_count > 0;
CREATE INDEX alert_sourced ON alert (workspace, channel) WHERE has_sources = 1 AND state < 3;

-- body is the event as JSON without its workspace_offset.
CREATE TABLE event (
    channel INTEGER NOT NULL REFERENCES channel (id),
    channel_offset INTEGER NOT NULL,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    workspace_offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (channel, channel_offset),
    UNIQUE (workspace, workspace_offset)
) STRICT;

-- What people did. Append-only: nothing in the engine updates or deletes here.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    channel INTEGER NOT NULL REFERENCES channel (id),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    notes TEXT
) STRICT;

CREATE INDEX audit_by_alert ON audit (workspace, alert_id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TABLE websocket_connections (
    client_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    framework_id TEXT,
    connected_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'disconnected'))
) STRICT;

CREATE INDEX websocket_connections_by_status ON websocket_connections (status, last_activity_at);
