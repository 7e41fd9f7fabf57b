"""What would this rule have said? It is given to the real machine of an empty channel, with readings as they came.

Readings arrive in the order in which they are given, each at its own time or, if an earlier one was of later, at that
one's: so late and out-of-order readings are what they would have been. Between them time passes as it does in a
channel: what is pending fires, silence is noticed, windows end. Nothing is stored and nobody is told.

About 10 µs a reading: more than a few hundred belong into another process (`engine.trying.backtests`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from engine.core.channel import ChannelMachine
from engine.core.noting import is_routed
from engine.core.turn import Policy
from protocol.commands import Batch, Command, Observe
from protocol.effects import Recalled
from protocol.model import ChannelKey, Event, EventKind, QuietedBy, Reason, Severity, Status
from protocol.orders import Orders
from protocol.quieting import NOTHING, Quieting
from protocol.rules import Rule
from protocol.times import rfc3339

# Events that are listed; past it they are counted. A rule that rings more often than that is known to be wrong.
EVENTS_MAX = 1_000
# Ids of alerts are derived from those of batches: room for the new alerts of one.
_IDS_A_BATCH = 1 << 16


class BacktestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would have been told. `swallowed`: how often a suppression window kept quiet (receipts).

    `quieted_by`: why it would not have rung all the same (hours, flapping). `notifies`: whether somebody would be
    notified of it.
    """

    at: str
    event: EventKind
    severity: Severity
    title: str
    value: float | None
    threshold: float | None
    labels: dict[str, str]
    swallowed: int = 0
    quieted_by: QuietedBy | None = None
    notifies: bool = False


class BacktestSuppressed(msgspec.Struct, frozen=True, kw_only=True):
    """Readings that were worth ringing for and did not ring: why, when, how many with nothing told between them."""

    reason: Reason
    first_at: str
    last_at: str
    count: int


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What would have happened: what became of the readings, by reason; what would have been told, and how often.

    `notified`: of how many of these events somebody would be notified, endpoints and preferences aside.
    `suppressed`: at most as many as events; `reasons` counts all of them. `note`: what the readings could not tell
    (null: they are all there).
    """

    readings: int
    reasons: dict[str, int]
    told: dict[str, int]
    events: list[BacktestEvent]
    # Events beyond those that are listed.
    more: int
    notified: int = 0
    suppressed: list[BacktestSuppressed] = []
    note: str | None = None


class _Stage:
    """A machine with a clock, and what it has said."""

    def __init__(self, rule: Rule, suppression_s: float, quieting: Quieting) -> None:
        key = ChannelKey("backtest", rule.framework)
        self._orders = Orders(rules=(msgspec.structs.replace(rule, enabled=True),), quieting=quieting)
        policy = Policy(suppression_s=suppression_s)
        self._machine = ChannelMachine(key, Recalled(epoch="", offset=0), self._orders, policy)
        self._batches = 0
        self.now = 0
        self.reasons: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.events: list[BacktestEvent] = []
        self.suppressed: list[BacktestSuppressed] = []
        self.notified = 0
        self._is_in_a_row = False

    def take(self, at: int, command: Command) -> None:
        self.pass_time(max(self.now, at))
        self._decide((command,))

    def pass_time(self, until: int) -> None:
        """What time alone brings until then, one after the other."""
        while (due := self._machine.next_due()) is not None and due <= until and due > self.now:
            self.now = due
            self._decide(())
        self.now = until

    def _decide(self, commands: tuple[Command, ...]) -> None:
        self._batches += 1
        batch_id = f"00000000-0000-7000-8000-{self._batches * _IDS_A_BATCH:012x}"
        decision = self._machine.decide(Batch(batch_id, self.now, commands, self._orders))
        self.reasons.update(result.reason.value for result in decision.results)
        for event in decision.events:
            self.told[event.kind.value] += 1
            self.notified += is_routed(event)
            self._is_in_a_row = False
            if len(self.events) < EVENTS_MAX:
                self.events.append(_shown(event))
        for result in decision.results:
            if result.status is Status.SUPPRESSED:
                self._suppress(result.reason)

    def _suppress(self, reason: Reason) -> None:
        at, last = rfc3339(self.now), self.suppressed[-1] if self._is_in_a_row else None
        if last is not None and last.reason is reason:
            self.suppressed[-1] = msgspec.structs.replace(last, last_at=at, count=last.count + 1)
        elif len(self.suppressed) < EVENTS_MAX:
            self.suppressed.append(BacktestSuppressed(reason=reason, first_at=at, last_at=at, count=1))
            self._is_in_a_row = True
        else:
            self._is_in_a_row = False


def backtest(rule: Rule, readings: Iterable[Observe], suppression_s: float, until: int = 0) -> Backtest:
    """Runs a rule over readings of its framework, as if it had been enabled then.

    `suppression_s`: the engine's own window, for a rule without one. `until` (microseconds): time goes on until then.
    """
    return replayed(rule, ((reading.at, reading) for reading in readings), suppression_s, until)


def replayed(
    rule: Rule,
    commands: Iterable[tuple[int, Command]],
    suppression_s: float,
    until: int = 0,
    quieting: Quieting = NOTHING,
) -> Backtest:
    """The same for whatever a channel is asked, each at its time (microseconds); `quieting` holds all the time."""
    stage, count = _Stage(rule, suppression_s, quieting), 0
    for at, command in commands:
        stage.take(at, command)
        count += 1
    stage.pass_time(max(stage.now, until))
    return Backtest(
        readings=count,
        reasons=dict(stage.reasons),
        told=dict(stage.told),
        events=stage.events,
        more=stage.told.total() - len(stage.events),
        notified=stage.notified,
        suppressed=stage.suppressed,
    )


def _shown(event: Event) -> BacktestEvent:
    alert = event.alert
    return BacktestEvent(
        at=event.at,
        event=event.kind,
        severity=alert.severity,
        title=alert.title,
        value=alert.current_value,
        threshold=alert.threshold_value,
        labels=alert.labels,
        swallowed=event.suppressed.count if event.suppressed else 0,
        quieted_by=alert.quieted_by,
        notifies=is_routed(event),
    )
