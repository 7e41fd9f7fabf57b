"""A store full of alerts of 30 days, written by SQL: twenty frameworks, two hundred rules, every hour full.

Nothing of it is counted yet, and every hour is marked. Both stores get the same alerts.
"""

# ruff: noqa: S608  # our own words

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import trio

from benchmarks.counts import BEGIN_US
from benchmarks.random_alerts import WORKSPACE
from engine.core.analytics.calendar import DAY_US
from engine.stores import open_store

DAYS = 30
FRAMEWORKS, RULES_OF_ONE = 20, 10
_TIME_OF = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000Z', (at + {more}) / 1000000, 'unixepoch')",
    "postgres": "to_char(to_timestamp((at + {more}) / 1000000) AT TIME ZONE 'UTC',"
    ' \'YYYY-MM-DD"T"HH24:MI:SS".000000Z"\')',
}
_FILL = """
INSERT INTO alert (workspace, channel, id, identity, state, severity, rule_id, triggered_at, last_seen_at, resolved_at,
    occurrences, window_until, window_count, has_sources, body)
SELECT 1, 1 + n % {frameworks}, {id}, 'i' || n, 3, n % {rules} % 4, 'rule-' || (n % {rules}), at, at,
    at + (n * 7919 % 90000) * 1000000, 1 + n % 3, at, 0, 0,
    '{{"alert":{{"title":"Checkout is slow","acknowledged_at":"' || {taken}
    || '","resolved_by":"' || CASE WHEN n % 5 = 0 THEN 'rule' ELSE 'ann' END || '"}}}}'
FROM (SELECT n, {begin} + n * {step} AS at FROM {numbers}) AS made
"""
_MARKS = """
INSERT INTO aggregate_hour (workspace, start, due, changed)
SELECT workspace, triggered_at - triggered_at % 3600000000, 0, 0 FROM alert GROUP BY 1, 2
"""
_WORKSPACE = f"INSERT INTO workspace (id, name) VALUES (1, '{WORKSPACE}')"
_CHANNELS = "INSERT INTO channel (id, workspace, framework) VALUES " + ", ".join(
    f"({n + 1}, 1, 'framework-{n}')" for n in range(FRAMEWORKS)
)
# Besides the key the one that counting needs; with the others it would take three times as long.
_KEPT = "alert_by_time"


def fill_sqlite(path: Path, count: int) -> None:
    """A new store in this file."""
    trio.run(_made, f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'alert' AND sql IS NOT NULL"
        )
        for (name,) in found.fetchall():
            if name != _KEPT:
                connection.execute(f"DROP INDEX {name}")
        numbers = "(WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {}) SELECT n FROM n)"
        filled = _filled("sqlite", numbers.format(count), count, "printf('%012x', n)")
        for statement in ("BEGIN", _WORKSPACE, _CHANNELS, filled, _MARKS, "COMMIT"):
            connection.execute(statement)


def fill_postgres(url: str, count: int, *, is_owner: bool) -> None:
    """A migrated and empty database. `is_owner`: the login is its owner's, and nobody else needs its indexes."""
    asyncio.run(_fill_postgres(url, count, is_owner))


async def _fill_postgres(url: str, count: int, is_owner: bool) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET tocsin.workspaces = '*'")
        for name in await _dispensable(connection) if is_owner else ():
            await connection.execute(f"DROP INDEX {name}")
        numbers = f"generate_series(0::bigint, {count - 1}) AS n"
        filled = _filled("postgres", numbers, count, "lpad(to_hex(n), 12, '0')")
        for statement in (_WORKSPACE, _CHANNELS, filled, _MARKS, *(["ANALYZE"] if is_owner else [])):
            await connection.execute(statement)
    finally:
        await connection.close()


async def _dispensable(connection: object) -> list[str]:
    sql = f"SELECT indexname FROM pg_indexes WHERE tablename = 'alert' AND indexname NOT IN ('alert_pkey', '{_KEPT}')"
    return [row[0] for row in await connection.fetch(sql)]  # type: ignore[attr-defined]


def _filled(kind: str, numbers: str, count: int, number_id: str) -> str:
    return _FILL.format(
        frameworks=FRAMEWORKS,
        rules=FRAMEWORKS * RULES_OF_ONE,
        id=number_id,
        taken=_TIME_OF[kind].format(more="(n * 104729 % 3600) * 1000000"),
        begin=BEGIN_US - BEGIN_US % DAY_US,
        step=DAYS * DAY_US // count,
        numbers=numbers,
    )


async def _made(url: str) -> None:
    async with open_store(url):
        pass
