-- How many ended jobs are kept: counted as they come and go, because what a busy week has left is not read at each look.
CREATE TABLE job_count (
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;
INSERT INTO job_count SELECT queue, state, count(*) FROM job_done GROUP BY queue, state;

-- Up to where the runs of a schedule cover its time. Behind last_fire if runs were left out because one was still going.
ALTER TABLE job_cron ADD COLUMN covered INTEGER;

-- At most so many jobs of a queue in hand at a time, on all nodes together; NULL: as many as have room.
ALTER TABLE job_queue ADD COLUMN most INTEGER;

-- As the earlier system's table: times are timestamps (UTC), and what needed no doing any more was completed, too.
DROP VIEW alert_job_state;
CREATE VIEW alert_job_state AS
WITH every (id, queue, state, workspace, framework, args, errors, attempt, created_at, updated_at) AS (
    SELECT id, queue, state, workspace, framework, args, errors, attempt, created_at, updated_at FROM job
    UNION ALL
    SELECT id, queue, state, workspace, framework, args, errors, attempt, created_at, updated_at FROM job_done
)
SELECT
    CAST(id AS TEXT) AS id,
    CAST(id AS TEXT) AS job_id,
    queue AS job_type,
    CASE
        WHEN state IN (0, 1) THEN 'pending'
        WHEN state = 2 THEN 'processing'
        WHEN state IN (3, 6) THEN 'completed'
        ELSE 'failed'
    END AS status,
    workspace AS workspace_id,
    framework AS framework_id,
    args AS data,
    json_extract(errors, '$[#-1].cause') AS error_message,
    max(attempt - (state >= 2), 0) AS retry_count,
    strftime('%Y-%m-%d %H:%M:%f', created_at / 1000000.0, 'unixepoch') AS created_at,
    strftime('%Y-%m-%d %H:%M:%f', updated_at / 1000000.0, 'unixepoch') AS updated_at,
    CASE WHEN state IN (3, 6) THEN strftime('%Y-%m-%d %H:%M:%f', updated_at / 1000000.0, 'unixepoch') END AS completed_at
FROM every;
