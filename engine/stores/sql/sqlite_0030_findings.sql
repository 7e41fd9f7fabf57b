-- What analytics has found, and keeps: patterns, predictions, insights, recommendations. `kind` says which, `key` is its
-- identity within (workspace, kind), so that the same thing found again is the same row. `sort` and `score` are the kind's
-- own: what lists of it are filtered by. body: JSON of the kind's own form. Times are microseconds; at: when it was first
-- found; due: when it is to be scored (NULL: never, or it was). framework NULL: it is about more than one.
CREATE TABLE finding (
    workspace TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    framework TEXT,
    rule_id TEXT,
    sort TEXT NOT NULL,
    state TEXT NOT NULL,
    score REAL,
    at INTEGER NOT NULL,
    due INTEGER,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace, kind, key)
) STRICT;

CREATE INDEX finding_by_time ON finding (workspace, kind, at, key);
CREATE INDEX finding_by_framework ON finding (workspace, kind, framework, at, key) WHERE framework IS NOT NULL;
CREATE INDEX finding_by_rule ON finding (workspace, kind, rule_id, at, key) WHERE rule_id IS NOT NULL;
CREATE INDEX finding_due ON finding (kind, due) WHERE due IS NOT NULL;
CREATE INDEX finding_kept ON finding (updated_at);
