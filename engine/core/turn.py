"""One decision while it is being made, and the bounds that it is made within.

A decision is bounded: about `events_max` events, `ROWS_MAX` rows and `HEARD_MAX` readings held against rules. What
finds no room waits for the next decision: commands (`ChannelMachine.decide`) as well as what time brings (receipts,
expiry, counters).
"""

from __future__ import annotations

import msgspec

from engine.core.flapping import Flapping
from engine.core.identity import derive_id
from engine.core.suppression import Standing
from protocol.commands import Batch
from protocol.effects import Audit, StormNotice
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import Event, Reason, Status
from protocol.readings import LoggedSeries, RuleState
from protocol.times import rfc3339

# A commit of 1,000 rows takes about 5 ms; more would make the others of its group wait.
ROWS_MAX = 1_000
# Readings held against rules in one decision, past which no command is begun: 2 to 25 us each, so 4 to 50 ms. One
# reading may go over it, by the rules on its metric: it is heard by all of them or by none.
HEARD_MAX = 2_000
# What a command about one alert may have to tell: the receipt of its window, and what follows it.
TOLD_MAX = 2
# Matchers held against alerts in one decision because of time or other orders: 1 to 2 us each, so 2 to 4 ms. What
# commands bring is bounded by their number, and by `objects.quiet_expressions_max`.
TESTS_MAX = 2_000


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds and times of a channel; a rule's own `suppression_s` goes before `suppression_s`."""

    # Five minutes, as the reference has it.
    suppression_s: float = 300.0
    # Events of one commit, past which no command is begun: what 1,000 subscribers can be told before the next batch
    # waits noticeably.
    events_max: int = 256
    # Open alerts and open windows of one channel, about 1 kB of memory each.
    windows_max: int = 100_000
    # Label sets of one alert: a source has one per severity; more than this is a source that makes them up.
    sources_max: int = 64
    # What rules remember, one state for each rule and series, 1 to 10 kB of memory each; of them those of one rule: a
    # label that makes up values fills its own rule and leaves room for the others.
    rule_states_max: int = 50_000
    rule_series_max: int = 10_000
    # Series that readings are of: metrics with their labels; about 300 bytes of memory each, and a row a minute.
    reading_series_max: int = 10_000
    # An alert that somebody took on and did not resolve is active again after so long; 0: never.
    unacknowledge_s: float = 0.0
    # Counters of duplicates are written at latest so long after they changed; a crash loses no more than that.
    flush_s: float = 1.0
    # When an alert that comes and goes is quiet; None: never.
    flapping: Flapping | None = None
    # New alerts of a channel that may ring in a minute; 0: any number.
    storm_per_minute: int = 0


class Turn:
    """One decision while it is being made."""

    __slots__ = (
        "at",
        "audits",
        "batch_id",
        "born",
        "events",
        "heard",
        "new_states",
        "now",
        "numbers",
        "refusals",
        "series",
        "states",
        "storms",
        "tests_left",
        "times",
        "touched",
        "values",
    )

    def __init__(self, batch: Batch) -> None:
        self.batch_id = batch.id
        self.now = batch.now
        self.at = rfc3339(batch.now)
        self.born = 0
        # How many more matchers may be held against alerts for what nobody has asked for.
        self.tests_left = TESTS_MAX
        self.events: list[Event] = []
        self.audits: list[Audit] = []
        self.refusals: list[Limit] = []
        self.storms: list[StormNotice] = []
        # Written once, as they are when the turn ends; a dict keeps the order.
        self.touched: dict[Standing, None] = {}
        # Readings in columns (of which series, when, how much), as the log keeps them; series that are new.
        self.numbers: list[int] = []
        self.times: list[int] = []
        self.values: list[float] = []
        # How often a reading was held against a rule.
        self.heard = 0
        self.series: list[LoggedSeries] = []
        # What rules remember, as far as it is written with this decision; how many series are new to the store.
        self.states: list[RuleState] = []
        self.new_states = 0

    def new_id(self) -> str:
        """The id of the next new alert."""
        self.born += 1
        return derive_id(self.batch_id, self.born - 1)

    def busy(self, limit: Limit, value: int, maximum: int, what: str) -> ItemResult:
        """The answer to what finds no room."""
        self.refusals.append(limit)
        return rejected(Reason.BUSY, f"{limit.value}: {value} {what}, limit {maximum}; try again a moment later")


def rejected(reason: Reason, message: str) -> ItemResult:
    """An item that is refused, and what to do about it."""
    return ItemResult(status=Status.REJECTED, reason=reason, message=message)


UNKNOWN_ALERT = rejected(Reason.UNKNOWN_ALERT, "there is no such alert")
