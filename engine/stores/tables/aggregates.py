"""Counts of alerts in the store, as `engine.stores.aggregates.AggregateStore`: making them, and asking for them.

Making: `aggregate_hours` says what is to be counted, `aggregate_counts` counts, `aggregate_sums` writes; here they are
put together. Asking: sums over rows by SQL, so that what travels is what is shown. Histograms are added up here, by the
reader: that takes a tenth of what SQL takes (a month of ten million alerts by the day has half a million bins).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from engine.core.analytics.calendar import HOUR_US, Width, start_of
from engine.core.analytics.counts import FIGURES, NONE, Counts
from engine.stores import Retention
from engine.stores.aggregates import AggregatePage, AggregateQuery, AggregateRow, Counted, Dimension, Freshness, Waiting
from engine.stores.tables import aggregate_counts as counting
from engine.stores.tables import aggregate_hours as hours
from engine.stores.tables import aggregate_sums as sums
from engine.stores.tables.aggregate_counts import Group
from engine.stores.tables.aggregate_hours import Hour
from engine.stores.tables.connection import Connection
from engine.stores.tables.readers import Readers
from engine.stores.tables.rows import SEVERITIES
from engine.stores.tables.writer import Writer
from protocol.times import SECOND_US

_SEVERITY = {rank: severity for severity, rank in SEVERITIES.items()}
_COLUMN = {Dimension.FRAMEWORK: "channel", Dimension.RULE: "rule", Dimension.SEVERITY: "severity"}
_FIGURES = ", ".join(f"CAST(sum({name}) AS INTEGER)" for name in FIGURES)
NUMBER = "SELECT id FROM workspace WHERE name = ?"
CHANNELS = "SELECT id, framework FROM channel WHERE workspace = ?"
FRESHNESS = """
SELECT CAST(coalesce(sum(CASE WHEN due IS NOT NULL OR token <> 0 THEN 1 ELSE 0 END), 0) AS INTEGER),
    min(CASE WHEN due IS NOT NULL OR token <> 0 THEN changed END), max(counted_at)
