"""Kept findings: page by page, and those that this version can read. What another version wrote in its own words is in
no list, and logged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
import structlog

from engine.analytics.leisure import at_leisure
from engine.stores.findings import Finding, FindingQuery, FindingStore

log = structlog.get_logger()
T = TypeVar("T")


async def pages_of(
    store: FindingStore, query: FindingQuery, pages_max: int | None = None
) -> AsyncGenerator[Sequence[Finding], None]:
    """All that are asked for (None), or so many pages, of `query.limit` each, at leisure. Raises StoreUnavailable."""
    count, is_more = 0, True
    while is_more and count != pages_max:
        page = await at_leisure(store.findings(query))
        yield page.items
        count, is_more = count + 1, page.next_cursor is not None
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def readable(findings: Iterable[Finding], read: Callable[[Finding], T]) -> list[T]:
    """Those that `read` can make something of, in order."""
    found: list[T] = []
    for each in findings:
        try:
            found.append(read(each))
        except (msgspec.DecodeError, ValueError) as fault:
            log.warning("finding_unreadable", workspace=each.workspace, kind=each.kind, key=each.key, cause=str(fault))
    return found
