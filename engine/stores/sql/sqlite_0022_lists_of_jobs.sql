-- When the next job of a queue is due, whatever else waits in one that is paused.
DROP INDEX job_delayed;
CREATE INDEX job_delayed ON job (queue, run_at) WHERE state = 0;

-- Lists of ended jobs, newest first, without reading what a busy week has left. What did not just complete has indexes of its
-- own, that nothing else adds to; the others have in them what is asked for besides, so that no row is read in vain.
DROP INDEX job_done_failed;
CREATE INDEX job_done_of_state ON job_done (state, id) WHERE state = 4 OR state = 5 OR state = 6;
CREATE INDEX job_done_of_state_here ON job_done (workspace, state, id) WHERE state = 4 OR state = 5 OR state = 6;
DROP INDEX job_done_of_workspace;
CREATE INDEX job_done_of_workspace ON job_done (workspace, id, kind, queue);
CREATE INDEX job_done_of_kind ON job_done (queue, kind, id, workspace);
