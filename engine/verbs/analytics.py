"""The verbs for counts of alerts: by time, by hour of the week, by rule. Whoever may read may ask of what he may see.

Owns nothing. Answers are remembered (`engine.cache.strategies.STATISTICS`) until something of the workspace is counted
anew. They are made a few rows at a time, so that a long one holds nobody up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import trio

from actors.ports import Clock
from engine.access.roles import check, check_framework
from engine.cache.cache import Cache
from engine.cache.strategies import STATISTICS, Key, Statistics
from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US, Width, end_of, start_of
from engine.core.analytics.counts import total
from engine.core.analytics.figures import fields_of, figures_of, quality_of, watched_us
from engine.core.analytics.heatmap import heat_map
from engine.core.zones import is_zone
from engine.stores import Store
from engine.stores.aggregates import AggregatePage, AggregateQuery, AggregateRow, Dimension, Freshness
from engine.verbs.predictions import leads_of_rules
from protocol.analytics import Analytics, CountedAlerts, Fresh, HeatMap, RuleQuality, RulesQuality
from protocol.errors import BadRequest
from protocol.model import Principal, Severity
from protocol.names import check_id
from protocol.times import SECOND_US, TIME_MAX_US, rfc3339

T = TypeVar("T", Analytics, HeatMap, RulesQuality)

# A year of hours by the month is one question, of hours it is nine.
STRETCHES_MAX = 1_000
# Some hundred kB of JSON.
ROWS_MAX = 2_000
RULES_MAX = 500
# A quarter: 2,208 hours, sorted within some milliseconds.
HEAT_MAP_MAX_US = 92 * DAY_US
ROWS_AT_ONCE = 100
# December of the year 9999: a week, or month, that ends later could not be written down.
LATEST_US = TIME_MAX_US + SECOND_US - 31 * DAY_US
_DEFAULT_SPAN_US = {
    Width.HOUR: 2 * DAY_US,
    Width.DAY: 30 * DAY_US,
    Width.WEEK: 26 * WEEK_US,
    Width.MONTH: 365 * DAY_US,
    None: 30 * DAY_US,
}


class Asked(NamedTuple):
    """Which alerts: triggered from `since_us` on, before `until_us` (None: as is usual), and of whom."""

    since_us: int | None = None
    until_us: int | None = None
    framework: str | None = None
    rule_id: str | None = None
    severities: tuple[Severity, ...] = ()


class AnalyticsVerbs:
    """Answers questions about many alerts of the asker's workspace."""

    def __init__(self, store: Store, cache: Cache, clock: Clock) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock

    async def counts(
        self, who: Principal, asked: Asked, width: Width | None, group: Sequence[Dimension] = ()
    ) -> Analytics:
        """Alerts by hour, day, week or month (None: all together). Raises BadRequest, PermissionDenied,
        StoreUnavailable."""
        query = self._query(who, asked, width, width or Width.DAY)
        query = msgspec.structs.replace(query, group=tuple(dict.fromkeys(group)), limit=ROWS_MAX)
        _check_length(query)

        async def answer() -> Analytics:
            page = await self._store.aggregates(query)
            if page.is_cut:
                raise BadRequest(
                    f"this has more than {ROWS_MAX:,} rows: ask for a shorter time, a larger `by`, or one framework"
                )
            return Analytics(
                by="total" if width is None else width.value,
                since=rfc3339(query.since_us),
                until=rfc3339(query.until_us),
                group=[each.value for each in query.group],
                items=await _shown(page.rows, query),
                totals=figures_of(total(row.counts for row in page.rows)),
                fresh=_fresh(page.freshness),
            )

        return await self._remembered("counts", query, Analytics, answer)

    async def heat_map(self, who: Principal, asked: Asked, zone: str) -> HeatMap:
        """When alerts come, in the hours of a week. Raises BadRequest, PermissionDenied, StoreUnavailable."""
        if not is_zone(zone):
            raise BadRequest(f"zone: {zone[:64]!r} is no time zone: use a name such as Europe/Berlin, or UTC")
        default = _DEFAULT_SPAN_US[None] if asked.since_us is None else 0
        query = self._query(who, asked, Width.HOUR, Width.HOUR, default or None)
        if query.until_us - query.since_us > HEAT_MAP_MAX_US:
            raise BadRequest(f"since: more than {HEAT_MAP_MAX_US // DAY_US} days before until: ask for a shorter time")
        query = msgspec.structs.replace(query, limit=HEAT_MAP_MAX_US // HOUR_US, with_times=False)

        async def answer() -> HeatMap:
            page = await self._store.aggregates(query)
            by_hour = {row.start: row.counts.alerts for row in page.rows if row.start is not None}
            alerts, hours = heat_map(by_hour, query.since_us, query.until_us, ZoneInfo(zone))
            return HeatMap(
                zone=zone,
                since=rfc3339(query.since_us),
                until=rfc3339(query.until_us),
                alerts=alerts,
                hours=hours,
                fresh=_fresh(page.freshness),
            )

        return await self._remembered(f"heat map {zone}", query, HeatMap, answer)

    async def rules(self, who: Principal, asked: Asked, limit: int) -> RulesQuality:
        """How good the rules are. Raises BadRequest, PermissionDenied, StoreUnavailable."""
        query = self._query(who, asked, None, Width.DAY)
        query = msgspec.structs.replace(
            query, group=(Dimension.FRAMEWORK, Dimension.RULE), by_alerts=True, only_rules=True, limit=limit
        )

        async def answer() -> RulesQuality:
            page: AggregatePage = await self._store.aggregates(query)
            span = watched_us(query.since_us, query.until_us, page.begin_us)
            leads = await leads_of_rules(self._store, who.workspace, query.frameworks, query.since_us, query.until_us)
            return RulesQuality(
                since=rfc3339(query.since_us),
                until=rfc3339(query.until_us),
                items=[_quality(row, span, leads) for row in page.rows],
                is_cut=page.is_cut,
                fresh=_fresh(page.freshness),
            )

        return await self._remembered("rules", query, RulesQuality, answer)

    def _query(
        self, who: Principal, asked: Asked, width: Width | None, step: Width, span_us: int | None = None
    ) -> AggregateQuery:
        """`step`: what `since` and `until` are the beginning of."""
        _check_may(who, asked)
        # What happens in this moment is asked for, too.
        until = self._clock() + 1 if asked.until_us is None else min(asked.until_us, LATEST_US)
        since = until - (span_us or _DEFAULT_SPAN_US[width]) if asked.since_us is None else asked.since_us
        if since >= until:
            raise BadRequest("since is not before until: use an earlier since, or a later until")
        since, until = start_of(step, max(since, 0)), end_of(step, until - 1)
        return AggregateQuery(
            workspace=who.workspace,
            since_us=since,
            until_us=until,
            width=width,
            frameworks=None if who.channels is None else tuple(sorted(who.channels)),
            framework=asked.framework,
            rule_id=asked.rule_id,
            severities=asked.severities,
        )

    async def _remembered(
        self, what: str, query: AggregateQuery, kind: type[T], answer: Callable[[], Awaitable[T]]
    ) -> T:
        digest = blake2b(msgspec.msgpack.encode(query), digest_size=16).hexdigest()

        async def load() -> Statistics:
            return Statistics(at=self._clock(), numbers={}, answer=msgspec.json.encode(await answer()))

        key = Key(query.workspace, query.framework, (what, digest))
        return msgspec.json.decode((await self._cache.get(STATISTICS, key, load)).answer, type=kind)


async def _shown(rows: Sequence[AggregateRow], query: AggregateQuery) -> list[CountedAlerts]:
    items = list[CountedAlerts]()
    for place, row in enumerate(rows):
        if place % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
            await trio.lowlevel.checkpoint()
        start = query.since_us if row.start is None else row.start
        until = query.until_us if query.width is None else end_of(query.width, start)
        items.append(
            CountedAlerts(
                since=rfc3339(start),
                until=rfc3339(until),
                framework_id=row.framework,
                rule_id=row.rule_id,
                severity=row.severity,
                **fields_of(row.counts),
            )
        )
    return items


def _check_length(query: AggregateQuery) -> None:
    """Raises BadRequest for more stretches of time than are told at once."""
    if query.width is not None:
        length = end_of(query.width, query.since_us) - query.since_us
        if (query.until_us - query.since_us) // length > STRETCHES_MAX:
            stretches = f"{STRETCHES_MAX:,} {query.width.value}s"
            raise BadRequest(f"this is more than {stretches}: ask for a shorter time, or a larger `by`")


def _quality(row: AggregateRow, span_us: int, leads: Mapping[str, Sequence[int]]) -> RuleQuality:
    rule_id = row.rule_id or ""
    return quality_of(rule_id, row.framework or "", row.counts, span_us, leads.get(rule_id, ()))


def _fresh(freshness: Freshness) -> Fresh:
    changed, counted = freshness.changed_us, freshness.counted_us
    return Fresh(
        hours_waiting=freshness.hours_waiting,
        changed_at=rfc3339(changed) if changed else None,
        counted_at=rfc3339(counted) if counted else None,
    )


def _check_may(who: Principal, asked: Asked) -> None:
    check(who, "read")
    if asked.framework is not None:
        check_id(asked.framework, "framework_id")
        check_framework(who, asked.framework)
    if asked.rule_id:
        check_id(asked.rule_id, "rule_id")
