-- What carries the bus between nodes where there is no Redis, or while it is away: rows that others read within
-- milliseconds and that nobody misses after some seconds. So it is unlogged: no write-ahead log, and empty after a
-- crash, which listeners notice.
CREATE UNLOGGED TABLE bus (
    -- Written under a lock, so that numbers become visible in their order: who has read up to one has missed none before.
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL
);
-- Trimmed by time.
CREATE INDEX bus_by_age ON bus (at);
