-- Jobs that are still to be done. Kept small: what has ended moves to job_done in the transaction that ends it. Numbers are
-- never used again (AUTOINCREMENT), so a lease of an old job can never be one of a new. state: 0 delayed, 1 waiting, 2 active.
-- rank: the order of claiming, run_at + a minute for each step of priority. Times are microseconds.
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    framework TEXT,
    state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    prio INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    deadline_s INTEGER NOT NULL,
    ukey TEXT,
    schedule TEXT,
    args TEXT NOT NULL,
    errors TEXT NOT NULL DEFAULT '[]',
    lease_no INTEGER NOT NULL DEFAULT 0,
    lease_by TEXT,
    lease_until INTEGER,
    started_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX job_waiting ON job (queue, rank, id) WHERE state = 1;
CREATE INDEX job_delayed ON job (run_at) WHERE state = 0;
CREATE INDEX job_active ON job (lease_until) WHERE state = 2;
CREATE UNIQUE INDEX job_key ON job (ukey) WHERE ukey IS NOT NULL;
CREATE INDEX job_of_schedule ON job (schedule) WHERE schedule IS NOT NULL;
CREATE INDEX job_of_workspace ON job (workspace, id);

-- Jobs that have ended: 3 completed, 4 failed, 5 cancelled, 6 discarded.
CREATE TABLE job_done (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    framework TEXT,
    state INTEGER NOT NULL CHECK (state IN (3, 4, 5, 6)),
    prio INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    deadline_s INTEGER NOT NULL,
    ukey TEXT,
    schedule TEXT,
    args TEXT NOT NULL,
    errors TEXT NOT NULL,
    lease_no INTEGER NOT NULL,
    result TEXT,
    started_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX job_done_kept ON job_done (queue, state, updated_at);
CREATE INDEX job_done_of_workspace ON job_done (workspace, id);

CREATE TABLE job_queue (
    name TEXT PRIMARY KEY,
    paused_at INTEGER
) STRICT, WITHOUT ROWID;

-- Nodes that work, and when each was last heard of.
CREATE TABLE job_node (
    node TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Schedules: last_fire is the moment up to which all is fired or left out; a run's job carries the schedule's name.
CREATE TABLE job_cron (
    name TEXT PRIMARY KEY,
    last_fire INTEGER NOT NULL,
    paused_at INTEGER,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    last_verdict TEXT,
    last_started_at INTEGER,
    last_finished_at INTEGER
) STRICT, WITHOUT ROWID;

-- The columns that programs around the earlier system read.
CREATE VIEW alert_job_state AS
SELECT
    CAST(id AS TEXT) AS id,
    CAST(id AS TEXT) AS job_id,
    queue AS job_type,
    CASE state WHEN 2 THEN 'processing' ELSE 'pending' END AS status,
    workspace AS workspace_id,
    framework AS framework_id,
    args AS data,
    errors ->> '$[#-1].cause' AS error_message,
    max(attempt - (state = 2), 0) AS retry_count,
    created_at,
    updated_at,
    NULL AS completed_at
FROM job
UNION ALL
SELECT
    CAST(id AS TEXT), CAST(id AS TEXT), queue,
    CASE state WHEN 3 THEN 'completed' WHEN 6 THEN 'completed' ELSE 'failed' END,
    workspace, framework, args, errors ->> '$[#-1].cause', max(attempt - 1, 0), created_at, updated_at,
    CASE state WHEN 3 THEN updated_at END
FROM job_done;
