-- Alerts that belong together. How far each workspace's events were looked at is in `incident_place`: `position` is the
-- offset of the last one, `oldest` the one after which those still matter that may tie; whoever writes incidents moves
-- `version` on. An alert is in one incident at most; one that somebody split off (`is_apart`) stays out of all of them.
CREATE TABLE incident_place (
    workspace text COLLATE "C" PRIMARY KEY REFERENCES workspace_name (name),
    position bigint NOT NULL,
    oldest bigint NOT NULL,
    version bigint NOT NULL,
    settings text,
    body text NOT NULL
);

CREATE TABLE incident (
    workspace text COLLATE "C" NOT NULL REFERENCES workspace_name (name),
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved', 'merged')),
    started_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE INDEX incident_by_state ON incident (workspace, state, id);
CREATE INDEX incident_kept ON incident (updated_at) WHERE state IN ('resolved', 'merged');

CREATE TABLE incident_alert (
    workspace text COLLATE "C" NOT NULL REFERENCES workspace_name (name),
    alert_id text COLLATE "C" NOT NULL,
    incident text COLLATE "C" NOT NULL,
    framework text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    is_apart bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (workspace, alert_id)
);

CREATE INDEX incident_alert_of ON incident_alert (workspace, incident, started_at, alert_id);

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['incident_place', 'incident', 'incident_alert'] LOOP
        CALL tocsin_protect(relation::regclass, 'workspace', 'name');
        EXECUTE format(
            'CREATE TRIGGER known_workspace BEFORE INSERT ON %I FOR EACH ROW '
            'EXECUTE FUNCTION tocsin_know_workspace(''workspace'')', relation);
    END LOOP;
END
$$;
