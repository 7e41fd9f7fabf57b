-- The stream of one person: what happens to alerts that are assigned to them. Derived, as the workspace's stream is.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    name TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, name)
) STRICT;

-- One line of a person's stream: where in it which event of the workspace stands.
CREATE TABLE entry (
    person INTEGER NOT NULL REFERENCES person (id),
    person_offset INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    workspace_offset INTEGER NOT NULL,
    PRIMARY KEY (person, person_offset)
) STRICT, WITHOUT ROWID;

-- An event that is trimmed takes its entries with it.
CREATE INDEX entry_by_event ON entry (workspace, workspace_offset);

-- first_offset, first_workspace_offset: where the alert was told for the first time. Whoever received the streams
-- beyond these places has received the alert. NULL where the event was trimmed before this migration.
ALTER TABLE alert ADD COLUMN first_offset INTEGER;
ALTER TABLE alert ADD COLUMN first_workspace_offset INTEGER;
ALTER TABLE alert ADD COLUMN assigned_to TEXT;

UPDATE alert SET assigned_to = json_extract(body, '$.alert.assigned_to')
WHERE json_extract(body, '$.alert.assigned_to') IS NOT NULL;

UPDATE alert SET first_offset = told.channel_offset, first_workspace_offset = told.workspace_offset FROM (
    SELECT workspace, json_extract(body, '$.alert.id') AS id, min(channel_offset) AS channel_offset, workspace_offset
    FROM event WHERE json_extract(body, '$.kind') = 'fired' GROUP BY 1, 2
) AS told WHERE alert.workspace = told.workspace AND alert.id = told.id;

CREATE INDEX alert_by_assignee ON alert (workspace, assigned_to, state, severity, id) WHERE assigned_to IS NOT NULL;

-- Who received, and who saw, which part of a stream: everything after `after` up to `until` that is at least as severe
-- as `min_severity`, told at `at`. after = -1: a snapshot as of `until`, so only what was open then.
-- scope: 0 the channel, 1 the workspace, 2 the person whose id is `stream`; is_seen: 0 received, 1 seen.
CREATE TABLE recipient_mark (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    user TEXT NOT NULL,
    is_seen INTEGER NOT NULL,
    min_severity INTEGER NOT NULL,
    after INTEGER NOT NULL,
    until INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (scope, stream, user, is_seen, until, after, min_severity)
) STRICT;

-- Marks go with the events that they are about.
CREATE INDEX recipient_mark_by_place ON recipient_mark (scope, stream, until);
