"""Rows of two workspaces in every table of a Postgres, and transactions that are about some of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.support.postgres_server import PostgresDatabase

# A row of a workspace in each table: $1 is its name (text), or its number, which its channel and its person have, too.
ROWS = {
    "workspace_name": "INSERT INTO workspace_name VALUES ($1::text)",
    "workspace": "INSERT INTO workspace (name, id) VALUES ($1::text, $2::bigint)",
    "channel": "INSERT INTO channel (id, workspace, framework) VALUES ($1, $1::bigint, 'web')",
    "person": "INSERT INTO person (id, workspace, name) VALUES ($1, $1::bigint, 'ann')",
    "alert": """
        INSERT INTO alert (workspace, channel, id, identity, state, severity, triggered_at, last_seen_at, occurrences,
            window_until, window_count, has_sources, body)
        VALUES ($1::bigint, $1, 'a', 'i', 1, 1, 1, 1, 1, 1, 0, 0, '{}')
    """,
    "event": "INSERT INTO event VALUES ($1::bigint, 1, $1, 1, 1, '{}')",
    "audit": """
        INSERT INTO audit (workspace, channel, at, by, verb, alert_id) VALUES ($1::bigint, $1, 1, 'ann', 'ack', 'a')
    """,
    "entry": "INSERT INTO entry VALUES ($1::bigint, 1, $1, 1)",
    "recipient_mark": """
        INSERT INTO recipient_mark (scope, stream, "user", is_seen, min_severity, after, until, at)
        VALUES (2, $1::bigint, 'ann', 0, 0, 0, 1, 1)
    """,
    "storm": "INSERT INTO storm VALUES ($1::bigint, $1, 1, 0, 0, 0)",
    "series": "INSERT INTO series (channel, number, metric, labels) VALUES ($1::bigint, 1, 'cpu', '{}')",
    "reading": """
        INSERT INTO reading (channel, seq, at, readings, first_at, last_at, body) VALUES ($1::bigint, 1, 1, 1, 1, 1, '')
    """,
    "rollup": """
        INSERT INTO rollup (channel, series, width_s, start, readings, total, least, most, last_at, last_value)
        VALUES ($1::bigint, 1, 60, 0, 1, 1, 1, 1, 1, 1)
    """,
    "rule_state": """
        INSERT INTO rule_state (channel, rule, labels, essence, seq, body) VALUES ($1::bigint, 'r', '{}', 'e', 1, '')
    """,
    "websocket_connections": """
        INSERT INTO websocket_connections VALUES ('c' || $1::text, 'ann', $1, NULL, 1, 1, 'active')
    """,
    "revocation": "INSERT INTO revocation VALUES ($1::text, 'jti', 't', 1, 1, 'ann')",
    "administrative_act": """
        INSERT INTO administrative_act (workspace, at, by, verb, target, address)
        VALUES ($1::text, 1, 'ann', 'v', 't', '')
    """,
    "object": "INSERT INTO object VALUES ('rule', $1::text, 'o', 1, NULL, '{}', 1, 1, 'ann')",
    "object_version": "INSERT INTO object_version VALUES ('rule', $1::text, 'o', 1, '{}', 0, 1, 'ann', 'made')",
    "tracker": "INSERT INTO tracker VALUES ($1::text, 'p', 'w', 'i', NULL, 1, '{}')",
    "aggregate_hour": "INSERT INTO aggregate_hour VALUES ($1::bigint, 0, NULL, 1)",
    "aggregate": """
        INSERT INTO aggregate
        VALUES ($1::bigint, 1, 1, 0, $1, 'r', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}')
    """,
    "incident_place": "INSERT INTO incident_place VALUES ($1::text, 0, 0, 1, NULL, '{}')",
    "incident": "INSERT INTO incident VALUES ($1::text, 'i', 'open', 1, 1, '{}')",
    "incident_alert": "INSERT INTO incident_alert VALUES ($1::text, 'a', 'i', 'web', 1, 0, '{}')",
    "job": """
        INSERT INTO job (queue, kind, workspace, state, prio, run_at, rank, attempts_max, deadline_s, args, ukey,
            created_at, updated_at) VALUES ('alert', 'k', $1::text, 1, 5, 1, 1, 3, 60, '{}', 'same', 1, 1)
    """,
    "job_done": """
        INSERT INTO job_done (id, queue, kind, workspace, state, prio, run_at, attempt, attempts_max, deadline_s, args,
            errors, lease_no, created_at, updated_at)
        VALUES (length($1::text) * 1000000, 'alert', 'k', $1, 4, 5, 1, 1, 3, 60, '{}', '[]', 1, 1, 1)
    """,
    "finding": """
        INSERT INTO finding (workspace, kind, key, sort, state, at, updated_at, version, body)
        VALUES ($1::text, 'pattern', 'k', '', 'new', 1, 1, 1, '{}')
    """,
    "delivery": """
        INSERT INTO delivery (workspace, alert_id, channel, recipient, version, key, change, state, at, updated_at)
        VALUES ($1::text, 'a', 'in_app', 'user:ann', '1', 'key of ' || $1, 'fired', 'sent', 1, 1)
    """,
}  # fmt: skip
# Made by a trigger, with the rows above.
MADE = {"row_audit"}
OWN = [*ROWS, *MADE]
ACME, UMBRELLA = ("acme", 901), ("umbrella", 902)
Asking = Callable[[asyncpg.Connection], Awaitable[Any]]


@asynccontextmanager
async def asked(url: str, setting: str | None) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that is about these workspaces."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            if setting is not None:
                await connection.execute("SELECT set_config('tocsin.workspaces', $1, true)", setting)
            yield connection
    finally:
        await connection.close()


def ask(database: PostgresDatabase, setting: str | None, asking: Asking) -> Any:
    """As the engine would, in a transaction of its own; it is taken back, because the rows are for all tests."""

    async def then_take_back(connection: asyncpg.Connection) -> Any:
        answer = await asking(connection)
        raise _Done(answer)

    try:
        return asyncio.run(in_transaction(database.url, setting, then_take_back))
    except _Done as done:
        return done.args[0]


class _Done(Exception):
    """Ends a transaction without keeping what it did; its argument is the answer."""


async def in_transaction(url: str, setting: str | None, asking: Asking) -> Any:
    """What came of it, kept."""
    async with asked(url, setting) as connection:
        return await asking(connection)


def values(sql: str, workspace: tuple[str, int]) -> list[Any]:
    """For one of `ROWS`."""
    if "$2" in sql:
        return [*workspace]
    return [workspace[0]] if "$1::text" in sql else [workspace[1]]


async def fill(connection: asyncpg.Connection) -> None:
    """A row of acme and one of umbrella in each table."""
    for workspace in (ACME, UMBRELLA):
        for sql in ROWS.values():
            await connection.execute(sql, *values(sql, workspace))
