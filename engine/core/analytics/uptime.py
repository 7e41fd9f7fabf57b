"""How much of a day the engine was up. A day without alerts is quiet only if somebody would have told of them.

A day of UTC is `SLOTS` slots, as bits of a number: 1 if the engine was up, with its store, at some moment of them.
Rules: a day of which less than `WATCHED_MIN` is known was not watched; before the first mark of all nothing is known,
so history that is older (an upgrade, an import) is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.analytics.calendar import DAY_US
from protocol.times import SECOND_US

# A restart is in no slot alone; an outage of a slot may be missed, of two hours and a half not.
SLOT_US = 300 * SECOND_US
SLOTS = DAY_US // SLOT_US
# More than an upgrade of the machine takes, and little enough that a tenth of a day's alerts is lost among others.
WATCHED_MIN = 0.9
DAY_H = 24


def slot_of(at_us: int) -> int:
    """The slot of its day that a moment is in."""
    return at_us % DAY_US // SLOT_US


def marked(slots: int, slot: int) -> int:
    """The day's slots with one more."""
    return slots | 1 << slot


def share_of(slots: int) -> float:
    """How much of a day that is, 0 to 1."""
    return slots.bit_count() / SLOTS


def unwatched(marks: Mapping[int, int], is_earlier: bool, since_day: int, until_day: int) -> dict[int, float]:
    """Days from the one on, before the other, that were not watched, and how much of them was.

    `marks`: the slots of those that have any; `is_earlier`: there are marks of days before them.
    """
    first = since_day if is_earlier else min(marks, default=until_day)
    shares = {day: share_of(marks.get(day, 0)) for day in range(first, until_day)}
    return {day: share for day, share in shares.items() if share < WATCHED_MIN}


def reason(share: float) -> str:
    """Why nothing is said of a day of which so much was watched."""
    return f"the engine, or its store, was down: it was up for {share * DAY_H:.1f} of the day's {DAY_H} hours"
