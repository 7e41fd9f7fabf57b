-- What analytics has found, and keeps, as SQLite's 0030 has it.
CREATE TABLE finding (
    workspace text COLLATE "C" NOT NULL REFERENCES workspace_name (name),
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    framework text COLLATE "C",
    rule_id text COLLATE "C",
    sort text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    score double precision,
    at bigint NOT NULL,
    due bigint,
    updated_at bigint NOT NULL,
    version bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, kind, key)
);

CREATE INDEX finding_by_time ON finding (workspace, kind, at, key);
CREATE INDEX finding_by_framework ON finding (workspace, kind, framework, at, key) WHERE framework IS NOT NULL;
CREATE INDEX finding_by_rule ON finding (workspace, kind, rule_id, at, key) WHERE rule_id IS NOT NULL;
CREATE INDEX finding_due ON finding (kind, due) WHERE due IS NOT NULL;
CREATE INDEX finding_kept ON finding (updated_at);

CALL tocsin_protect('finding', 'workspace', 'name');
CREATE TRIGGER known_workspace BEFORE INSERT ON finding FOR EACH ROW EXECUTE FUNCTION tocsin_know_workspace('workspace');
