-- How far each project has come in its workflow; body is the whole tracker as JSON, the columns are what is searched.
-- The workspace by name: a project may be set on a workflow before its first alert. Times are microseconds.
-- item NULL: the project is finished, and late_at, when its current item is late, is NULL too.
CREATE TABLE tracker (
    workspace TEXT NOT NULL,
    project TEXT NOT NULL,
    workflow TEXT NOT NULL,
    item TEXT,
    late_at INTEGER,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (workspace, project)
) STRICT;

CREATE INDEX tracker_by_item ON tracker (workspace, item, project);
CREATE INDEX tracker_by_workflow ON tracker (workspace, workflow, project);
CREATE INDEX tracker_late ON tracker (workspace, late_at, project) WHERE late_at IS NOT NULL;

-- step: the line item that an alert is about. All these indexes have nothing of other alerts in them.
ALTER TABLE alert ADD COLUMN step TEXT;

-- At most one open alert for each project (that is its channel) and step, whatever happens.
CREATE UNIQUE INDEX alert_active_step ON alert (channel, step) WHERE step IS NOT NULL AND state < 3;
-- Closed ones whose window still keeps the step from ringing again.
CREATE INDEX alert_cooling_step ON alert (channel, window_until) WHERE step IS NOT NULL AND state >= 3;
-- The reference's: (project, status), and (created_at descending, project).
CREATE INDEX alert_step_by_state ON alert (channel, state, triggered_at DESC) WHERE step IS NOT NULL;
CREATE INDEX alert_step_by_creation ON alert (workspace, triggered_at DESC, channel) WHERE step IS NOT NULL;
