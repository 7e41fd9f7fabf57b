-- The key of the job that a delayed one waits for: it is due when that one has ended, or else when its run_at comes.
ALTER TABLE job ADD COLUMN behind TEXT;
CREATE INDEX job_behind ON job (behind) WHERE behind IS NOT NULL;
