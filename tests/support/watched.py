"""A machine with rules, and the readings that it is told."""

from __future__ import annotations

from typing import Any

from protocol.commands import Observe
from protocol.model import EventKind, Reason, Status
from protocol.orders import Orders
from protocol.rules import Rule, ThresholdRule
from tests.unit.test_core_channel import Channel, outcome

SECOND = 1_000_000
BELOW = (Status.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD)
PENDING = (Status.PENDING, Reason.PENDING)
RESOLVED = (Status.RESOLVED, Reason.RESOLVED)


def a_rule(**fields: Any) -> ThresholdRule:
    return ThresholdRule(**{"id": "hot", "framework": "f", "metric": "temp", "threshold": 50.0} | fields)


class Watched(Channel):
    """A channel with rules of its own."""

    def __init__(self, *rules: Rule, **policy: Any) -> None:
        super().__init__(**policy)
        self.obey(*rules)

    def obey(self, *rules: Rule) -> None:
        self.orders = Orders(rules=rules)

    def read(self, value: float, after: float = 0.0, metric: str = "temp", ago: float = 0.0, **labels: str) -> Any:
        """What a reading is answered; it is of `ago` seconds before it comes."""
        self.now += int(after * SECOND)
        (result,) = self.send(Observe(metric=metric, value=value, at=self.now - int(ago * SECOND), labels=labels))
        return outcome(result)

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]
