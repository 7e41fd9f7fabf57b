"""Under what an alert was last found quiet or ringing, and what is different now: whom must we look at again?

A workspace with thousands of open alerts makes and ends silences all day, and most concern a handful of its alerts. So
each standing remembers its grounds, and under other ones only an alert that an added or changed window means, whose own
window is gone or changed, or whose rule has other hours is looked at anew. The difference of two quietings is found
once for all the channels that share them. Decided against: looking at all of them for each change. Fifty silences with
expressions and 10,000 alerts made everybody's acknowledgement wait for seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from engine.core.quieting import QuietWindows, window_of_maintenance, window_of_silence
from protocol.model import QuietedBy
from protocol.quieting import Maintenance, Quieting, Silence
from protocol.rules import ActiveHours

# Two for each change that channels are still busy with; each holds on to two quietings.
CACHE_MAX_DIFFERENCES = 64

Q = TypeVar("Q", Silence, Maintenance)


class Grounds:
    """What decides, besides time and the alert itself, whether an alert rings. Compared by identity."""

    __slots__ = ("quieting", "schedules")

    def __init__(self, quieting: Quieting, schedules: Mapping[str, ActiveHours]) -> None:
        self.quieting = quieting
        self.schedules = schedules

    def has_same_hours(self, other: Grounds, rule_id: str | None) -> bool:
        """Whether the active hours of this rule are the same in both."""
        return rule_id is None or self.schedules.get(rule_id) == other.schedules.get(rule_id)


class Difference(NamedTuple):
    """From one quieting to another: the windows that are new or different, and those that are gone or different."""

    added: QuietWindows
    gone: frozenset[tuple[QuietedBy, str]]


@lru_cache(maxsize=CACHE_MAX_DIFFERENCES)
def difference_of(before: Quieting, now: Quieting) -> Difference:
    """What is different."""
    silences, windows = _other(before.silences, now.silences), _other(before.maintenance, now.maintenance)
    return Difference(
        QuietWindows(
            [window_of_maintenance(each) for each in windows] + [window_of_silence(each) for each in silences]
        ),
        frozenset(
            [(QuietedBy.SILENCED, each.id) for each in _other(now.silences, before.silences)]
            + [(QuietedBy.MAINTENANCE, each.id) for each in _other(now.maintenance, before.maintenance)]
        ),
    )


def _other(before: Iterable[Q], now: Iterable[Q]) -> list[Q]:
    known = {each.id: each for each in before}
    return [each for each in now if known.get(each.id) != each]
