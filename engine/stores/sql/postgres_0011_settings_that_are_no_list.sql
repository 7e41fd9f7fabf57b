-- A setting that is no list of names means no rows, as a missing one does; it was an error about JSON, in whatever was asked
-- then. Looked at before it is read and not caught afterwards: to catch costs a subtransaction, in each statement, and cannot
-- be done where a statement is run in parallel. What the engine writes has the first form, but for names with odd letters.
CREATE OR REPLACE FUNCTION tocsin_workspaces() RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    setting text := coalesce(current_setting('tocsin.workspaces', true), '');
    -- Escapes that are letters: no half of a pair, and no NUL, which a text cannot have.
    letter CONSTANT text := '([^"\\\u0001-\u001f]|\\["\\/bfnrt]|\\u[1-9a-cefA-CEF][0-9a-fA-F]{3}|\\u[dD][0-7][0-9a-fA-F]{2}'
        '|\\u0[1-9a-fA-F][0-9a-fA-F]{2}|\\u00[1-9a-fA-F][0-9a-fA-F]|\\u000[1-9a-fA-F]'
        '|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})';
BEGIN
    IF setting IN ('', '*') THEN
        RETURN '{}';
    END IF;
    IF setting !~ '^\["[^"\\\u0001-\u001f]*"(, ?"[^"\\\u0001-\u001f]*")*\]$'
        AND setting !~ ('^\["' || letter || '*"(, ?"' || letter || '*")*\]$') THEN
        RETURN '{}';
    END IF;
    RETURN array_remove(ARRAY(SELECT jsonb_array_elements_text(setting::jsonb)), '');
END
$$;
