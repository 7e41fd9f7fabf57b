"""Which days were watched: slots, and what is not known."""

from __future__ import annotations

import pytest

from engine.core.analytics.uptime import SLOT_US, SLOTS, marked, reason, share_of, slot_of, unwatched
from protocol.times import SECOND_US

DAY_US = 86_400 * SECOND_US
WHOLE = (1 << SLOTS) - 1
HALF = (1 << SLOTS // 2) - 1


def test_a_day_is_marked_slot_by_slot() -> None:
    slots = 0
    for at_us in range(20_000 * DAY_US, 20_001 * DAY_US, SLOT_US // 3):
        slots = marked(slots, slot_of(at_us))
    assert slots == WHOLE
    assert share_of(slots) == 1.0
    assert marked(slots, 5) == slots


@pytest.mark.parametrize(("down", "is_watched"), [(0, True), (28, True), (29, False), (SLOTS, False)])
def test_a_day_may_lack_a_tenth(down: int, is_watched: bool) -> None:
    found = unwatched({10: WHOLE >> down}, False, 10, 11)
    assert found == ({} if is_watched else {10: (SLOTS - down) / SLOTS})


def test_a_day_without_any_mark_was_not_watched_if_there_are_earlier_ones() -> None:
    marks = {11: WHOLE, 13: HALF}
    assert unwatched(marks, False, 10, 15) == {12: 0.0, 13: 0.5, 14: 0.0}
    assert unwatched(marks, True, 10, 15) == {10: 0.0, 12: 0.0, 13: 0.5, 14: 0.0}


def test_before_the_first_mark_nothing_is_known() -> None:
    assert unwatched({}, False, 10, 15) == {}
    assert unwatched({}, True, 10, 12) == {10: 0.0, 11: 0.0}
    assert unwatched({14: WHOLE}, False, 10, 15) == {}


def test_the_reason_says_how_long_it_was_up() -> None:
    assert reason(0.25) == "the engine, or its store, was down: it was up for 6.0 of the day's 24 hours"
