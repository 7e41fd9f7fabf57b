-- The ledger of notifications: who was told of which change of an alert, by which channel, and what became of it. `key` is
-- made of the columns before it, and goes to the target with the message. A row is there before its job is. Times are
-- microseconds; `due`: with which digest it goes (NULL: with none); recipient: endpoint:<id> or user:<id>.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    version TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'sent', 'delivered', 'failed', 'suppressed', 'acknowledged', 'read')),
    why TEXT,
    cause TEXT,
    due INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    reference TEXT,
    at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX delivery_key ON delivery (key);
CREATE INDEX delivery_of_alert ON delivery (workspace, alert_id, id);
CREATE INDEX delivery_put_aside ON delivery (due, workspace, channel, recipient) WHERE state = 'queued' AND due IS NOT NULL;
CREATE INDEX delivery_in_app ON delivery (workspace, recipient, id) WHERE channel = 'in_app';
CREATE INDEX delivery_unread ON delivery (workspace, recipient)
    WHERE channel = 'in_app' AND state IN ('sent', 'delivered', 'acknowledged');
CREATE INDEX delivery_kept ON delivery (updated_at);
