"""The clock of a shared store: what it goes by, and what it does not."""

from __future__ import annotations

import pytest

from engine.clocks import StoreClock
from protocol.times import SECOND_US

HOUR_US = 3_600 * SECOND_US
NOON = 1_767_268_800 * SECOND_US


class Hands:
    """A wall clock and a steady one that a test moves."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 5_000
        self.clock = StoreClock(lambda: self.wall, lambda: self.steady)

    def answer(self, theirs: int, took_us: int = 0) -> int:
        """What `look` is: the store says a time, halfway of so long."""
        self.steady += took_us
        return theirs


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_before_the_store_has_spoken_it_is_the_wall_clock(hands: Hands) -> None:
    hands.wall += 1
    assert hands.clock() == NOON + 1


def test_then_it_is_the_stores_carried_on_by_a_clock_that_nobody_can_set(hands: Hands) -> None:
    assert hands.clock.ask(lambda: NOON + HOUR_US) == NOON + HOUR_US
    hands.wall -= HOUR_US
    hands.steady += 7
    assert hands.clock() == NOON + HOUR_US + 7
    assert hands.clock.wall_behind_us == 2 * HOUR_US + 7


def test_what_the_store_says_is_of_the_middle_of_the_time_that_its_answer_took(hands: Hands) -> None:
    hands.clock.ask(lambda: hands.answer(NOON, took_us=600))
    assert hands.clock() == NOON + 300


def test_an_answer_that_took_long_does_not_make_time_jump(hands: Hands) -> None:
    hands.clock.ask(lambda: NOON)
    # The program was stopped for a minute, after the store had said its time, or before: nobody knows.
    hands.clock.ask(lambda: hands.answer(NOON, took_us=60 * SECOND_US))
    assert hands.clock() == NOON + 60 * SECOND_US


def test_a_store_whose_own_clock_was_set_is_followed_at_the_next_look(hands: Hands) -> None:
    hands.clock.ask(lambda: NOON)
    hands.clock.ask(lambda: NOON - HOUR_US)
    assert hands.clock() == NOON - HOUR_US


def test_a_first_answer_that_was_slow_is_made_better_by_a_quick_one(hands: Hands) -> None:
    hands.clock.ask(lambda: hands.answer(NOON, took_us=SECOND_US))
    hands.clock.ask(lambda: NOON + SECOND_US)
    assert hands.clock() == NOON + SECOND_US
