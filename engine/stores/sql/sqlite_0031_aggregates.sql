-- Counts of alerts by the hour, day, week and month (UTC) in which they were triggered. Times are microseconds.

-- Which hours of a workspace have alerts. due: when its alerts are to be counted, as something changed (NULL: nothing did);
-- whoever changes an alert's row says so in the same transaction. changed: when that was first. token: who counts it now
-- (0: nobody does). alerts: how many there were at the last count, which tells what another one costs.
CREATE TABLE aggregate_hour (
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    start INTEGER NOT NULL,
    due INTEGER,
    changed INTEGER NOT NULL,
    alerts INTEGER NOT NULL DEFAULT 0,
    counted_at INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX aggregate_hour_due ON aggregate_hour (due) WHERE due IS NOT NULL;
CREATE INDEX aggregate_hour_taken ON aggregate_hour (token) WHERE token <> 0;

-- width: 1 hour, 2 day, 3 week, 4 month; start: of that. detail: 1 by rule (rule '': none), 0 all rules together. times:
-- JSON, how many alerts took how long, by the bins of engine/core/analytics/durations.py. Sums of time are milliseconds.
CREATE TABLE aggregate (
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    detail INTEGER NOT NULL,
    width INTEGER NOT NULL,
    start INTEGER NOT NULL,
    channel INTEGER NOT NULL REFERENCES channel (id),
    rule TEXT NOT NULL,
    severity INTEGER NOT NULL,
    alerts INTEGER NOT NULL,
    active INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    resolved INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    quieted INTEGER NOT NULL,
    notified INTEGER NOT NULL,
    noisy INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    false_alarms INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    times TEXT NOT NULL,
    PRIMARY KEY (workspace, detail, width, start, channel, rule, severity)
) STRICT, WITHOUT ROWID;

-- An hour's alerts are found by this.
CREATE INDEX alert_by_time ON alert (workspace, triggered_at);

-- All there is waits to be counted.
INSERT INTO aggregate_hour (workspace, start, due, changed)
SELECT workspace, triggered_at - triggered_at % 3600000000, 0, 0 FROM alert GROUP BY 1, 2;
