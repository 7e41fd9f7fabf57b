-- Objects: what people make and change (rules, frameworks, users, teams, silences ...), each a JSON text with a version.
-- Workspaces are named, not numbered: an object may be there before the workspace's first alert. The kind comes first, so
-- that all of a kind are read in one go at the start, and those of a workspace too. Times are microseconds.
CREATE TABLE object (
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    framework TEXT,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (kind, workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX object_by_framework ON object (kind, workspace, framework, id);

-- Every state that an object ever had; without a body: it was deleted. A version is never used again, also not by
-- another object that gets the id later, so a version that somebody still holds can never match by accident.
CREATE TABLE object_version (
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT,
    is_archived INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    PRIMARY KEY (kind, workspace, id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER object_version_is_not_changed BEFORE UPDATE ON object_version
BEGIN
    SELECT RAISE(ABORT, 'the history of objects is append-only');
END;

CREATE TRIGGER object_version_is_not_deleted BEFORE DELETE ON object_version
BEGIN
    SELECT RAISE(ABORT, 'the history of objects is append-only');
END;
