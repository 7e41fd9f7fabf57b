-- Partitions by time of event and reading, and what the engine's role may do.
--
-- Retention deletes rows (a quiet channel keeps its last 100,000 events however old they are), and whole partitions once
-- they are empty; what an old one still holds moves to the default partition if it is little. So partitions stay few, and
-- old pages go back to the file system at once instead of waiting for vacuum. The engine calls tocsin_tend_partitions in a
-- transaction of its own whenever it trims; what cannot have its locks at once is put off to the next time.

-- How long one is, and after how long one that is not empty is folded into the default partition.
CREATE FUNCTION tocsin_partition_plan(OUT relation text, OUT width_us bigint, OUT kept_us bigint) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE AS $$
    VALUES ('event', 604800000000, 90 * 86400000000), ('reading', 86400000000, 14 * 86400000000)
$$;

-- The bounds of those that there are.
CREATE FUNCTION tocsin_partitions(of_relation text, OUT relation regclass, OUT since bigint, OUT until bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.oid::regclass, bounds[1]::bigint, bounds[2]::bigint
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid,
        regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(-?\d+)''?\) TO \(''?(-?\d+)''?\)') AS bounds
    WHERE i.inhparent = format('public.%I', of_relation)::regclass AND bounds IS NOT NULL
$$;

CREATE PROCEDURE tocsin_make_partition(of_relation text, since bigint, until bigint)
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    name text := format('%s_%s', of_relation, to_char(to_timestamp(since / 1000000) AT TIME ZONE 'UTC', 'YYYYMMDD'));
BEGIN
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING GENERATED)', name, of_relation);
    CALL tocsin_protect(name::regclass, 'workspace', 'number');
    EXECUTE format(
        'WITH moved AS (DELETE FROM public.%I WHERE at >= %s AND at < %s RETURNING *) INSERT INTO public.%I SELECT * FROM moved',
        of_relation || '_default', since, until, name);
    EXECUTE format(
        'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)', of_relation, name, since, until);
END
$$;

-- True: it is gone. What it holds goes to the default partition, if it may still hold something.
CREATE FUNCTION tocsin_drop_partition(of_relation text, relation regclass, keeps_rows boolean) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    folded_max CONSTANT int := 20000;  -- a second, at most
    held int;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %s) AS a_few', relation, folded_max + 1) INTO held;
    IF held > folded_max OR (keeps_rows AND held > 0) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE public.%I DETACH PARTITION %s', of_relation, relation);
    EXECUTE format('INSERT INTO public.%I SELECT * FROM %s', of_relation || '_default', relation);
    EXECUTE format('DROP TABLE %s', relation);
    RETURN true;
END
$$;

-- With the rights of the owner, who alone may make and drop tables. Says what it did.
CREATE FUNCTION tocsin_tend_partitions(now_us bigint, OUT made int, OUT dropped int, OUT put_off int)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '200ms' AS $$
DECLARE
    ahead CONSTANT int := 2;
    plan record;
    found record;
    first_us bigint;
    last_us bigint;
    asked CONSTANT text := coalesce(current_setting('tocsin.workspaces', true), '');
BEGIN
    made := 0;
    dropped := 0;
    put_off := 0;
    -- Two nodes at a time would only wait for each other.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('tocsin partitions', 0)) THEN
        RETURN;
    END IF;
    -- Owners do not see rows either, unless they say so.
    PERFORM set_config('tocsin.workspaces', '*', true);
    FOR plan IN SELECT * FROM tocsin_partition_plan() LOOP
        FOR step IN 0..ahead LOOP
            first_us := (now_us / plan.width_us + step) * plan.width_us;
            last_us := first_us + plan.width_us;
            IF NOT EXISTS (
                SELECT FROM tocsin_partitions(plan.relation) AS p WHERE p.since < last_us AND p.until > first_us
            ) THEN
                BEGIN
                    CALL tocsin_make_partition(plan.relation, first_us, last_us);
                    made := made + 1;
                EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                    put_off := put_off + 1;
                END;
            END IF;
        END LOOP;
        FOR found IN SELECT * FROM tocsin_partitions(plan.relation) AS p WHERE p.until <= now_us - plan.width_us LOOP
            BEGIN
                IF tocsin_drop_partition(plan.relation, found.relation, found.until > now_us - plan.kept_us) THEN
                    dropped := dropped + 1;
                END IF;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                put_off := put_off + 1;
            END;
        END LOOP;
    END LOOP;
    PERFORM set_config('tocsin.workspaces', asked, true);
END
$$;

SELECT tocsin_tend_partitions((extract(epoch FROM now()) * 1000000)::bigint);

-- What the engine's role may do, told anew after each migration: use tables that are not partitions (those are reached
-- through their parents), only add to what is only added to, and read what others write. Nothing else is anybody's.
CREATE PROCEDURE tocsin_grant(role_name text)
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
    FOR found IN
        SELECT c.oid::regclass AS relation, CASE
            WHEN c.relname IN ('migration', 'row_audit') OR c.relkind = 'v' THEN 'SELECT'
            WHEN EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'append_only')
                THEN 'SELECT, INSERT'
            ELSE 'SELECT, INSERT, UPDATE, DELETE'
        END AS rights
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
            AND c.relowner = current_user::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %I', found.relation, role_name);
        EXECUTE format('GRANT %s ON %s TO %I', found.rights, found.relation, role_name);
    END LOOP;
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.tocsin_tend_partitions(bigint) TO %I', role_name);
END
$$;

REVOKE ALL ON FUNCTION tocsin_tend_partitions(bigint), tocsin_drop_partition(text, regclass, boolean) FROM PUBLIC;
REVOKE ALL ON PROCEDURE tocsin_grant(text), tocsin_make_partition(text, bigint, bigint), tocsin_protect(regclass, text, text)
    FROM PUBLIC;
