-- Tokens (kind jti) and users whose tokens are no longer good, until the last token that this means has ended.
-- The workspace by name: a revocation may come before the workspace's first alert. Times are microseconds.
CREATE TABLE revocation (
    workspace TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('jti', 'user')),
    target TEXT NOT NULL,
    at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (workspace, kind, target)
) STRICT;

CREATE INDEX revocation_by_end ON revocation (ends_at);
