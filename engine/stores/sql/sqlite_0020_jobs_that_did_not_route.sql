-- Jobs that were to decide who is told of something and did not: whoever asks why nobody was told is told of them.
CREATE INDEX job_done_unrouted ON job_done (workspace, framework, id) WHERE kind = 'route' AND state IN (4, 5);
