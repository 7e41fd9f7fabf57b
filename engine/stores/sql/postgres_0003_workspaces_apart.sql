-- No row of one workspace is seen or touched by a transaction of another: row-level security, forced on owners too.
--
-- Each transaction of the engine begins with set_config('tocsin.workspaces', ..., true), which ends with it: a JSON list of
-- the workspaces that it is about, or * for work over all of them (claiming, sweeping, retention, the start). Not set, empty
-- and an empty list mean no rows at all; anything else is an error. The engine's role owns nothing and cannot bypass this.
--
-- The functions stand in (SELECT ...) below: they are then asked once a statement, and not once a row. Those with a query
-- in them are in PL/pgSQL, which keeps its plans: in SQL they were planned anew at each statement, 150 µs of it.

CREATE FUNCTION tocsin_sees_all() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT coalesce(current_setting('tocsin.workspaces', true) = '*', false) $$;

CREATE FUNCTION tocsin_workspaces() RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    setting text := coalesce(current_setting('tocsin.workspaces', true), '');
BEGIN
    IF setting IN ('', '*') THEN
        RETURN '{}';
    END IF;
    RETURN array_remove(ARRAY(SELECT jsonb_array_elements_text(setting::jsonb)), '');
END
$$;

-- Those of them that have a number already.
CREATE FUNCTION tocsin_workspace_numbers() RETURNS bigint[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    named text[] := public.tocsin_workspaces();
BEGIN
    RETURN ARRAY(SELECT id FROM public.workspace WHERE name = ANY (named));
END
$$;

-- Puts a table under this rule: `place` is its column, `how` says whether that is a name or a number. For later tables too.
CREATE PROCEDURE tocsin_protect(relation regclass, place text, how text)
    LANGUAGE plpgsql AS $$
DECLARE
    seen text := CASE how
        WHEN 'name' THEN '(SELECT public.tocsin_workspaces())::text[]'
        WHEN 'number' THEN '(SELECT public.tocsin_workspace_numbers())::bigint[]'
    END;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format(
        'CREATE POLICY workspaces_apart ON %s USING ((SELECT public.tocsin_sees_all()) OR %I = ANY (%s))',
        relation, place, seen);
END
$$;

DO $$
DECLARE
    relation text;
BEGIN
    CALL tocsin_protect('workspace_name', 'name', 'name');
    CALL tocsin_protect('workspace', 'name', 'name');
    CALL tocsin_protect('websocket_connections', 'workspace_id', 'name');
    FOREACH relation IN ARRAY ARRAY[
        'revocation', 'administrative_act', 'object', 'object_version', 'tracker', 'job', 'job_done', 'delivery'
    ] LOOP
        CALL tocsin_protect(relation::regclass, 'workspace', 'name');
    END LOOP;
    FOREACH relation IN ARRAY ARRAY[
        'channel', 'alert', 'event', 'event_default', 'audit', 'person', 'entry', 'recipient_mark', 'storm', 'series',
        'reading', 'reading_default', 'rollup', 'rule_state'
    ] LOOP
        CALL tocsin_protect(relation::regclass, 'workspace', 'number');
    END LOOP;
END
$$;

-- What names a workspace makes its name known, so that a foreign key can hold it to that. The last name (below: the last
-- channel) is remembered for the rest of the transaction, in a setting: rows come in crowds, and to look costs 20 µs.
CREATE FUNCTION tocsin_know_workspace() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    named text;
BEGIN
    CASE TG_ARGV[0]
        WHEN 'workspace' THEN named := NEW.workspace;
        WHEN 'workspace_id' THEN named := NEW.workspace_id;
        WHEN 'name' THEN named := NEW.name;
    END CASE;
    IF named = current_setting('tocsin.known_workspace', true) THEN
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

-- What the shared SQL says of a channel alone belongs to the channel's workspace.
CREATE FUNCTION tocsin_workspace_of_channel() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    known text[] := string_to_array(current_setting('tocsin.known_channel', true), ':');
BEGIN
    IF NEW.workspace IS NOT NULL THEN
        RETURN NEW;
    END IF;
    IF known[1] = NEW.channel::text THEN
        NEW.workspace := known[2];
        RETURN NEW;
    END IF;
    SELECT workspace INTO NEW.workspace FROM public.channel WHERE id = NEW.channel;
    IF FOUND THEN
        PERFORM set_config('tocsin.known_channel', format('%s:%s', NEW.channel, NEW.workspace), true);
    END IF;
    RETURN NEW;
END
$$;

-- scope: 0 the channel, 1 the workspace, 2 the person whose number is `stream`.
CREATE FUNCTION tocsin_workspace_of_mark() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.workspace IS NULL THEN
        NEW.workspace := CASE NEW.scope
            WHEN 0 THEN (SELECT workspace FROM public.channel WHERE id = NEW.stream)
            WHEN 1 THEN NEW.stream
            WHEN 2 THEN (SELECT workspace FROM public.person WHERE id = NEW.stream)
        END;
    END IF;
    RETURN NEW;
END
$$;

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY[
        'revocation', 'administrative_act', 'object', 'object_version', 'tracker', 'job', 'job_done', 'delivery'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER known_workspace BEFORE INSERT ON %I FOR EACH ROW '
            'EXECUTE FUNCTION tocsin_know_workspace(''workspace'')', relation);
    END LOOP;
    FOREACH relation IN ARRAY ARRAY['series', 'reading', 'rollup', 'rule_state'] LOOP
        EXECUTE format(
            'CREATE TRIGGER workspace_of_channel BEFORE INSERT ON %I FOR EACH ROW '
            'EXECUTE FUNCTION tocsin_workspace_of_channel()', relation);
    END LOOP;
END
$$;

CREATE TRIGGER known_workspace BEFORE INSERT ON workspace FOR EACH ROW EXECUTE FUNCTION tocsin_know_workspace('name');
CREATE TRIGGER known_workspace BEFORE INSERT ON websocket_connections
    FOR EACH ROW EXECUTE FUNCTION tocsin_know_workspace('workspace_id');
CREATE TRIGGER workspace_of_mark BEFORE INSERT ON recipient_mark
    FOR EACH ROW EXECUTE FUNCTION tocsin_workspace_of_mark();
