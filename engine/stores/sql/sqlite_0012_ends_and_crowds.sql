-- ends_at: when an object is over and only kept for the record (microseconds); NULL: never. crowd: which of its workspace,
-- of whatever kinds, may only be so many at a time; NULL: it counts in none. Archived ones and those that are over do not.
ALTER TABLE object ADD COLUMN ends_at INTEGER;
ALTER TABLE object ADD COLUMN crowd TEXT;

-- Times in bodies are RFC 3339 with six digits of the second.
UPDATE object SET ends_at =
    CAST(strftime('%s', substr(json_extract(body, '$.ends_at'), 1, 19)) AS INTEGER) * 1000000
    + CAST(substr(json_extract(body, '$.ends_at'), 21, 6) AS INTEGER)
WHERE kind IN ('silence', 'maintenance') AND json_valid(body) AND json_extract(body, '$.ends_at') IS NOT NULL;

UPDATE object SET crowd = 'quiet_expressions'
WHERE kind IN ('silence', 'maintenance') AND json_valid(body) AND EXISTS (
    SELECT 1 FROM json_each(body, '$.matchers') AS matcher WHERE json_extract(matcher.value, '$.operator') <> '='
);

CREATE INDEX object_by_end ON object (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX object_by_crowd ON object (workspace, crowd, ends_at) WHERE crowd IS NOT NULL AND archived_at IS NULL;

-- Decided against: foreign keys of rollup and rule_state (0006) to series and channel. SQLite adds one only by copying the
-- table, and a year of roll-ups is millions of rows for which a start would wait; each row is written by a transaction that
-- has read its series or channel, and nothing ever deletes one of those, so there is nothing that a key would catch.
