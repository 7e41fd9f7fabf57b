"""Counts the alerts of an hour, in SQL: nothing of it needs the interpreter but the sums of a few thousand alerts each.

An hour is read in pieces by the time of its alerts, so that no question is long (and none is beyond a reader's five
seconds, however many alerts there are). The pieces see different moments: whatever changes in between marks the hour
anew. What the alert's columns do not say is read from its body, where a cheap look says that it may be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.core.analytics.calendar import HOUR_US
from engine.core.analytics.counts import ENDED, FIGURES, Counts, total
from engine.core.analytics.durations import DOUBLINGS, DURATION_MAX_MS, FINENESS
from engine.core.analytics.heeding import BY_ITSELF
from engine.stores.tables.connection import Connection, either
from protocol.times import SECOND_US

# Alerts in one question: 10 to 20 ms.
PIECE = 2_000
# What ended by itself so soon needed nobody.
BRIEF_US = 120 * SECOND_US


class Group(NamedTuple):
    """Whose counts they are within a workspace and a stretch of time: channel's number, rule ('': none), severity."""

    channel: int
    rule: str
    severity: int


def _bin(column: str) -> str:
    """The bin of a duration in milliseconds, as `durations.bin_of` says it."""
    fineness = 1 << FINENESS
    arms = " ".join(
        f"WHEN {column} < {1 << n + FINENESS + 1} THEN {fineness * n} + ({column} >> {n})" for n in range(DOUBLINGS)
    )
    return f"CASE {arms} END"


