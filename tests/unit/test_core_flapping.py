"""Flap detection: Nagios' figures, and quiet time as states that stay the same."""

from __future__ import annotations

import itertools

import pytest

from engine.core.flapping import STEPS, Flapping, begun, is_flapping, percent, said
from protocol.rows import Flaps

FIGURES = Flapping()
MINUTE = 60_000_000


def nagios(states: list[bool]) -> float:
    """As `base/flapping.c` has it: 21 states, the oldest first."""
    weighted = 0.0
    for x in range(1, 21):
        if states[x] != states[x - 1]:
            weighted += (x - 1) * (1.25 - 0.75) / 19 + 0.75
    return weighted * 100 / 20


def of_states(states: list[bool]) -> int:
    return sum(1 << age for age in range(STEPS) if states[20 - age] != states[19 - age])


@pytest.mark.parametrize("pattern", list(itertools.product([False, True], repeat=4)))
def test_the_percentage_is_nagios_own(pattern: tuple[bool, ...]) -> None:
    states = [*pattern * 5, True]
    assert percent(of_states(states)) == pytest.approx(nagios(states))


def test_nothing_has_changed_is_nothing_and_everything_is_a_hundred() -> None:
    assert (percent(0), percent((1 << STEPS) - 1)) == (0.0, 100.0)


def after(gap: int, times: int) -> Flaps:
    flaps = begun(0)
    for number in range(1, times):
        flaps = said(flaps, number % 2 == 0, number * gap, FIGURES)
    return flaps


def test_six_changes_in_a_row_are_flapping_and_five_are_not() -> None:
    assert not is_flapping(after(1, 5), 4)
    assert is_flapping(after(1, 6), 5)


def test_changes_that_are_four_minutes_apart_never_are() -> None:
    flaps = after(4 * MINUTE, 200)
    assert not is_flapping(flaps, flaps.at)


def test_changes_every_two_minutes_are() -> None:
    flaps = after(2 * MINUTE, 200)
    assert is_flapping(flaps, flaps.at)


def test_it_stops_below_the_lower_percentage_by_itself() -> None:
    flaps = after(1, 6)
    assert percent(flaps.changes << 15 & (1 << STEPS) - 1) >= FIGURES.stop_percent
    assert percent(flaps.changes << 17 & (1 << STEPS) - 1) < FIGURES.stop_percent
    assert flaps.at + 15 * MINUTE < flaps.calm_at <= flaps.at + 17 * MINUTE
    assert is_flapping(flaps, flaps.calm_at - 1)
    assert not is_flapping(flaps, flaps.calm_at)
    assert flaps.until == flaps.calm_at


def test_what_flaps_goes_on_to_between_the_two_percentages() -> None:
    flaps = after(1, 6)
    again = said(flaps, True, flaps.at + 8 * MINUTE, FIGURES)
    assert FIGURES.stop_percent < percent(again.changes)
    assert is_flapping(again, again.at)


def test_the_same_once_more_changes_nothing() -> None:
    flaps = begun(0)
    assert said(flaps, True, 5 * MINUTE, FIGURES) is flaps


def test_a_clock_that_was_set_back_is_no_quiet_time() -> None:
    assert said(begun(5 * MINUTE), False, 0, FIGURES).changes == 0b11


def test_a_long_quiet_time_leaves_only_the_news() -> None:
    assert said(begun(0), False, 10**15, FIGURES).changes == 1
