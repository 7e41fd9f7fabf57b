"""Keeps what was found, some at a time: what rings meanwhile is kept by the same writer, and does not wait for all."""

from __future__ import annotations

from collections.abc import Sequence

from engine.analytics.leisure import at_leisure
from engine.stores.findings import Finding, FindingStore

# About 3 ms of the writer's time.
KEPT_AT_ONCE = 100


async def keep(store: FindingStore, findings: Sequence[Finding]) -> set[tuple[str, str, str]]:
    """Writes findings; the (workspace, kind, key) of those that were not there before. Whoever breaks off and does it
    again keeps the same. Raises StoreUnavailable."""
    fresh: set[tuple[str, str, str]] = set()
    for start in range(0, len(findings), KEPT_AT_ONCE):
        fresh |= await at_leisure(store.put_findings(findings[start : start + KEPT_AT_ONCE]))
    return fresh
