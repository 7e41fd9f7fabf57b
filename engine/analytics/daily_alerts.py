"""How many alerts there were each day, by framework and rule: what predictions of counts are made and scored from.

From the counts that are kept anyway (`engine.analytics.counting`): two small questions a day, so that a workspace of a
million alerts costs no more than one of ten. Of a day with more rules than are told apart the rest is told with its
framework, without a rule.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from engine.analytics.leisure import at_leisure
from engine.core.analytics.calendar import DAY_US
from engine.stores.aggregates import AggregatePage, AggregateQuery, AggregateStore, Dimension

# Of one day, those that rang most.
RULES_MAX = 1_000
FRAMEWORKS_MAX = 5_000
# Framework, rule (None: of none, or of one that rang little), day since 1970, alerts.
Row = tuple[str, str | None, int, int]


class DailyAlerts(Protocol):
    """Whoever knows. Days are whole days of UTC, as numbers since 1970."""

    async def counts(self, workspace: str, since_day: int, until_day: int) -> list[Row] | None:
        """Alerts triggered from the one day on, before the other; None: they are not counted yet.

        Raises StoreUnavailable.
        """


class AlertDays:
    """Asks the store, as `DailyAlerts`."""

    def __init__(self, store: AggregateStore) -> None:
        self._store = store

    async def counts(self, workspace: str, since_day: int, until_day: int) -> list[Row] | None:
        """Alerts by day; None until what was there before there were counts is counted. Raises StoreUnavailable."""
        rows: list[Row] = []
        for day in range(since_day, until_day):
            whole = await self._ask(workspace, day, FRAMEWORKS_MAX, Dimension.FRAMEWORK)
            if whole.freshness.changed_us == 0:
                return None
            if not whole.rows:
                continue
            rest = Counter({row.framework or "": row.counts.alerts for row in whole.rows})
            parts = await self._ask(workspace, day, RULES_MAX, Dimension.FRAMEWORK, Dimension.RULE)
            for row in parts.rows:
                if row.rule_id:
                    rows.append((row.framework or "", row.rule_id, day, row.counts.alerts))
                    rest[row.framework or ""] -= row.counts.alerts
            rows += [(framework, None, day, count) for framework, count in rest.items() if count > 0]
        return rows

    async def _ask(self, workspace: str, day: int, limit: int, *group: Dimension) -> AggregatePage:
        return await at_leisure(
            self._store.aggregates(
                AggregateQuery(
                    workspace=workspace,
                    since_us=day * DAY_US,
                    until_us=(day + 1) * DAY_US,
                    group=group,
                    only_rules=Dimension.RULE in group,
                    by_alerts=True,
                    limit=limit,
                    with_times=False,
                )
            )
        )
