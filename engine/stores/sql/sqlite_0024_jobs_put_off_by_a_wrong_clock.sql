-- Jobs that were put off while the clock was ahead, whatever else waits for its time.
CREATE INDEX job_delayed_since ON job (updated_at) WHERE state = 0;
