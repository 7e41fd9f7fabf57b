-- Counts of alerts by the hour, day, week and month (UTC) in which they were triggered. Times are microseconds.

-- Which hours of a workspace have alerts. due: when its alerts are to be counted, as something changed (NULL: nothing did);
-- whoever changes an alert's row says so in the same transaction. changed: when that was first. token: who counts it now
-- (0: nobody does). alerts: how many there were at the last count, which tells what another one costs.
CREATE TABLE aggregate_hour (
    workspace bigint NOT NULL REFERENCES workspace (id),
    start bigint NOT NULL,
    due bigint,
    changed bigint NOT NULL,
    alerts bigint NOT NULL DEFAULT 0,
    counted_at bigint NOT NULL DEFAULT 0,
    token bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, start)
) WITH (fillfactor = 50);

CREATE INDEX aggregate_hour_due ON aggregate_hour (due) WHERE due IS NOT NULL;
CREATE INDEX aggregate_hour_taken ON aggregate_hour (token) WHERE token <> 0;

-- width: 1 hour, 2 day, 3 week, 4 month; start: of that. detail: 1 by rule (rule '': none), 0 all rules together. times:
-- JSON, how many alerts took how long, by the bins of engine/core/analytics/durations.py. Sums of time are milliseconds.
CREATE TABLE aggregate (
    workspace bigint NOT NULL REFERENCES workspace (id),
    detail bigint NOT NULL,
    width bigint NOT NULL,
    start bigint NOT NULL,
    channel bigint NOT NULL,
    rule text COLLATE "C" NOT NULL,
    severity bigint NOT NULL,
    alerts bigint NOT NULL,
    active bigint NOT NULL,
    acknowledged bigint NOT NULL,
    resolved bigint NOT NULL,
    expired bigint NOT NULL,
    suppressed bigint NOT NULL,
    quieted bigint NOT NULL,
    notified bigint NOT NULL,
    noisy bigint NOT NULL,
    confirmed bigint NOT NULL,
    false_alarms bigint NOT NULL,
    taken bigint NOT NULL,
    taken_ms bigint NOT NULL,
    ended bigint NOT NULL,
    ended_ms bigint NOT NULL,
    times text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, detail, width, start, channel, rule, severity),
    FOREIGN KEY (workspace, channel) REFERENCES channel (workspace, id)
);

CALL tocsin_protect('aggregate_hour', 'workspace', 'number');
CALL tocsin_protect('aggregate', 'workspace', 'number');

-- An hour's alerts are found by this.
-- Always true, and said by who counts alone: a plan for empty tables would find an alert by its workspace here, not by its id.
CREATE INDEX alert_by_time ON alert (workspace, triggered_at) WHERE triggered_at > 0;

-- All there is waits to be counted.
SELECT set_config('tocsin.workspaces', '*', true);
INSERT INTO aggregate_hour (workspace, start, due, changed)
SELECT workspace, triggered_at - triggered_at % 3600000000, 0, 0 FROM alert GROUP BY 1, 2;
