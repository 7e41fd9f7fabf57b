-- An end that names no framework is looked for by its identity in each channel that has such alerts: a seek, not a read
-- of all of them.
DROP INDEX alert_sourced;
CREATE INDEX alert_sourced ON alert (workspace, channel, identity) WHERE has_sources = 1 AND state < 3;
