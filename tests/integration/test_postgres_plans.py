"""That no question which is asked all the time reads a whole table of Postgres, nor a whole index of one.

Asked as the engine asks: with its login, so row-level security is part of each plan, and with the plan for any values,
which is what a prepared statement ends up with. The tables have so many rows, all of them counted by ANALYZE, that
reading them costs hundreds of times what the right index does: the plans are decided, and not by luck.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, cast

import asyncpg
import pytest

from engine.stores import AlertQuery
from engine.stores.aggregates import AggregateQuery, Dimension
from engine.stores.findings import FindingQuery
from engine.stores.incidents import IncidentQuery
from engine.stores.postgres.dialect import translated
from engine.stores.postgres.sessions import SETTINGS
from engine.stores.tables import (
    aggregate_hours,
    aggregate_sums,
    aggregates,
    deliveries,
    delivery_lines,
    findings,
    incidents,
    lists,
    queries,
)
from engine.stores.tables.connection import Connection
from protocol.incidents import IncidentState
from protocol.model import AlertState, Severity
from tests.support.postgres_server import PostgresDatabase, PostgresServer
from tests.unit.test_sqlite_analytics_queries import COUNTS, FOUND, PAGES_OF_INCIDENTS
from tests.unit.test_sqlite_job_queries import JOB_STATEMENTS

ROWS = 60_000
# Of 40 workspaces with 5 channels each; what is due, open or unread is little of all.
FILL = f"""
SET session_replication_role = replica;
INSERT INTO workspace_name SELECT 'w' || n FROM generate_series(0, 39) n;
INSERT INTO workspace (id, name) SELECT n + 1, 'w' || n FROM generate_series(0, 39) n;
INSERT INTO channel (id, workspace, framework) SELECT n + 1, n % 40 + 1, 'f' || n / 40 FROM generate_series(0, 199) n;
INSERT INTO person (id, workspace, name) SELECT n + 1, n % 40 + 1, 'p' || n / 40 FROM generate_series(0, 199) n;
INSERT INTO alert (workspace, channel, id, identity, state, severity, triggered_at, last_seen_at, occurrences,
        window_until, window_count, has_sources, body, assigned_to)
    SELECT n % 40 + 1, n % 200 + 1, 'a' || n, 'i' || n, CASE WHEN n % 97 = 0 THEN 1 ELSE 3 END, n % 4, n, n, 1, n, 0, 0,
        '{{}}', CASE WHEN n % 11 = 0 THEN 'p' || n % 5 END
    FROM generate_series(1, {ROWS}) n;
INSERT INTO event (channel, channel_offset, workspace, workspace_offset, at, body)
    SELECT n % 200 + 1, n / 200 + 1, n % 40 + 1, n / 40 + 1, n, '{{}}' FROM generate_series(0, {ROWS} - 1) n;
INSERT INTO entry (person, person_offset, workspace, workspace_offset)
    SELECT n % 200 + 1, n / 200 + 1, n % 40 + 1, n / 40 + 1 FROM generate_series(0, {ROWS} - 1) n;
INSERT INTO audit (workspace, channel, at, by, verb, alert_id)
    SELECT n % 40 + 1, n % 200 + 1, n, 'ann', 'ack', 'a' || n FROM generate_series(1, {ROWS}) n;
INSERT INTO object (kind, workspace, id, version, body, created_at, updated_at, updated_by)
    SELECT 'rule', 'w' || n % 40, 'o' || n, 1, '{{}}', n, n, 'ann' FROM generate_series(1, {ROWS}) n;
INSERT INTO job (queue, kind, workspace, state, prio, run_at, rank, attempts_max, deadline_s, args, ukey,
        created_at, updated_at)
    SELECT CASE n % 4 WHEN 0 THEN 'alert' WHEN 1 THEN 'notification' ELSE 'analytics' END, 'k' || n % 9, 'w' || n % 40,
        CASE WHEN n % 50 = 0 THEN 0 WHEN n % 51 = 0 THEN 2 ELSE 1 END, 5, n, n, 3, 60, '{{}}',
        CASE WHEN n % 3 = 0 THEN 'u' || n END, n, n
    FROM generate_series(1, {ROWS}) n;
