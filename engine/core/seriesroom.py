"""Is there room for one more series? Bounded per rule and per channel (`Policy`), and who is quiet makes room.

Owns the count of one channel's series. At a bound, series that have been quiet for FORGET_US are forgotten; if none is,
the reading's answer is `busy`, with the limit. A copy of a channel (`engine.core.rehearsing`) holds only what a list
can reach: the series of the whole count towards its limits as well, and those of them that are quiet make room in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engine.core.rules.holding import Phase
from engine.core.rules.milestone import MilestoneEvaluator
from engine.core.rules.series import Series, Watch, label_key
from engine.core.turn import Policy, Turn
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.times import SECOND_US

# A series that is quiet for so long may be forgotten when there is no room: hosts come and go.
FORGET_US = 3_600 * SECOND_US
# Looking for such takes long among many; not at every reading that finds no room.
_LOOK_AGAIN_US = 60 * SECOND_US


class SeriesRoom:
    """How many series there are, and may be. `is_missed`: whether an open alert says that a series is silent."""

    def __init__(
        self,
        policy: Policy,
        watches: Mapping[str, Watch],
        forget: Callable[[Series], None],
        is_missed: Callable[[Series], bool],
    ) -> None:
        self.count = 0
        self._policy = policy
        self._watches = watches
        self._forget = forget
        # Only that series can take it back.
        self._is_missed = is_missed
        self._looked_at = 0
        self._whole: SeriesRoom | None = None

    def refusal(self, turn: Turn, watch: Watch) -> ItemResult | None:
        """Why there can be no further series of this rule now; None: there can."""
        policy, of_rule = self._policy, len(watch.series) + watch.others
        if of_rule < policy.rule_series_max and self.count < policy.rule_states_max:
            return None
        if turn.now >= self._looked_at + _LOOK_AGAIN_US:
            self._looked_at = turn.now
            self._make_room(turn.now)
            return self.refusal(turn, watch)
        if self.count >= policy.rule_states_max:
            return turn.busy(
                Limit.RULE_STATES,
                self.count,
                policy.rule_states_max,
                "rule states (one for each rule and series) in this channel",
            )
        return turn.busy(Limit.RULE_SERIES, of_rule, policy.rule_series_max, f"series of rule {watch.rule.id!r}")

    def be_part_of(self, whole: SeriesRoom) -> None:
        """This is of a copy: what it does not hold of the whole counts all the same."""
        self._whole, self.count, self._looked_at = whole, whole.count, whole._looked_at
        for rule_id, watch in self._watches.items():
            original = whole._watches.get(rule_id)
            watch.others = 0 if original is None else len(original.series) - len(watch.series)

    def _make_room(self, now: int) -> None:
        if self._whole is not None:
            self._make_room_outside(self._whole, now)
        for series in list(self._quiet(now)):
            self._forget(series)

    def _make_room_outside(self, whole: SeriesRoom, now: int) -> None:
        for series in whole._quiet(now):
            watch = self._watches.get(series.watch.rule.id)
            if watch is None:
                self.count -= 1
            elif label_key(series.labels) not in watch.series:
                self.count -= 1
                watch.others -= 1

    def _quiet(self, now: int) -> Iterator[Series]:
        for watch in self._watches.values():
            for series in watch.series.values():
                is_quiet = series.holding.phase is Phase.IDLE and now - series.heard_at >= FORGET_US
                # What was reached once must never be told again.
                if is_quiet and not isinstance(series.evaluator, MilestoneEvaluator) and not self._is_missed(series):
                    yield series
