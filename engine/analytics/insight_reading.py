"""What insights of a workspace are reckoned from, read from the store: alerts, the metrics of frameworks, and what
people have applied; and the readings that a measure is tried on.

Owns nothing. Handed on as it came, page by page, to what decodes it (`insight_worker`).
"""

from __future__ import annotations

import msgspec

from engine.analytics.hours import HOURS_MAX, pages_of_hours
from engine.analytics.insight_findings import INSIGHT, RECOMMENDATION, recommendation_of
from engine.analytics.insight_tasks import KnownFramework, Look, LookAt, Mapped, MetricHours, Try, TryOn
from engine.analytics.leisure import PAGE_ALERTS, at_leisure
from engine.analytics.readable import pages_of, readable
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.trends import TREND_DAYS
from engine.pages import PAGE_MAX
from engine.stores import Store
from engine.stores.findings import FindingQuery
from engine.trying.stored import StoredReadings
from engine.verbs.readings import ReadingVerbs
from protocol.errors import BadRequest
from protocol.insights import Recommendation, RecommendationState
from protocol.model import NEVER_EXPIRES, Principal
from protocol.times import parse_rfc3339

# About 17 MB of text: what a process decodes in a second.
ALERTS_MAX = 50_000
LOOKED_AT_DAYS = 14
# The day itself, and a week before it to hold it against.
HOURS_DAYS = 8
# Of one framework; HOURS_MAX of each are about 3 MB. What is left out is said in the insight.
METRICS_MAX = 50
# Of all frameworks: what a process of a gibibyte can hold besides alerts (1,150,000 took 400 MB of it).
HOURS_IN_ALL_MAX = 1_500_000
# Of one framework: fifty thousand series, those of the last year included, are read in a few seconds.
SERIES_AT_ONCE, SERIES_PAGES_MAX = PAGE_MAX, 100
# Scores of a month, of sixteen hundred frameworks; a trend says how many it has.
SCORE_PAGES_MAX = 100


async def read_look(store: Store, asked: LookAt) -> Look:
    """All that is to be looked at. Raises StoreUnavailable."""
    return await _LookReading(store, asked.workspace, asked.until).read(asked)


async def read_try(store: Store, asked: TryOn) -> Try:
    """What measures are to be tried on. Raises StoreUnavailable."""

    def now() -> int:
        return asked.until

    stored = StoredReadings(ReadingVerbs(store, now, asked.kept), asked.kept, now)
    who = reader_of(asked.workspace)
    try:
        pages = (await stored.of(who, asked.suspect.held.rule, asked.since, asked.until, None)).pages
    except BadRequest:
        # Too many of them, however they are rolled up.
        pages = []
    return Try(asked, tuple(pages))


def reader_of(workspace: str) -> Principal:
    """Who reads for a workspace's insights: nobody, with nobody's token."""
    return Principal(workspace=workspace, user="insights", role="viewer", expires_at=NEVER_EXPIRES)


