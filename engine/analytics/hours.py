"""A metric's readings by the hour, as all read them who reckon with them: page by page, at leisure, so many at most.

Owns nothing. Who wants more than a metric's (of a rule, of a workspace) adds up by himself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from engine.analytics.leisure import at_leisure
from engine.stores import Store
from engine.stores.readings import PAGE_MAX_READINGS, ReadingPage, ReadingQuery, Resolution

# Of one metric: fifty series of three months, or five hundred of eight days.
HOURS_MAX = 100_000


async def pages_of_hours(
    store: Store,
    workspace: str,
    place: tuple[str, str],
    span: tuple[int, int],
    labels: Mapping[str, str] | None = None,
    *,
    at_once: int = PAGE_MAX_READINGS,
    at_most: int = HOURS_MAX,
) -> AsyncIterator[ReadingPage]:
    """The hours of `place` (framework, metric) within `span` (microseconds), of series that have these labels.

    `at_once`: of a page, fewer where they are decoded on the loop. The last page has a `next_cursor` if there are more
    than `at_most` (the page in which these are reached comes whole). Raises StoreUnavailable.
    """
    framework, metric = place
    query = ReadingQuery(
        workspace=workspace,
        framework=framework,
        metric=metric,
        labels=dict(labels or {}),
        since_us=span[0],
        until_us=span[1],
        resolution=Resolution.HOUR,
        limit=at_once,
    )
    count, is_more = 0, True
    while is_more and count < at_most:
        page = await at_leisure(store.readings(query))
        yield page
        count, is_more = count + len(page.items), page.next_cursor is not None
        query = msgspec.structs.replace(query, cursor=page.next_cursor)
