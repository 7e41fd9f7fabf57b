-- Whom a job waits for while it is done: of one target only a few are in hand at a time. Jobs without one keep their index.
ALTER TABLE job ADD COLUMN target TEXT;
ALTER TABLE job_done ADD COLUMN target TEXT;
DROP INDEX job_waiting;
CREATE INDEX job_waiting ON job (queue, rank, id) WHERE state = 1 AND target IS NULL;
CREATE INDEX job_waiting_for ON job (queue, rank, id, workspace, target) WHERE state = 1 AND target IS NOT NULL;
CREATE INDEX job_of_target ON job (queue, target, rank, id, workspace) WHERE state = 1 AND target IS NOT NULL;
