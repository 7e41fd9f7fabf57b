-- Where a job comes from, if that is traced: a traceparent. Not kept when the job has ended: what is done once more by
-- hand does not belong to that trace.
ALTER TABLE job ADD COLUMN trace text COLLATE "C";
