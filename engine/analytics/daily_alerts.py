"""How many alerts there were each day, by framework and rule: what predictions of counts are made and scored from.

Read day by day, the newest first, so that a workspace with more alerts than are read at once has fewer days, which is
said, and none that is counted in part.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from engine.stores import Store
from engine.stores.findings import decode_history
from protocol.times import SECOND_US

DAY_US = 86_400 * SECOND_US
# Decoded on the loop: 4 ms.
PAGE = 2_000
# Of one workspace in one run: about a minute.
ALERTS_MAX = 500_000
# Framework, rule (None: of none), day since 1970, alerts.
Row = tuple[str, str | None, int, int]


class DailyAlerts(Protocol):
    """Whoever knows. Days are whole days of UTC, as numbers since 1970."""

    async def counts(self, workspace: str, since_day: int, until_day: int) -> list[Row]:
        """Alerts triggered from the one day on, before the other. Raises StoreUnavailable."""


class AlertDays:
    """Counts the alerts in the store, as `DailyAlerts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def counts(self, workspace: str, since_day: int, until_day: int) -> list[Row]:
        """Alerts by day; fewer days, if there were more than ALERTS_MAX. Raises StoreUnavailable."""
        rows: list[Row] = []
        read = 0
        for day in reversed(range(since_day, until_day)):
            counts = await self._day(workspace, day)
            read += counts.total()
            if read > ALERTS_MAX and rows:
                break
            rows += [(framework, rule_id, day, count) for (framework, rule_id), count in counts.items()]
        return rows

    async def _day(self, workspace: str, day: int) -> Counter[tuple[str, str | None]]:
        counts: Counter[tuple[str, str | None]] = Counter()
        after: str | None = ""
        while after is not None:
            page = await self._store.alert_history(workspace, day * DAY_US, (day + 1) * DAY_US, after or None, PAGE)
            counts.update((row.framework, row.rule_id) for row in decode_history(page.rows))
            after = page.after
        return counts