class _LookReading:
    def __init__(self, store: Store, workspace: str, until: int) -> None:
        self._store = store
        self._workspace = workspace
        self._until = until
        self._hours_read = 0

    async def read(self, asked: LookAt) -> Look:
        history, alerts, is_cut = await self._history()
        read = [await self._known(each) for each in asked.frameworks]
        return Look(
            tuple(history),
            tuple([each for each, _ in read]),
            asked.rules,
            asked.until,
            asked.archived,
            alerts,
            is_cut,
            sum(left_out for _, left_out in read),
            tuple(await self._applied()),
            await self._past(),
        )

    async def _past(self) -> dict[str, dict[int, float]]:
        """Of each framework the scores that were kept, by how many days ago; of many frameworks the newest."""
        query = FindingQuery(
            workspace=self._workspace,
            kind=INSIGHT,
            since_us=self._until - (max(TREND_DAYS) + 1) * DAY_US,
            limit=PAGE_MAX,
        )
        scores: dict[str, dict[int, float]] = {}
        today = self._until // DAY_US
        async for page in pages_of(self._store, query, SCORE_PAGES_MAX):
            for kept in page:
                if kept.score is not None:
                    scores.setdefault(kept.framework or "", {})[today - kept.at // DAY_US] = kept.score
        return scores

    async def _history(self) -> tuple[list[str], int, bool]:
        """Pages of alerts, the newest days first, how many alerts that is, and whether there are more."""
        pages, count = list[str](), 0
        for day in range(LOOKED_AT_DAYS):
            after: str | None = None
            while True:
                since = self._until - (day + 1) * DAY_US
                read = self._store.alert_history(self._workspace, since, since + DAY_US, after, PAGE_ALERTS)
                page = await at_leisure(read)
                pages.append(page.rows)
                count += page.count
                if count > ALERTS_MAX:
                    return pages, count, True
                if (after := page.after) is None:
                    break
        return pages, count, False

    async def _applied(self) -> list[Recommendation]:
        """What people have applied: no more than they have clicked on, as long as findings are kept."""
        applied = (RecommendationState.APPLIED.value,)
        query = FindingQuery(workspace=self._workspace, kind=RECOMMENDATION, states=applied, limit=PAGE_MAX)
        return [one async for page in pages_of(self._store, query) for one in readable(page, recommendation_of)]

    async def _known(self, framework: Mapped) -> tuple[KnownFramework, int]:
        """A framework with the hours of its mapped metrics, and how many of these were left out."""
        alive, is_cut = await self._alive(framework.id)
        mapped = [metric for metric in alive if metric in framework.metrics]
        read = [await self._hours(framework.id, each) for each in mapped[:METRICS_MAX]]
        many = [hours.metric for hours, is_whole in read if not is_whole]
        left_out = len(mapped) - len(read) + is_cut + len(many)
        notes = []
        if is_cut:
            notes.append(f"series were left out, limit {SERIES_AT_ONCE * SERIES_PAGES_MAX:,}")
        if len(mapped) > len(read):
            notes.append(f"metrics were left out ({len(mapped) - len(read)}), limit {METRICS_MAX}")
        if many:
            limit = f"{HOURS_MAX:,} a metric" if self._has_room else f"{HOURS_IN_ALL_MAX:,} a workspace"
            notes.append(f"hours of {', '.join(many[:3])} were left out, limit {limit}")
        hours = tuple([each for each, _ in read])
        known = KnownFramework(
            framework.id, framework.metrics, framework.owner, tuple(alive), hours, "; ".join(notes) or None
        )
        return known, left_out

    async def _alive(self, framework: str) -> tuple[list[str], bool]:
        """The metrics that had a reading in the last day, and whether there are series that were not asked.

        All are asked, page by page: series that are over came up first.
        """
        alive: dict[str, None] = {}
        cursor: str | None = None
        for _ in range(SERIES_PAGES_MAX):
            page = await at_leisure(self._store.series(self._workspace, framework, cursor, SERIES_AT_ONCE))
            since = self._until - DAY_US
            fresh = [each.metric for each in page.items if each.last_at and parse_rfc3339(each.last_at) > since]
            alive.update(dict.fromkeys(fresh))
            if (cursor := page.next_cursor) is None:
                return list(alive), False
        return list(alive), True

    async def _hours(self, framework: str, metric: str) -> tuple[MetricHours, bool]:
        """The hours of a metric, and whether these are all."""
        pages, is_whole = list[bytes](), False
        span = self._until - HOURS_DAYS * DAY_US, self._until
        at_most = min(HOURS_MAX, HOURS_IN_ALL_MAX - self._hours_read)
        read = pages_of_hours(self._store, self._workspace, (framework, metric), span, at_most=at_most)
        async for page in read:
            pages.append(msgspec.json.encode(page.items))
            self._hours_read += len(page.items)
            is_whole = page.next_cursor is None
        return MetricHours(metric, tuple(pages)), is_whole

    @property
    def _has_room(self) -> bool:
        return self._hours_read < HOURS_IN_ALL_MAX
