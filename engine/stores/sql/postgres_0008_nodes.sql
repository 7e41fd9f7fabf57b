-- Nodes that run on this store, as SQLite's 0025 has them. Renewed each second: free room on the page spares the index.
CREATE TABLE node (
    id text COLLATE "C" PRIMARY KEY,
    address text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    is_draining bigint NOT NULL,
    seen_at bigint NOT NULL
) WITH (fillfactor = 50);