UPDATE job SET lease_until = run_at WHERE state = 2;
INSERT INTO job_done (id, queue, kind, workspace, state, prio, run_at, attempt, attempts_max, deadline_s, args, errors,
        lease_no, created_at, updated_at)
    SELECT 10000000 + n, 'alert', 'k' || n % 9, 'w' || n % 40, 4, 5, n, 1, 3, 60, '{{}}', '[]', 1, n, n
    FROM generate_series(1, {ROWS}) n;
INSERT INTO delivery (workspace, alert_id, channel, recipient, version, key, change, state, due, at, updated_at)
    SELECT 'w' || n % 40, 'a' || n, CASE n % 3 WHEN 0 THEN 'in_app' ELSE 'email' END, 'user:p' || n % 50, '1', 'k' || n,
        'fired', CASE n % 3 WHEN 0 THEN 'sent' WHEN 1 THEN 'failed' ELSE 'queued' END,
        CASE WHEN n % 4 = 0 THEN n END, n, n
    FROM generate_series(1, {ROWS}) n;
INSERT INTO finding (workspace, kind, key, framework, rule_id, sort, state, score, at, due, updated_at, version, body)
    SELECT 'w' || n % 40, 'k' || n % 3, 'f' || n, 'f' || n % 5, 'r' || n % 50, '', 'new', 0.5, n,
        CASE WHEN n % 9 = 0 THEN n END, n, 1, '{{}}'
    FROM generate_series(1, {ROWS}) n;
INSERT INTO incident (workspace, id, state, started_at, updated_at, body)
    SELECT 'w' || n % 40, 'i' || n, CASE WHEN n % 9 = 0 THEN 'open' ELSE 'resolved' END, n, n, '{{}}'
    FROM generate_series(1, {ROWS}) n;
INSERT INTO incident_alert (workspace, alert_id, incident, framework, started_at, is_apart, body)
    SELECT 'w' || n % 40, 'a' || n, 'i' || n, 'f' || n % 5, n, 0, '{{}}' FROM generate_series(1, {ROWS}) n;
INSERT INTO aggregate_hour SELECT n % 40 + 1, n, CASE WHEN n % 50 = 0 THEN n END, n, 1, 1,
        CASE WHEN n % 50 = 1 THEN n ELSE 0 END FROM generate_series(1, {ROWS}) n;
INSERT INTO aggregate
    SELECT n % 40 + 1, n / 40 % 2, n / 80 % 4, n / 320, n % 200 + 1, 'r' || n % 50, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, '{{}}' FROM generate_series(1, {ROWS}) n ON CONFLICT DO NOTHING;
