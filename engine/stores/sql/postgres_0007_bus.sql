-- What carries the bus between nodes where there is no Redis, or while it is away: rows that others read within
-- milliseconds and that nobody misses after some seconds. Whoever writes them waits for no disk (synchronous_commit is off
-- there). Not unlogged, though it could be: the indexes of an unlogged table in a database that was copied from a template
-- can be unreadable after a crash (seen with Postgres 15: "unexpected zero page"), and then nobody carries anything.
CREATE TABLE bus (
    -- Written under a lock, so that numbers become visible in their order: who has read up to one has missed none before.
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL
);
-- Trimmed by time.
CREATE INDEX bus_by_age ON bus (at);
