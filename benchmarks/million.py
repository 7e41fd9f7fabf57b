"""A store as it is after a busy quarter: a million alerts, events, readings, rules, and what people did.

Written by SQL itself, far faster than by the engine: secondary indexes are made at the end, nothing is synchronised.
What it holds is what the engine would have written, so that every list of it can be asked for.
"""

# ruff: noqa: S608  # all of this SQL is our own words

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from engine.stores import migrate
from engine.stores.sqlite.file import Database

ALERTS = 1_000_000
# Of the newest alerts: the engine forgets events sooner.
EVENTS = 100_000
FRAMEWORKS = 10
SERIES = 100
MINUTES = 7 * 24 * 60
RULES = 1_200
AUDITS = 50_000
PEOPLE = 20
# Alerts come evenly over so long.
DAYS = 90
_MS = DAYS * 86_400_000
_N = "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < :count)"
_TIME = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', ms / 1000, 'unixepoch')"
# One in a hundred is still open; severities in turn.
_ALERT = f"""
SELECT n, ms, printf('%08x-%04x-7000-8000-%012x', ms >> 16, ms & 65535, n) AS id, 1 + n % {FRAMEWORKS} AS channel,
    CASE WHEN n % 100 = 0 THEN 1 + n / 100 % 2 ELSE 3 END AS state, n / 100 % 4 AS severity,
    'rule-' || (n % {RULES}) AS rule, CASE WHEN n % 50 = 0 THEN 'person-' || (n / 50 % {PEOPLE}) END AS person
FROM (SELECT n, :now_ms - {_MS} + n * {_MS} / :count AS ms FROM n)
"""
_BODY = f"""
'{{"alert":{{"id":"' || id || '","framework_id":"web-' || (channel - 1) || '","severity":"'
    || CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' WHEN 2 THEN 'error' ELSE 'critical' END
    || '","state":"' || CASE state WHEN 1 THEN 'active' WHEN 2 THEN 'acknowledged' ELSE 'resolved' END
    || '","current_value":97.5,"threshold_value":90.0,"title":"Checkout is slow","occurrences":1,"triggered_at":"'
    || {_TIME} || '","last_seen_at":"' || {_TIME} || '","notification_sent":false,"rule_id":"' || rule
    || '","labels":{{"host":"web-' || (n % 500) || '"}}}}'
"""
# What it does, in order; `:count`, `:now_ms` and `:workspace` are bound where they stand.
_STEPS: tuple[tuple[str, int], ...] = (
    ("INSERT INTO workspace (id, name, last_offset) VALUES (1, :workspace, :count)", EVENTS),
    (f"{_N} INSERT INTO channel (id, workspace, framework) SELECT n + 1, 1, 'web-' || n FROM n", FRAMEWORKS),
    (f"{_N} INSERT INTO person (id, workspace, name) SELECT n + 1, 1, 'person-' || n FROM n", PEOPLE),
    (
        f"{_N} INSERT INTO alert (workspace, channel, id, identity, state, severity, rule_id, triggered_at,"
        " last_seen_at, resolved_at, occurrences, window_until, window_count, has_sources, body, assigned_to)"
        " SELECT 1, channel, id, 'identity-' || n, state, severity, rule, ms * 1000, ms * 1000,"
        " CASE WHEN state = 3 THEN ms * 1000 END, 1, ms * 1000, 0, 0,"
        f' {_BODY} || \',"identity":"identity-\' || n || \'","window":{{"until":\' || (ms * 1000) || \'}}}}\', person'
        f" FROM ({_ALERT})",
        ALERTS,
    ),
    (
        f"{_N} INSERT INTO event (channel, channel_offset, workspace, workspace_offset, at, body)"
        " SELECT channel, n / 10 + 1, 1, n + 1, ms * 1000,"
        f' \'{{"offset":\' || (n / 10 + 1) || \',"kind":"fired",\' || substr({_BODY}, 2) || \',"at":"\' || {_TIME} ||'
        f" '\"}}' FROM ({_ALERT})",
        EVENTS,
    ),
    ("UPDATE channel SET last_offset = :count / 10", EVENTS),
    (
        f"{_N} INSERT INTO audit (workspace, channel, at, by, verb, alert_id)"
        f" SELECT 1, channel, ms * 1000, 'person-' || (n % {PEOPLE}), 'acknowledge', id FROM ({_ALERT})",
        AUDITS,
    ),
    (
        f"{_N} INSERT INTO series (channel, number, metric, labels, last_at, last_value)"
        " SELECT 1, n + 1, 'metric-' || (n % 10), '{\"host\":\"web-' || n || '\"}', :now_ms * 1000, 1.0 FROM n",
        SERIES,
    ),
    (
        f"{_N} INSERT INTO rollup SELECT 1, 1 + n / {MINUTES}, 60,"
        f" (:now_ms / 60000 - {MINUTES} + n % {MINUTES}) * 60000000, 60, 60.0, 0.5, 1.5, :now_ms * 1000, 1.0 FROM n",
        SERIES * MINUTES,
    ),
    (
        f"{_N} INSERT INTO object (kind, workspace, id, version, framework, body, created_at, updated_at, updated_by)"
        " SELECT 'rule', :workspace, 'rule-' || n, 1, 'web-' || (n % 10),"
        ' \'{"kind":"threshold","id":"rule-\' || n ||'
        ' \'","framework":"web-\' || (n % 10) || \'","metric":"cpu","threshold":90.0}\', 0, 0, \'ann\' FROM n',
        RULES,
    ),
)


def fill(path: Path, workspace: str, now_ms: int) -> None:
    """Makes a store in a file that is not there yet."""
    path.touch(mode=0o600)
    with contextlib.closing(Database(path).connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        connection.execute("PRAGMA synchronous = OFF")
        with _without_indexes(connection, ("alert", "event", "audit", "rollup")):
            connection.execute("BEGIN")
            for sql, count in _STEPS:
                bound = {"count": count, "now_ms": now_ms, "workspace": workspace}
                connection.execute(sql, {name: value for name, value in bound.items() if f":{name}" in sql})
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _without_indexes(connection: sqlite3.Connection, tables: tuple[str, ...]) -> Iterator[None]:
    """Inside the block these tables have no indexes but those of their keys; afterwards they have them again."""
    marks = ",".join("?" * len(tables))
    indexes = connection.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({marks})",
        tables,
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        connection.execute(sql)
