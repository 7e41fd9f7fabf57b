-- Nodes that run on this store. Apart from job_node, which says who claims jobs: a row here means that its node may own
-- workspaces, and is renewed by the store's clock alone.
CREATE TABLE node (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    is_draining INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