def _is(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _between(since: str, until: str) -> str:
    return f"min(max({until} - {since}, 0), {DURATION_MAX_MS})"


_TAKEN_AT = either(
    sqlite="CAST(strftime('%s', taken_text) AS INTEGER) * 1000 + CAST(substr(taken_text, 21, 3) AS INTEGER)",
    postgres="CAST(floor(extract(epoch FROM CAST(taken_text AS timestamptz)) * 1000) AS bigint)",
)
# SQLite has numbers here, Postgres texts.
_NOISE = either(
    sqlite="coalesce(json_extract(body, '$.alert.noise'), 0)",
    postgres="CASE CAST(body AS jsonb) #>> '{alert,noise}' WHEN 'true' THEN 1 ELSE 0 END",
)
_TOLD = (
    "EXISTS (SELECT 1 FROM delivery WHERE delivery.workspace = (SELECT name FROM workspace WHERE id = ?1)"
    " AND delivery.alert_id = alert.id AND delivery.state IN ('sent', 'delivered', 'acknowledged', 'read'))"
)
_PEOPLE = f"ended_by IS NOT NULL AND ended_by NOT IN ({', '.join(repr(name) for name in BY_ITSELF)})"
_ENDED_ALONE = f"(state = 4 OR (state = 3 AND NOT ({_PEOPLE})))"
# As `heeding.is_heeded` has it. What is heeded is neither noisy nor a false alarm, whatever else is true of it.
_IS_HEEDED = f"(noise = 0 AND (taken_text IS NOT NULL OR (state = 3 AND {_PEOPLE})))"
# Of an alert that its source fell silent about nobody knows when it ended: at the latest when it was last heard of.
_LASTED = "coalesce(resolved_at, last_seen_at) - triggered_at"
_NOISY = f"noise = 1 OR (NOT {_IS_HEEDED} AND (quieted = 1 OR ({_ENDED_ALONE} AND {_LASTED} <= {BRIEF_US})))"
_FIGURE = {
    "alerts": "1",
    "active": _is("state = 1"),
    "acknowledged": _is("state = 2"),
    "resolved": _is("state = 3"),
    "expired": _is("state = 4"),
    "suppressed": "occurrences - 1",
    "quieted": "quieted",
    "notified": _is(_TOLD),
    "noisy": _is(_NOISY),
    "confirmed": _is(_IS_HEEDED),
    "false_alarms": _is(f"noise = 1 OR (NOT {_IS_HEEDED} AND {_ENDED_ALONE})"),
    "taken": _is("taken_text IS NOT NULL"),
    "taken_ms": f"CASE WHEN taken_text IS NULL THEN 0 ELSE {_between('triggered_at / 1000', _TAKEN_AT)} END",
    "ended": _is("state = 3 AND resolved_at IS NOT NULL"),
    "ended_ms": "CASE WHEN state = 3 AND resolved_at IS NOT NULL"
    f" THEN {_between('triggered_at / 1000', 'resolved_at / 1000')} ELSE 0 END",
}
_COLUMNS = ", ".join(f"{_FIGURE[name]} AS {name}" for name in FIGURES)
_SUMS = ", ".join(f"CAST(sum({name}) AS INTEGER)" for name in FIGURES)
_NONE = ", ".join("0" for _ in FIGURES[1:])
# Postgres' index leaves out what has no time. SQLite must not hear of that: of two lower bounds it takes the first, and
# reads all that a workspace has from its beginning to that hour.
_BY_TIME = either(
    sqlite="alert INDEXED BY alert_by_time WHERE",
    postgres="alert WHERE triggered_at > 0 AND",
)
PIECE_END = f"""
SELECT triggered_at FROM {_BY_TIME} workspace = ? AND triggered_at >= ? AND triggered_at < ?
ORDER BY triggered_at LIMIT 1 OFFSET ?
"""  # noqa: S608  # our own words
# The first column says what a row is: -1 the figures, else a bin and how many are in it.
COUNT = f"""
WITH read AS MATERIALIZED (
    SELECT workspace, id, channel, coalesce(rule_id, '') AS rule, severity, state, triggered_at, last_seen_at,
        resolved_at, occurrences, {_is("quieted IS NOT NULL")} AS quieted,
        CASE WHEN instr(body, '"acknowledged_at":"') > 0 THEN json_extract(body, '$.alert.acknowledged_at') END
            AS taken_text,
        CASE WHEN instr(body, '"resolved_by":"') > 0 THEN json_extract(body, '$.alert.resolved_by') END AS ended_by,
        CASE WHEN instr(body, '"noise":') > 0 THEN {_NOISE} ELSE 0 END AS noise
    FROM {_BY_TIME} workspace = ?1 AND triggered_at >= ?2 AND triggered_at < ?3
), found AS MATERIALIZED (SELECT channel, rule, severity, {_COLUMNS} FROM read AS alert)
SELECT -1, channel, rule, severity, {_SUMS} FROM found GROUP BY channel, rule, severity
UNION ALL SELECT {_bin("taken_ms")} AS number, channel, rule, severity, count(*), {_NONE}
    FROM found WHERE taken = 1 GROUP BY 1, channel, rule, severity
UNION ALL SELECT {ENDED} + {_bin("ended_ms")} AS number, channel, rule, severity, count(*), {_NONE}
    FROM found WHERE ended = 1 GROUP BY 1, channel, rule, severity
"""  # noqa: S608  # our own words


def piece(connection: Connection, workspace: int, since: int, hour: int) -> tuple[int, dict[Group, Counts]]:
    """Counts the alerts of an hour from this moment on, some thousand of them: until when, and what they come to."""
    until = hour + HOUR_US
    rows = connection.execute(PIECE_END, (workspace, since, until, PIECE)).fetchall()
    if rows:
        # All of one moment are counted together, however many: a batch has one time for all its alerts.
        until = max(rows[0][0], since + 1)
    return until, _grouped(connection.execute(COUNT, (workspace, since, until)).fetchall())


def _grouped(rows: Sequence[Sequence[Any]]) -> dict[Group, Counts]:
    figures, times = dict[Group, tuple[int, ...]](), dict[Group, dict[int, int]]()
    for number, channel, rule, severity, *found in rows:
        group = Group(channel, rule, severity)
        if number < 0:
            figures[group] = tuple(found)
        else:
            times.setdefault(group, {})[number] = found[0]
    return {group: Counts(each, times.get(group, {})) for group, each in figures.items()}


def together(one: dict[Group, Counts], other: dict[Group, Counts]) -> dict[Group, Counts]:
    """Two pieces' counts."""
    return {
        group: total(part[group] for part in (one, other) if group in part) for group in [*one, *(other.keys() - one)]
    }
