"""A channel's machine with what quiets: what a store would have of it, a clock, and silences to send."""

from __future__ import annotations

from typing import Any

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Command, Ring
from protocol.effects import Decision, Recalled, StormNotice, StormState
from protocol.items import ItemResult
from protocol.model import ChannelKey, Event, EventKind, QuietedBy, Reason, Status
from protocol.orders import Orders
from protocol.quieting import Maintenance, Matcher, Quieting, Silence
from protocol.rows import Row
from protocol.rules import ActiveHours, ThresholdRule
from protocol.times import parse_rfc3339, rfc3339
from tests.support.acts import resolving

KEY = ChannelKey("w", "f")


START = parse_rfc3339("2026-01-05T12:00:00Z")  # a Monday


SECOND = 1_000_000


OFFICE = ThresholdRule(
    id="office", framework="f", metric="m", threshold=1.0, schedule=ActiveHours(start="13:00", end="17:00")
)


class Channel:
    """A machine, what the store would have, and a clock. It can be built anew at any step."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(**policy)
        self.now, self.batches = START, 0
        self.orders = Orders(rules=(OFFICE,))
        self.rows: dict[str, Row] = {}
        self.events: list[Event] = []
        self.storms: list[StormNotice] = []
        self.storm = StormState()
        self.decision = Decision(results=(), offset=0)
        self.build()

    def build(self) -> None:
        recalled = Recalled(epoch="e", offset=len(self.events), rows=tuple(self.rows.values()), storm=self.storm)
        self.machine = ChannelMachine(KEY, recalled, self.orders, self.policy)

    def send(self, *commands: Command) -> tuple[ItemResult, ...]:
        self.batches += 1
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:05x}0000000", self.now, commands, self.orders)
        self.decision = decision = self.machine.decide(batch)
        self.rows |= {row.alert.id: row for row in decision.rows}
        self.events += decision.events
        self.storms += decision.storms
        self.storm = decision.storm or self.storm
        return decision.results

    def ring(self, title: str = "disk", **fields: Any) -> ItemResult:
        return self.send(Ring(title=title, **fields))[0]

    def resolve(self, result: ItemResult) -> None:
        self.send(resolving(alert_id=result.alert_id or "", by="ann"))

    def quiet(self, *silences: Silence, maintenance: tuple[Maintenance, ...] = ()) -> list[EventKind]:
        """Other orders hold; what the woken machine tells."""
        self.orders = Orders(rules=self.orders.rules, quieting=Quieting(silences=silences, maintenance=maintenance))
        before = len(self.events)
        self.send()
        return [event.kind for event in self.events[before:]]

    def wait(self, seconds: float) -> list[EventKind]:
        """What happens while nobody says anything: the machine is woken when it asked to be, and only then."""
        until, before = self.now + int(seconds * SECOND), len(self.events)
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.send()
        self.now = until
        return [event.kind for event in self.events[before:]]

    def mark(self) -> tuple[QuietedBy | None, str | None, str | None]:
        alert = self.events[-1].alert
        return alert.quieted_by, alert.quieted_ref, alert.quieted_until


def silence(name: str = "s1", start: int = 0, end: int = 3_600, **labels: str) -> Silence:
    """From and until so many seconds after START."""
    return Silence(
        id=name,
        matchers=tuple(Matcher(name=label, value=value) for label, value in (labels or {"alertname": "disk"}).items()),
        starts_at=rfc3339(START + start * SECOND),
        ends_at=rfc3339(START + end * SECOND),
        author="ann",
        comment="on it",
    )


def outcome(result: ItemResult) -> tuple[Status, Reason]:
    return result.status, result.reason


NO_MARK = (None, None, None)


IN_AN_HOUR = rfc3339(START + 3_600 * SECOND)


def come_and_go(channel: Channel, times: int) -> list[ItemResult]:
    results = []
    for _ in range(times):
        results.append(channel.ring())
        channel.resolve(results[-1])
        channel.wait(1)
    return results
