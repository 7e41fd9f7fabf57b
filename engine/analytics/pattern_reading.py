"""What patterns are looked for in, read from the store: the alerts of the last eight weeks, and all that are known.

Backwards, until there are ALERTS_MAX. Handed on as it came, page by page. Owns nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.analytics.leisure import PAGE_ALERTS, at_leisure
from engine.analytics.pattern_findings import PATTERN, pattern_of
from engine.analytics.readable import pages_of, readable
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.patterns.mining import LOOKED_AT_DAYS
from engine.stores import Store
from engine.stores.findings import FindingQuery
from protocol.patterns import Pattern

# About 17 MB of text; a workspace has so many in eight weeks at 900 a day.
ALERTS_MAX = 50_000
# More than a person will ever say something about; the newest count.
KNOWN_MAX = 5_000
_KNOWN_AT_ONCE = 500


class History(NamedTuple):
    """Pages of alerts, how many alerts are in them, since when, and whether there are too many before that."""

    pages: list[str]
    alerts: int
    since: int
    is_cut: bool


async def read_history(store: Store, workspace: str, until: int) -> History:
    """The alerts of the last weeks, or of so many days that there are not too many of them. Raises StoreUnavailable."""
    pages, count, since = list[str](), 0, until
    for days in _stretches():
        begin = since - days * DAY_US
        stretch, more = await _stretch(store, workspace, begin, since, ALERTS_MAX - count)
        is_cut = count + more > ALERTS_MAX
        if is_cut and pages:
            # A part of a stretch would look as if it had been calm before.
            return History(pages, count, since, True)
        pages, count, since = [*stretch, *pages], count + more, begin
        if is_cut:
            # It is all that there is.
            break
    return History(pages, count, since, is_cut)


async def read_known(store: Store, workspace: str) -> list[Pattern]:
    """The patterns that are known, the newest KNOWN_MAX. Raises StoreUnavailable."""
    query = FindingQuery(workspace=workspace, kind=PATTERN, limit=_KNOWN_AT_ONCE)
    pages = pages_of(store, query, KNOWN_MAX // _KNOWN_AT_ONCE)
    return [pattern async for page in pages for pattern in readable(page, pattern_of)]


async def _stretch(store: Store, workspace: str, since: int, until: int, room: int) -> tuple[list[str], int]:
    """Pages of a time and how many alerts are in them: all, or a few more than there is room for."""
    pages, count, after = list[str](), 0, None
    while True:
        page = await at_leisure(store.alert_history(workspace, since, until, after, PAGE_ALERTS))
        pages.append(page.rows)
        count, after = count + page.count, page.after
        if after is None or count > room:
            return pages, count


def _stretches() -> list[int]:
    """Days at a time, the newest first: single ones of the last week, then weeks."""
    return [1] * 7 + [7] * (LOOKED_AT_DAYS // 7 - 1)
