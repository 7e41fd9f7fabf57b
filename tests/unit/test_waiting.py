"""Waiting at the start: with growing pauses, for so long, and only for what waiting can mend."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from protocol.errors import NotYet, StoreRefused
from tocsin.waiting import FIRST_PAUSE_S, JITTER, PAUSE_MAX_S, wait_for


@dataclass
class Start:
    """A start whose time passes only in its pauses."""

    now_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    looked: int = 0

    def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.now_s += seconds

    def answers_after(self, seconds: float, why: str = "db:5432: refused") -> None:
        self.looked += 1
        if self.now_s < seconds:
            raise NotYet(why)

    def wait(self, wait_s: float, *after_s: float) -> None:
        looks = [lambda seconds=seconds: self.answers_after(seconds) for seconds in after_s]
        wait_for(looks, wait_s, self.told.append, clock=lambda: self.now_s, sleep=self.sleep)


def test_what_answers_at_once_costs_no_time_and_no_word() -> None:
    start = Start()
    start.wait(60, 0, 0)
    assert (start.looked, start.now_s, start.told) == (2, 0.0, [])


def test_it_asks_again_with_growing_pauses_until_there_is_an_answer() -> None:
    start = Start()
    start.wait(60, 20)
    assert 20 <= start.now_s <= 20 + PAUSE_MAX_S * (1 + JITTER)
    assert start.pauses_s[0] <= FIRST_PAUSE_S * (1 + JITTER) < start.pauses_s[2]
    assert max(start.pauses_s) <= PAUSE_MAX_S * (1 + JITTER)


def test_the_same_reason_is_told_once_and_another_one_again() -> None:
    start, reasons = Start(), iter(["refused", "refused", "starting up", "starting up"])

    def look() -> None:
        if why := next(reasons, ""):
            raise NotYet(why)

    wait_for([look], 60, start.told.append, clock=lambda: start.now_s, sleep=start.sleep)
    assert [line.rpartition(": ")[2] for line in start.told] == ["refused", "starting up"]


def test_when_the_time_is_over_the_reason_comes_out_and_not_a_moment_later() -> None:
    start = Start()
    with pytest.raises(NotYet, match="db:5432: refused"):
        start.wait(10, 1_000)
    assert start.now_s == 10


def test_without_waiting_one_look_decides() -> None:
    start = Start()
    with pytest.raises(NotYet):
        start.wait(0, 1)
    assert (start.looked, start.pauses_s, start.told) == (1, [], [])


def test_both_together_have_the_time_that_was_given() -> None:
    start = Start()
    with pytest.raises(NotYet):
        start.wait(10, 8, 30)
    assert start.now_s == 10


def test_what_waiting_cannot_mend_ends_it_at_once() -> None:
    start = Start()

    def look() -> None:
        raise StoreRefused("of another program")

    with pytest.raises(StoreRefused, match="of another program"):
        wait_for([look], 60, start.told.append, clock=lambda: start.now_s, sleep=start.sleep)
    assert start.now_s == 0
