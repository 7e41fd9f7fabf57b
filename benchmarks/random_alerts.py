"""Random alerts as a store is given them, and what counting them by hand comes to: late ones, and ones that change."""

# ruff: noqa: S311  # draws from a seed

from __future__ import annotations

import random

from benchmarks.counted_by_hand import Whose, changed, counted
from engine.core.analytics.calendar import DAY_US, Width, start_of
from engine.core.analytics.counts import NONE, Counts
from protocol.commands import Batch
from protocol.effects import Commit, Decision
from protocol.model import Alert, AlertState, ChannelKey, Severity
from protocol.rows import Row, SuppressionWindow
from protocol.times import parse_rfc3339, rfc3339

WORKSPACE = "bench"
KEYS = [ChannelKey(WORKSPACE, f"framework-{n}") for n in range(5)]
RULES = [None, *(f"rule-{n}" for n in range(10))]
# Alerts that may still change.
POOL = 5_000


class Stream:
    """Random alerts of some channels, and what they come to; those in the pool may still change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pool: dict[str, Alert] = {}
        self.hours: dict[Whose, Counts] = {}
        self.made = 0
        self._offsets = dict.fromkeys(KEYS, 0)

    def commit(self, now: int, fresh: int) -> Commit:
        """So many new alerts of one channel, and changes of some that there are."""
        key = self.random.choice(KEYS)
        alerts = [self._new(key, now) for _ in range(fresh)]
        known = [alert for alert in self.pool.values() if alert.framework_id == key.framework]
        alerts += [changed(alert, now, self.random) for alert in self.random.sample(known, min(len(known), fresh // 3))]
        self.pool |= {alert.id: alert for alert in alerts}
        while len(self.pool) > POOL:
            self._settle(self.pool.pop(next(iter(self.pool))))
        base = self._offsets[key]
        rows = [Row(alert=alert, identity=alert.id, window=SuppressionWindow(until=now)) for alert in alerts]
        decision = Decision(results=(), offset=base, events=(), rows=tuple(rows))
        return Commit(key, base, Batch(f"{self.made}-{now}", now, ()), decision)

    def finish(self) -> None:
        """Nothing changes any more."""
        for alert in self.pool.values():
            self._settle(alert)
        self.pool.clear()

    def _new(self, key: ChannelKey, now: int) -> Alert:
        self.made += 1
        # One in eight comes late, by up to two weeks.
        late = self.random.randrange(14 * DAY_US) if self.random.random() < 1 / 8 else 0
        at = rfc3339(now - late)
        return Alert(
            id=f"{now // 1_000:012x}-{self.made:012x}",
            framework_id=key.framework,
            severity=self.random.choice(list(Severity)),
            state=AlertState.ACTIVE,
            current_value=97.5,
            threshold_value=90.0,
            title="Checkout is slow",
            occurrences=1,
            triggered_at=at,
            last_seen_at=at,
            notification_sent=False,
            rule_id=self.random.choice(RULES),
        )

    def _settle(self, alert: Alert) -> None:
        counts = counted(alert)
        start = start_of(Width.HOUR, parse_rfc3339(alert.triggered_at))
        whose = Whose(start, alert.framework_id, alert.rule_id or "", alert.severity)
        self.hours[whose] = self.hours.get(whose, NONE).plus(counts)