ANALYZE;
"""
LARGE = re.compile(
    r"^(alert|event|entry|audit|object|job|job_done|delivery|finding|incident|incident_alert|aggregate|aggregate_hour)(_default)?$"
)


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_server, postgres_server.new_database(postgres_template))
    postgres_server.sql(FILL, database.name)
    yield database
    postgres_server.drop_database(database.name)


# Partial indexes that hold what is at work, owed or open: they are small however large their table is.
SMALL = ("alert_owed", "alert_sourced", "alert_quieted_open", "alert_taken", "job_active")


def costly(
    database: PostgresDatabase, sql: str, values: Sequence[Any] | None = None, seen: str = '["w1"]'
) -> list[str]:
    """What in its plan reads a large table, or an index of one, from end to end. `values`: for these, not for any."""
    return [*_walks(_plan(database, sql, values, seen))]


def index_conditions(database: PostgresDatabase, sql: str, tables: Sequence[str]) -> list[str]:
    """By what its plan, for any values, finds rows of these tables."""
    return [*_conditions(_plan(database, sql, None, '["w1"]'), tables)]


def _plan(database: PostgresDatabase, sql: str, values: Sequence[Any] | None, seen: str) -> dict[str, Any]:
    text = translated(sql)
    count = max((int(number) for number in re.findall(r"\$(\d+)", text)), default=0)
    given = ", ".join(["NULL"] * count if values is None else [repr(value) for value in values])

    async def explain() -> str:
        connection = await asyncpg.connect(database.url, server_settings=SETTINGS)
        try:
            mode = "force_generic_plan" if values is None else "force_custom_plan"
            await connection.execute(f"BEGIN; SET LOCAL plan_cache_mode = {mode}")
            await connection.execute(f"SELECT set_config('tocsin.workspaces', '{seen}', true)")
            await connection.execute(f"PREPARE asked AS {text}")
            return str(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{f'({given})' if count else ''}"))
        finally:
            await connection.close()

    (plan,) = json.loads(asyncio.run(explain()))
    return cast(dict[str, Any], plan["Plan"])


def _conditions(node: dict[str, Any], tables: Sequence[str]) -> Iterator[str]:
    parts = node.get("Plans", ())
    if node.get("Relation Name", "") in tables:
        # Of a bitmap the index is read by the part below.
        yield " ".join(str(each.get("Index Cond", "")) for each in (node, *parts))
    for part in parts:
        yield from _conditions(part, tables)


def _walks(node: dict[str, Any]) -> Iterator[str]:
    kind, index = node["Node Type"], node.get("Index Name", "")
    is_large = bool(LARGE.match(node.get("Relation Name", ""))) or kind == "Bitmap Index Scan"
    is_whole = kind == "Seq Scan" or ("Index" in kind and "Index Cond" not in node and index not in SMALL)
    if is_large and is_whole:
        yield f"{kind} of {node.get('Relation Name')} by {index or 'nothing'}"
    for part in node.get("Plans", ()):
        yield from _walks(part)


def test_a_walk_through_a_table_or_an_index_is_seen(filled: PostgresDatabase) -> None:
    assert costly(filled, "SELECT count(*) FROM alert WHERE body = ?")
    assert costly(filled, "SELECT id FROM job ORDER BY id")
    assert costly(filled, "SELECT body FROM alert WHERE id = (SELECT max(body) FROM object WHERE updated_by = ?)")


READS = "CHANNEL_PLACE _HELD _SOURCED _WHERE_OPEN _BODIES _CHANNEL_EVENTS _WORKSPACE_EVENTS _USER_EVENTS _PERSON"
READS += " _WORKSPACE _LOCATE _ALERT ALERTS_NAMED _UNSETTLED"
TOLD = "_OF_ALERTS TOLD_OF TO_PLACE OF_ALERT _TOLD BY_KEY PUT_ASIDE DIGESTS_DUE IN_APP UNREAD NOT_IN_APP _READ_ALL"
TOLD += " _READ _ANSWERED _PRECEDING"


@pytest.mark.parametrize(
    ("where", "name"),
    [(queries, name) for name in READS.split()] + [(deliveries, name) for name in TOLD.split()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_read_is_served_by_an_index(filled: PostgresDatabase, where: ModuleType, name: str) -> None:
    assert costly(filled, getattr(where, name)) == []


@pytest.mark.parametrize("name", ["_KNOWN", "LOST", "CANCELLED", "AGAIN", "_OLD", "_FORGET"])
def test_what_becomes_of_lines_of_the_ledger_is_served_by_an_index(filled: PostgresDatabase, name: str) -> None:
    assert costly(filled, getattr(delivery_lines, name), seen="*") == []


# For any limit a tenth of the table is expected, so Postgres plans these for the one that there is.
LIMITED: dict[str, tuple[Any, ...]] = {"_CLAIM": ("n1", 9, 9, 9, "alert", 16), "_OLD": ("alert", 4, 9, 500)}


@pytest.mark.parametrize(("where", "name"), JOB_STATEMENTS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_statement_of_the_queue_reads_a_whole_table(filled: PostgresDatabase, where: ModuleType, name: str) -> None:
    assert costly(filled, getattr(where, name), LIMITED.get(name), seen="*") == []


# A page has a limit, and Postgres plans for the one that there is.
@pytest.mark.parametrize("more", [more for more, _ in FOUND], ids=str)
def test_a_page_of_findings_is_served_by_an_index(filled: PostgresDatabase, more: Any) -> None:
    sql, values = findings.page_statement(FindingQuery(workspace="w1", kind="k1", **more))
    assert costly(filled, sql, values) == []


@pytest.mark.parametrize("name", ["NAMED", "DUE", "OLD", "SETTLE", "HISTORY"])
def test_what_is_asked_of_findings_is_served_by_an_index(filled: PostgresDatabase, name: str) -> None:
    is_of_all = name in ("DUE", "OLD")
    assert costly(filled, getattr(findings, name), seen="*" if is_of_all else '["w1"]') == []


# Of an hour there are some thousand alerts; any range is taken for much of the table, so these are asked with values.
COUNTED: dict[str, tuple[Any, ...]] = {
    "DUE": (9, 9),
    "LOST": (9, 9),
    "PIECE_END": (1, 100, 200, 9),
    "COUNT": (1, 100, 200),
    "FRESHNESS": (1, 100, 200),
}


@pytest.mark.parametrize(("where", "name"), [(where, name) for where, name, _, _ in COUNTS], ids=str)
def test_what_counts_alerts_is_served_by_an_index(filled: PostgresDatabase, where: ModuleType, name: str) -> None:
    is_of_all = where is aggregate_hours
    assert costly(filled, getattr(where, name), COUNTED.get(name), seen="*" if is_of_all else '["w1"]') == []


def test_kept_counts_are_found_by_all_that_they_are_of_not_by_their_workspace(filled: PostgresDatabase) -> None:
    conditions = index_conditions(filled, aggregate_sums.THESE, ("aggregate",))
    assert conditions
    assert [each for each in conditions if "severity =" not in each] == []


@pytest.mark.parametrize("more", [{}, {"rule_id": "r"}, {"group": (Dimension.RULE,), "severities": (Severity.INFO,)}])
def test_counts_are_sums_over_one_range(filled: PostgresDatabase, more: Any) -> None:
    query = AggregateQuery(workspace="w1", since_us=100, until_us=110, **more)
    for sql, values in (aggregates.statement(1, query, [1]), aggregates.times_statement(1, query, None, ["r"])):
        assert costly(filled, sql, values) == []


@pytest.mark.parametrize("more", PAGES_OF_INCIDENTS, ids=str)
def test_a_page_of_incidents_is_served_by_an_index(filled: PostgresDatabase, more: Any) -> None:
    sql, values = incidents.page_statement(IncidentQuery(workspace="w1", **more), IncidentState.OPEN)
    assert costly(filled, sql, values) == []


OF_INCIDENTS = "NAMED MEMBERS IDS_OF OLD OLD_ALERTS"


@pytest.mark.parametrize("name", OF_INCIDENTS.split())
def test_what_is_asked_of_incidents_is_served_by_an_index(filled: PostgresDatabase, name: str) -> None:
    assert costly(filled, getattr(incidents, name), seen="*" if name == "OLD" else '["w1"]') == []


class Numbers:
    """In the place of a connection: the number of the workspace, and those of its channels as one list."""

    def __init__(self, sql: str = "") -> None:
        self._sql = sql

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Numbers:
        return Numbers(sql)

    def fetchall(self) -> list[tuple[Any]]:
        return [(2,)] if "FROM workspace" in self._sql else [("[2,42]",)]


@pytest.mark.parametrize("framework", [{}, {"framework": "f1"}, {"frameworks": ("f1", "f2")}])
@pytest.mark.parametrize("states", [(), (AlertState.ACTIVE,), (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)])
@pytest.mark.parametrize("severities", [(), (Severity.INFO, Severity.CRITICAL)])
def test_a_list_of_alerts_is_served_by_an_index(
    filled: PostgresDatabase, framework: Any, states: Any, severities: Any
) -> None:
    query = AlertQuery(workspace="w1", states=states, severities=severities, **framework)
    sql, values = lists.list_statement(cast(Connection, Numbers()), query)
    assert costly(filled, sql, list(values)) == []
