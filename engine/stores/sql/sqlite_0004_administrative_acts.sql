-- What administrators did: disconnected somebody, revoked a token. Append-only, kept for ever: acts are rare.
-- The workspace is the administrator's own, by name: an act may come before the workspace's first alert.
-- Times are microseconds. AUTOINCREMENT: a number is never used again, so pages never skip or repeat.
CREATE TABLE administrative_act (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;

CREATE INDEX administrative_act_by_workspace ON administrative_act (workspace, id);

CREATE TRIGGER administrative_act_is_not_changed BEFORE UPDATE ON administrative_act
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER administrative_act_is_not_deleted BEFORE DELETE ON administrative_act
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
