-- Whether an older job of a channel is still to be routed is asked for each end of an alert: from this index alone.
CREATE INDEX job_routing ON job (workspace, framework, id, run_at) WHERE kind = 'route';

-- Since when a target has been saying "later" (microseconds): how long one is patient counts from there.
ALTER TABLE delivery ADD COLUMN held_since INTEGER;

-- What is still to be told is kept however old it is: it is not among what retention looks at.
DROP INDEX delivery_kept;
CREATE INDEX delivery_kept ON delivery (updated_at) WHERE state <> 'queued';

-- The lines of a digest that failed, for whoever has it done once more.
CREATE INDEX delivery_digest_failed ON delivery (due, workspace, channel, recipient)
    WHERE state = 'failed' AND due IS NOT NULL;