FROM aggregate_hour WHERE workspace = ? AND start >= ? AND start < ?
"""
FIRST_HOUR = "SELECT min(start) FROM aggregate_hour WHERE workspace = ?"


class AggregateTable:
    """The part of `TableStore` that is `engine.stores.aggregates.AggregateStore`."""

    _writer: Writer
    _readers: Readers
    _clock: Callable[[], int]
    _retention: Retention

    async def count_alerts(self, limit: int, *, ahead_us: int = 0) -> Counted:
        """Counts the alerts of hours that are due. Raises StoreUnavailable."""
        now = self._clock()
        taken = await self._writer.run(partial(hours.take, now_us=now, until_us=now + ahead_us, limit=limit))
        alerts = changed = 0
        for hour in taken:
            counted, different = await self._count(hour)
            alerts += sum(each.alerts for each in counted.values())
            changed += len(different)
            await self._keep_counts(hour, different, counted)
        names = tuple(dict.fromkeys(hour.name for hour in taken))
        return Counted(hours=len(taken), alerts=alerts, changed=changed, workspaces=names)

    async def aggregates(self, query: AggregateQuery) -> AggregatePage:
        """Counts, and how fresh they are. Raises StoreUnavailable."""
        return await self._readers.read(partial(page, query=query), query.workspace)

    async def aggregates_waiting(self) -> Waiting:
        """What is still to be counted. Raises StoreUnavailable."""
        waiting, changed = await self._readers.read(lambda connection: connection.execute(hours.WAITING).fetchone())
        return Waiting(hours=waiting, changed_us=changed)

    async def _count(self, hour: Hour) -> tuple[dict[Group, Counts], list[Group]]:
        """What an hour comes to, and whose figures are not as they were."""
        since, counted = hour.start, dict[Group, Counts]()
        while since < hour.start + HOUR_US:
            question = partial(counting.piece, workspace=hour.workspace, since=since, hour=hour.start)
            since, part = await self._readers.read(question, hour.name)
            counted = counting.together(counted, part)
        before = await self._readers.read(partial(sums.kept, hour=hour), hour.name)
        if hour.start + HOUR_US < self._clock() - int(self._retention.deliveries_s * SECOND_US):
            # The ledger may have forgotten by now whom it was told.
            counted = {
                group: counts.with_notified(before.get(group, NONE).of("notified")) for group, counts in counted.items()
            }
        return counted, sums.different(before, counted)

    async def _keep_counts(self, hour: Hour, changed: Sequence[Group], counted: Mapping[Group, Counts]) -> None:
        parts = sums.parts(changed)
        for number, part in enumerate(parts, 1):
            ended_us = self._clock() if number == len(parts) else None
            job = partial(sums.write, hour=hour, part=part, counted=counted, ended_us=ended_us)
            if not await self._writer.run(job, workspace=hour.name):
                return


def page(connection: Connection, query: AggregateQuery) -> AggregatePage:
    """Counts, and how fresh they are."""
    rows = connection.execute(NUMBER, (query.workspace,)).fetchall()
    if not rows:
        return AggregatePage(rows=(), freshness=Freshness(hours_waiting=0, changed_us=None, counted_us=None))
    workspace = rows[0][0]
    names = dict(connection.execute(CHANNELS, (workspace,)).fetchall())
    waiting, changed, counted = connection.execute(FRESHNESS, (workspace, query.since_us, query.until_us)).fetchone()
    sql, values = statement(workspace, query, _visible(names, query))
    found = connection.execute(sql, values).fetchall()
    begin = connection.execute(FIRST_HOUR, (workspace,)).fetchone()[0] if query.only_rules else None
    places = _places(query)
    figures = {tuple(row[: len(places)]): tuple(row[len(places) :]) for row in found[: query.limit]}
    times = _times(connection, workspace, query, names, figures) if query.with_times and figures else {}
    return AggregatePage(
        rows=tuple(
            _row(dict(zip(places, place, strict=True)), Counts(figures[place], times.get(place, {})), names)
            for place in figures
            # Without a group there is one row, also of nothing.
            if figures[place][0] is not None
        ),
        freshness=Freshness(hours_waiting=waiting, changed_us=changed, counted_us=counted or None),
        begin_us=begin,
        is_cut=len(found) > query.limit,
    )


def statement(workspace: int, query: AggregateQuery, channels: Sequence[int] | None) -> tuple[str, list[Any]]:
    """The figures of what a query means. `channels`: only these; None: all."""
    condition, values = _condition(workspace, query, channels)
    places = _places(query)
    order = "ORDER BY CAST(sum(alerts) AS INTEGER) DESC" if query.by_alerts else "ORDER BY 1"
    grouped = f"GROUP BY {', '.join(places)} {order}" if places else ""
    columns = ", ".join([*places, _FIGURES])
    return f"SELECT {columns} FROM aggregate WHERE {condition} {grouped} LIMIT {query.limit + 1}", values  # noqa: S608


def times_statement(
    workspace: int, query: AggregateQuery, channels: Sequence[int] | None, rules: Sequence[str] | None
) -> tuple[str, list[Any]]:
    """The histograms of the same. `rules`: only of these."""
    condition, values = _condition(workspace, query, channels)
    if rules is not None:
        condition += " AND rule IN (SELECT value FROM json_each(?))"
        values.append(_json(rules))
    columns = ", ".join([*_places(query), "times"])
    return f"SELECT {columns} FROM aggregate WHERE {condition} AND times <> '{{}}'", values  # noqa: S608


def _times(
    connection: Connection,
    workspace: int,
    query: AggregateQuery,
    names: Mapping[int, str],
    wanted: Mapping[tuple[Any, ...], Any],
) -> dict[tuple[Any, ...], dict[int, int]]:
    rules = None
    if Dimension.RULE in query.group:
        rules = sorted({key[_places(query).index("rule")] for key in wanted})
    sql, values = times_statement(workspace, query, _visible(names, query), rules)
    times: dict[tuple[Any, ...], dict[int, int]] = {}
    for *key, text in connection.execute(sql, values):
        if (place := tuple(key)) in wanted:
            bins = times.setdefault(place, {})
            for number, count in sums.decode_times(text).items():
                bins[number] = bins.get(number, 0) + count
    return times


def _places(query: AggregateQuery) -> list[str]:
    columns = [] if query.width is None else ["start"]
    return columns + [_COLUMN[dimension] for dimension in query.group]


def _condition(workspace: int, query: AggregateQuery, channels: Sequence[int] | None) -> tuple[str, list[Any]]:
    is_by_rule = query.rule_id is not None or Dimension.RULE in query.group
    texts = ["workspace = ?", "detail = ?", "width = ?", "start >= ?", "start < ?"]
    width = sums.WIDTHS[query.width or _longest(query)]
    values: list[Any] = [workspace, sums.BY_RULE if is_by_rule else sums.ALL_RULES, width]
    values += [query.since_us, query.until_us]
    if channels is not None:
        texts.append("channel IN (SELECT CAST(value AS INTEGER) FROM json_each(?))")
        values.append(_json(channels))
    if query.rule_id is not None:
        texts.append("rule = ?")
        values.append(query.rule_id)
    if query.only_rules:
        texts.append("rule <> ''")
    if query.severities:
        ranks = sorted({SEVERITIES[each] for each in query.severities})
        texts.append(f"severity IN ({', '.join(map(str, ranks))})")
    return " AND ".join(texts), values


def _longest(query: AggregateQuery) -> Width:
    """The longest stretches that make up the time that was asked for: fewer rows to add up."""
    for width in (Width.MONTH, Width.WEEK):
        if start_of(width, query.since_us) == query.since_us and start_of(width, query.until_us) == query.until_us:
            return width
    return Width.DAY


def _visible(names: Mapping[int, str], query: AggregateQuery) -> list[int] | None:
    if query.frameworks is None and query.framework is None:
        return None
    return sorted(
        number
        for number, name in names.items()
        if query.framework in (None, name) and (query.frameworks is None or name in query.frameworks)
    )


def _row(place: Mapping[str, Any], counts: Counts, names: Mapping[int, str]) -> AggregateRow:
    return AggregateRow(
        counts=counts,
        start=place.get("start"),
        framework=names[place["channel"]] if "channel" in place else None,
        rule_id=place.get("rule"),
        severity=_SEVERITY[place["severity"]] if "severity" in place else None,
    )


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
