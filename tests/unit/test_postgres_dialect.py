"""What the stores' SQL says in SQLite's words is said in Postgres'. The conformance suite runs all of it there."""

from __future__ import annotations

import pytest

from engine.stores.postgres.dialect import by_columns, conflict_columns, joined, translated
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import either


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT ? WHERE a = ? AND b = '?'", "SELECT $1 WHERE a = $2 AND b = '?'"),
        ("SELECT ?2, ?1, ?2", "SELECT $2, $1, $2"),
        ("SELECT 1 FROM alert INDEXED BY alert_owed WHERE true", "SELECT 1 FROM alert WHERE true"),
        ("SELECT 1 FROM a CROSS JOIN b ON a.id = b.id", "SELECT 1 FROM a JOIN b ON a.id = b.id"),
        ("SELECT group_concat('[' || n || ',')", "SELECT string_agg('[' || n || ',', ',')"),
        ("SELECT json_array(a, json_object('b', c))", "SELECT json_build_array(a, json_build_object('b', c))"),
        ("SELECT json_group_array(a)", "SELECT coalesce(json_agg(a), '[]'::json)"),
        ("SELECT json(CASE WHEN a THEN b END)", "SELECT CAST(CASE WHEN a THEN b END AS json)"),
        ("SELECT instr(a, ?) > 0", "SELECT strpos(a, $1) > 0"),
        ("SELECT CAST(a ->> 0 AS INTEGER)", "SELECT CAST(a ->> 0 AS bigint)"),
        ("SELECT m.user, user FROM m", 'SELECT m."user", "user" FROM m'),
        ("SELECT 'user:' || name", "SELECT 'user:' || name"),
        ("SELECT 1 WHERE by = ? AND +verb = ?", "SELECT 1 WHERE by = $1 AND verb = $2"),
        ("SELECT a + b, a +b", "SELECT a + b, a +b"),
        ("SELECT min(a), max(b)", "SELECT min(a), max(b)"),
        ("SELECT max(min(a + b, 5), -5)", "SELECT greatest(least(a + b, 5), -5)"),
        ("SELECT min((SELECT max(a, b) FROM c))", "SELECT min((SELECT greatest(a, b) FROM c))"),
        ("SELECT json_extract(args, '$.recipient.user')", "SELECT (CAST(args AS jsonb) #>> '{recipient,user}')"),
        ("SELECT json_extract(errors, '$[#-1].cause')", "SELECT (CAST(errors AS jsonb) #>> '{-1,cause}')"),
        (
            "SELECT a FROM t WHERE id IN (SELECT value FROM json_each(?))",
            "SELECT a FROM t WHERE id = ANY(ARRAY(SELECT value FROM jsonb_array_elements_text($1::text::jsonb)))",
        ),
        (
            "SELECT a FROM t WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?3))",
            "SELECT a FROM t WHERE id = ANY(ARRAY("
            "SELECT CAST(value AS bigint) FROM jsonb_array_elements_text($3::text::jsonb)))",
        ),
        (
            "SELECT 1 FROM json_each(?) AS one WHERE id = one.value",
            "SELECT 1 FROM jsonb_array_elements_text($1::text::jsonb) AS one WHERE id = one.value",
        ),
        (
            "SELECT 1 FROM json_each(?) AS one WHERE id = one.value ->> 'id'",
            "SELECT 1 FROM jsonb_array_elements($1::text::jsonb) AS one WHERE id = one.value ->> 'id'",
        ),
        (
            "SELECT a FROM (SELECT a FROM (SELECT a FROM b) LIMIT 1)",
            "SELECT a FROM (SELECT a FROM (SELECT a FROM b) AS table2 LIMIT 1) AS table1",
        ),
        ("SELECT a FROM (SELECT a FROM b) AS c", "SELECT a FROM (SELECT a FROM b) AS c"),
    ],
)
def test_a_statement_is_said_in_postgres_words(ours: str, theirs: str) -> None:
    assert translated(ours) == theirs


def test_what_no_rule_can_say_has_a_text_of_its_own() -> None:
    ours = either(sqlite="first_of_the_test(a)", postgres="(a)[1]")
    assert translated(f"SELECT {ours} FROM b WHERE c = ?") == "SELECT (a)[1] FROM b WHERE c = $1"


def test_one_text_has_one_meaning() -> None:
    either(sqlite="second_of_the_test(a)", postgres="(a)[2]")
    with pytest.raises(ValueError, match="in two ways"):
        either(sqlite="second_of_the_test(a)", postgres="(a)[3]")


@pytest.mark.parametrize("ours", ["SELECT max(a, b", "SELECT json_extract(a, b)"])
def test_what_cannot_be_translated_is_a_bug_that_says_so(ours: str) -> None:
    with pytest.raises(ValueError, match="not"):
        translated(ours)


def test_many_rows_are_handed_over_as_a_list_for_each_column() -> None:
    assert by_columns("INSERT INTO t (a, b, c, d)", "itfb", "ON CONFLICT DO NOTHING") == (
        "INSERT INTO t (a, b, c, d) SELECT * FROM unnest($1::bigint[], $2::text[], $3::double precision[], $4::bytea[])"
        " AS given (column1, column2, column3, column4) ON CONFLICT DO NOTHING"
    )
    assert by_columns("UPDATE t SET a = new.column2 FROM (", "ii", ") AS new WHERE id = new.column1") == (
        "UPDATE t SET a = new.column2 FROM ( SELECT * FROM unnest($1::bigint[], $2::bigint[])"
        " AS given (column1, column2) ) AS new WHERE id = new.column1"
    )


def test_several_writes_are_one_statement_whose_parameters_follow_on_each_other() -> None:
    assert joined(
        ("INSERT INTO a SELECT $1, $2", "UPDATE b SET c = $2 WHERE d = $1", "DELETE FROM e WHERE f = $1")
    ) == (
        "WITH write1 AS (INSERT INTO a SELECT $1, $2), write2 AS (UPDATE b SET c = $4 WHERE d = $3)"
        " DELETE FROM e WHERE f = $5"
    )
    assert joined(("DELETE FROM e WHERE f = $1",)) == "DELETE FROM e WHERE f = $1"


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (Bulk("INSERT INTO t (a, b, c)", "iii", "ON CONFLICT (c, a) DO UPDATE SET b = excluded.b"), [2, 0]),
        (Bulk("INSERT INTO t (a, b)", "ii", "ON CONFLICT (a) DO NOTHING"), []),
        (Bulk("INSERT INTO t (a, b)", "ii"), []),
    ],
)
def test_rows_that_may_change_one_row_of_the_table_are_told_apart_by_their_key(rows: Bulk, columns: list[int]) -> None:
    assert conflict_columns(rows) == columns
