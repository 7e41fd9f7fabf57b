-- Readings: a log of what was accepted (hours), and roll-ups of it (days, a year). Times are microseconds.

-- log_seq: the log's last row; log_settled: up to which stored rule states have seen everything; log_floor: below it
-- (and at it) rows are trimmed. log_rolled: up to which row everything is in the roll-ups. While a stretch is being
-- rolled up in several transactions, roll_until is its end and (roll_series, roll_start) the last bucket that is done.
ALTER TABLE channel ADD COLUMN log_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN log_settled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN log_floor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN log_rolled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN roll_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN roll_series INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN roll_start INTEGER NOT NULL DEFAULT 0;

-- After a crash: whose states are behind the log.
CREATE INDEX channel_unsettled ON channel (id) WHERE log_settled < log_seq;

-- A metric with one set of labels (JSON, sorted by name); the channel's machine numbers them. last_at, last_value: the
-- newest reading that is in the roll-ups.
CREATE TABLE series (
    channel INTEGER NOT NULL REFERENCES channel (id),
    number INTEGER NOT NULL,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    last_at INTEGER,
    last_value REAL,
    PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX series_by_metric ON series (channel, metric, number);

-- One row a commit, not one a reading. at: when it was decided on; first_at, last_at: of the readings' own times.
-- body: MessagePack [[series], [time - at], [value]].
CREATE TABLE reading (
    channel INTEGER NOT NULL REFERENCES channel (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (channel, seq)
) STRICT;

CREATE INDEX reading_by_time ON reading (channel, last_at, seq, first_at);

-- width_s: 60 or 3600; start: of the bucket, a multiple of its width.
CREATE TABLE rollup (
    channel INTEGER NOT NULL,
    series INTEGER NOT NULL,
    width_s INTEGER NOT NULL,
    start INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    total REAL NOT NULL,
    least REAL NOT NULL,
    most REAL NOT NULL,
    last_at INTEGER NOT NULL,
    last_value REAL NOT NULL,
    PRIMARY KEY (channel, series, width_s, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX rollup_by_age ON rollup (width_s, start);

-- What a rule remembered of a series when it had heard the log up to seq; a rule of another essence starts anew.
-- due: when time alone changes something.
CREATE TABLE rule_state (
    channel INTEGER NOT NULL REFERENCES channel (id),
    rule TEXT NOT NULL,
    labels TEXT NOT NULL,
    essence TEXT NOT NULL,
    seq INTEGER NOT NULL,
    due INTEGER,
    body BLOB NOT NULL,
    PRIMARY KEY (channel, rule, labels)
) STRICT;

CREATE INDEX rule_state_waiting ON rule_state (channel) WHERE due IS NOT NULL;
