"""What insights of a workspace are reckoned from, read from the store: alerts, rules, and the metrics of frameworks.

Owns nothing. Handed on as it came, page by page: what is read here is decoded in a process (`insight_worker`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import trio

from engine.analytics.insight_worker import HeldRule, KnownFramework, Look, MetricHours
from engine.analytics.leisure import PAGE_ALERTS, at_leisure
from engine.core.analytics.calendar import DAY_US
from engine.pages import PAGE_MAX
from engine.shelf.kinds import Held, ShelfQuery
from engine.shelf.objects import Shelf
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.readings import PAGE_MAX_READINGS, ReadingQuery, Resolution
from protocol.directory import Framework
from protocol.escalation import Escalation
from protocol.model import Principal, Severity
from protocol.rules import Rule
from protocol.times import parse_rfc3339

# About 17 MB of text: what a process decodes in a second.
ALERTS_MAX = 50_000
LOOKED_AT_DAYS = 14
# The day itself, and a week before it to hold it against.
HOURS_DAYS = 8
# Of one framework: a thousand hours of a hundred series, about 3 MB. What is left out is said in the insight.
METRICS_MAX, HOUR_PAGES_MAX = 50, 20
# Of one framework: fifty thousand series, those of the last year included, are read in a few seconds.
SERIES_AT_ONCE, SERIES_PAGES_MAX = PAGE_MAX, 100
T = TypeVar("T")


class WorkspaceRead(NamedTuple):
    """What a process is to look at, how many alerts are in it, whether there are more, and how many metrics were left
    out."""

    look: Look
    alerts: int
    is_cut: bool
    metrics_left_out: int


class InsightReading:
    """Reads. All raise StoreUnavailable."""

    def __init__(self, store: Store, shelves: Shelves) -> None:
        self._store = store
        self._shelves = shelves

    async def read(self, who: Principal, until: int) -> WorkspaceRead:
        """All of the workspace of `who` up to then (microseconds)."""
        history, alerts, is_cut = await self._history(who.workspace, until)
        known = [await self._known(who, each, until) async for each in _all(self._shelves.frameworks, who)]
        look = Look(tuple(history), tuple([each for each, _ in known]), tuple(await self._rules(who)), until)
        return WorkspaceRead(look, alerts, is_cut, sum(left_out for _, left_out in known))

    async def _history(self, workspace: str, until: int) -> tuple[list[str], int, bool]:
        """Pages of alerts, the newest days first, how many alerts that is, and whether there are more."""
        pages, count = list[str](), 0
        for day in range(LOOKED_AT_DAYS):
            after: str | None = None
            while True:
                since = until - (day + 1) * DAY_US
                read = self._store.alert_history(workspace, since, since + DAY_US, after, PAGE_ALERTS)
                page = await at_leisure(read)
                pages.append(page.rows)
                count += page.count
                if count > ALERTS_MAX:
                    return pages, count, True
                if (after := page.after) is None:
                    break
        return pages, count, False

    async def _known(self, who: Principal, framework: Framework, until: int) -> tuple[KnownFramework, int]:
        """A framework with the hours of its mapped metrics, and how many of these were left out."""
        alive, is_cut = await self._alive(who.workspace, framework.id, until)
        mapped = [metric for metric in alive if metric in framework.metrics]
        hours = tuple([await self._hours(who.workspace, framework.id, each, until) for each in mapped[:METRICS_MAX]])
        left_out = len(mapped) - len(hours) + is_cut
        note = f"{left_out} metrics were left out, limit {METRICS_MAX}" if left_out else None
        if is_cut:
            note = f"series were left out, limit {SERIES_AT_ONCE * SERIES_PAGES_MAX:,}"
        known = KnownFramework(framework.id, framework.metrics, framework.owner, tuple(alive), hours, note)
        return known, left_out

    async def _alive(self, workspace: str, framework: str, until: int) -> tuple[list[str], bool]:
        """The metrics that had a reading in the last day, and whether there are series that were not asked.

        All are asked, page by page: series that are over came up first.
        """
        alive: dict[str, None] = {}
        cursor: str | None = None
        for _ in range(SERIES_PAGES_MAX):
            page = await self._store.series(workspace, framework, cursor, SERIES_AT_ONCE)
            fresh = [
                each.metric for each in page.items if each.last_at and parse_rfc3339(each.last_at) > until - DAY_US
            ]
            alive.update(dict.fromkeys(fresh))
            if (cursor := page.next_cursor) is None:
                return list(alive), False
        return list(alive), True

    async def _hours(self, workspace: str, framework: str, metric: str, until: int) -> MetricHours:
        pages, cursor = list[bytes](), ""
        while len(pages) < HOUR_PAGES_MAX:
            query = ReadingQuery(
                workspace=workspace,
                framework=framework,
                metric=metric,
                since_us=until - HOURS_DAYS * DAY_US,
                until_us=until,
                resolution=Resolution.HOUR,
                cursor=cursor or None,
                limit=PAGE_MAX_READINGS,
            )
            page = await at_leisure(self._store.readings(query))
            pages.append(msgspec.json.encode(page.items))
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        return MetricHours(metric, tuple(pages))

    async def _rules(self, who: Principal) -> list[bytes]:
        """Pages of the rules that hold, packed one by one: all at once would hold up the loop."""
        chains = [chain async for chain in _all(self._shelves.escalations, who)]
        pages = list[bytes]()
        async for held in _pages(self._shelves.rules, who):
            pages.append(msgspec.msgpack.encode([_held_rule(each, chains) for each in held]))
            await trio.lowlevel.checkpoint()
        return pages


def _held_rule(held: Held[Rule], chains: Sequence[Escalation]) -> HeldRule:
    return HeldRule(held.value, held.version, any(_is_for(chain, held.value) for chain in chains))


def _is_for(chain: Escalation, rule: Rule) -> bool:
    """Whether a chain begins for the loud alerts of a rule."""
    means_all = not chain.rules and not chain.frameworks
    is_meant = means_all or rule.id in chain.rules or rule.framework in chain.frameworks
    return chain.enabled and bool(chain.steps) and is_meant and chain.min_severity.rank <= Severity.ERROR.rank


async def _pages(shelf: Shelf[T], who: Principal) -> AsyncIterator[Sequence[Held[T]]]:
    query = ShelfQuery()
    while True:
        page = await shelf.page(who, query)
        yield page.items
        if page.next_cursor is None:
            return
        query = ShelfQuery(cursor=page.next_cursor)


async def _all(shelf: Shelf[T], who: Principal) -> AsyncIterator[T]:
    async for page in _pages(shelf, who):
        for held in page:
            yield held.value
