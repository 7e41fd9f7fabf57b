-- Which node has a connection, so that the others can say that it is over when that node is gone. What stands there now
-- says nothing of that: those of nodes that were killed are over, and those of nodes that run say so when they end.
ALTER TABLE websocket_connections ADD COLUMN node text COLLATE "C";
SELECT set_config('tocsin.workspaces', '*', true);
UPDATE websocket_connections SET status = 'disconnected' WHERE status = 'active';

-- What came for a partition while it could not be made moves into it only if it is little. (It was moved whatever it was;
-- past the 5 s that a statement may take all of it was undone, what had been made for other days too, each hour anew.)
-- Where it is more, that week or day stays in the default partition, and the next ones have theirs.
CREATE OR REPLACE PROCEDURE tocsin_make_partition(of_relation text, since bigint, until bigint)
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    moved_max CONSTANT int := 20000;  -- a second, at most
    name text := format('%s_%s', of_relation, to_char(to_timestamp(since / 1000000) AT TIME ZONE 'UTC', 'YYYYMMDD'));
    held int;
BEGIN
    EXECUTE format(
        'SELECT count(*) FROM (SELECT 1 FROM public.%I WHERE at >= %s AND at < %s LIMIT %s) AS a_few',
        of_relation || '_default', since, until, moved_max + 1) INTO held;
    IF held > moved_max THEN
        -- Put off, as for a lock that is not to be had.
        RAISE lock_not_available USING MESSAGE = format('%s: too many rows to move', name);
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING GENERATED)', name, of_relation);
    CALL tocsin_protect(name::regclass, 'workspace', 'number');
    EXECUTE format(
        'WITH moved AS (DELETE FROM public.%I WHERE at >= %s AND at < %s RETURNING *) INSERT INTO public.%I SELECT * FROM moved',
        of_relation || '_default', since, until, name);
    EXECUTE format(
        'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)', of_relation, name, since, until);
END
$$;

-- A setting that was set once in a session is '' in later transactions, and so was the name of the engine's own jobs: it
-- was taken for known, and such a job refused for ever on a database where nobody had made it known first.
CREATE OR REPLACE FUNCTION tocsin_know_workspace() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    named text;
BEGIN
    CASE TG_ARGV[0]
        WHEN 'workspace' THEN named := NEW.workspace;
        WHEN 'workspace_id' THEN named := NEW.workspace_id;
        WHEN 'name' THEN named := NEW.name;
    END CASE;
    IF named <> '' AND named = current_setting('tocsin.known_workspace', true) THEN
        RETURN NEW;
    END IF;
    PERFORM 1 FROM public.workspace_name WHERE name = named;
    IF NOT FOUND THEN
        INSERT INTO public.workspace_name (name) VALUES (named) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM set_config('tocsin.known_workspace', named, true);
    RETURN NEW;
END
$$;
