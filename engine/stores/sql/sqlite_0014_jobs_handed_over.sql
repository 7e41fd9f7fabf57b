-- Jobs that somebody handed over are found by their key after they have ended, and failed ones among a million others.
-- (What ends without either adds to neither index.)
CREATE INDEX job_done_handed ON job_done (ukey) WHERE ukey >= 'handed:' AND ukey < 'handed;';
CREATE INDEX job_done_failed ON job_done (id) WHERE state = 4;
