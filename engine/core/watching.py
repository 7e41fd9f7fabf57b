"""Readings, held against the rules that watch their metric."""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, Action
from engine.core.ringing import BELOW, Ringer
from engine.core.rules.book import RuleBook, fill
from engine.core.turn import Turn
from protocol.commands import Observe, Ring
from protocol.messages import ItemResult
from protocol.model import Reason, Status
from protocol.orders import Orders
from protocol.rules import ThresholdRule

_UNWATCHED = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.NO_RULE)
# Which of several outcomes of one reading is its answer. A refusal hides nothing but what is silent anyway.
_LOUDNESS: Mapping[Status, int] = {
    Status.BELOW_THRESHOLD: 0,
    Status.SUPPRESSED: 1,
    Status.REJECTED: 2,
    Status.RESOLVED: 3,
    Status.REPEATED: 4,
    Status.FIRED: 5,
}


class Watcher:
    """The rules of one channel, and what they say to its readings."""

    def __init__(self, ledger: Ledger, ringer: Ringer, orders: Orders) -> None:
        self._ledger = ledger
        self._ringer = ringer
        self.book = RuleBook(_thresholds(orders))

    def adopt(self, orders: Orders) -> None:
        """Other rules hold from now on."""
        self.book = RuleBook(_thresholds(orders))

    def observe(self, turn: Turn, reading: Observe) -> ItemResult:
        """A reading, held against each rule on its metric; the loudest outcome is the answer."""
        rules = self.book.watching(reading.metric)
        if rules and self._ledger.room(turn) < 1:
            return self._ledger.no_room(turn)
        outcomes = [self._hold_against(turn, reading, rule) for rule in rules]
        return max(outcomes, key=lambda outcome: _LOUDNESS[outcome.status], default=_UNWATCHED)

    def _hold_against(self, turn: Turn, reading: Observe, rule: ThresholdRule) -> ItemResult:
        ring = Ring(rule_id=rule.id, current_value=reading.value, labels=reading.labels)
        firing = fill(ring, rule)
        if not firing.is_below:
            # A receipt and what follows it: a reading that was begun is finished.
            return self._ringer.judge(turn, firing, room=2)
        standing = self._ledger.standing_of(ring)
        if standing is None or not standing.is_open:
            return BELOW
        return self._ledger.step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "rule")


def _thresholds(orders: Orders) -> list[ThresholdRule]:
    return [rule for rule in orders.rules if isinstance(rule, ThresholdRule)]
