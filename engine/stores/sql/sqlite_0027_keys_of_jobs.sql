-- A key of a job is its workspace's: one that another has may be had here, too.
DROP INDEX job_key;
CREATE UNIQUE INDEX job_key ON job (ukey, workspace) WHERE ukey IS NOT NULL;
