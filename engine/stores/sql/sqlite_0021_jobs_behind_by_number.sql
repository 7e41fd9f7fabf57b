-- The number of the job that a delayed one waits for (instead of its key: not all have one). Those that wait look once more.
UPDATE job SET run_at = updated_at WHERE behind IS NOT NULL AND state = 0;
DROP INDEX job_behind;
ALTER TABLE job DROP COLUMN behind;
ALTER TABLE job ADD COLUMN behind INTEGER;
CREATE INDEX job_behind ON job (behind) WHERE behind IS NOT NULL;

-- Those that wait for an older one are due later than they would be, and precede all the same.
DROP INDEX job_routing;
CREATE INDEX job_routing ON job (workspace, framework, id, run_at, behind) WHERE kind = 'route';
