-- An alert that was quieted and that somebody has acknowledged or resolved is noise no more: hours in which both were are
-- counted again.
UPDATE aggregate_hour SET due = 0, changed = 0
WHERE due IS NULL AND EXISTS (
    SELECT 1 FROM aggregate
    WHERE aggregate.workspace = aggregate_hour.workspace AND detail = 0 AND width = 1
    AND aggregate.start = aggregate_hour.start AND quieted > 0 AND confirmed > 0
);
