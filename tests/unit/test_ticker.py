"""The one clock for all connections."""

from __future__ import annotations

import pytest
import trio

from actors.ticker import EMPTY_MAX, Ticker
from tests.support.actors import start


async def run_for(ticker: Ticker, seconds: float) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            await start(nursery, ticker.run)


async def test_a_check_is_asked_at_its_second_and_again_when_it_says_so(autojump_clock: trio.testing.MockClock) -> None:
    ticker, asked = Ticker(), []

    def check(now: float) -> float | None:
        asked.append(now)
        return now + 5 if len(asked) < 3 else None

    ticker.watch(2.5, check)
    await run_for(ticker, 60)
    assert asked == [3, 8, 13]
    assert len(ticker) == 0


async def test_who_wants_to_be_asked_at_once_is_asked_at_the_next_tick_and_not_for_ever_in_this_one() -> None:
    ticker, asked = Ticker(), []

    def check(now: float) -> float | None:
        asked.append(now)
        return now

    ticker.watch(0, check)
    ticker.tick(1.0)
    ticker.tick(2.0)
    assert asked == [1.0, 2.0]


async def test_nobody_is_asked_too_early_and_the_earlier_one_is_asked_first() -> None:
    ticker, asked = Ticker(), []
    for name, at in (("late", 5.0), ("first", 1.0), ("second", 1.0)):
        ticker.watch(at, lambda now, name=name: asked.append(name))
    ticker.tick(4.9)
    assert (asked, len(ticker)) == (["first", "second"], 1)


async def test_a_call_is_repeated_without_catching_up_on_missed_turns(autojump_clock: trio.testing.MockClock) -> None:
    ticker, called = Ticker(), []
    ticker.every(30, lambda: called.append(1))
    ticker.tick(29.0)
    assert len(called) == 0
    ticker.tick(300.0)
    ticker.tick(301.0)
    assert len(called) == 1
    ticker.tick(330.0)
    assert len(called) == 2


async def test_a_check_that_raises_is_not_met_again_by_the_next_run() -> None:
    ticker, asked = Ticker(), []
    ticker.watch(1, lambda now: 1 / 0)
    ticker.watch(1, lambda now: asked.append(now))
    with pytest.raises(ZeroDivisionError):
        ticker.tick(1.0)
    ticker.tick(2.0)
    assert asked == [2.0]


async def test_a_repeated_call_that_raises_is_repeated_all_the_same(autojump_clock: trio.testing.MockClock) -> None:
    ticker, called = Ticker(), []

    def call() -> None:
        called.append(1)
        raise ValueError("once more")

    ticker.every(10, call)
    for now in (10.0, 20.0):
        with pytest.raises(ValueError, match="once more"):
            ticker.tick(now)
    assert len(called) == 2


async def test_a_check_is_watched_once_for_the_earliest_moment_that_was_asked_for() -> None:
    ticker, asked = Ticker(), []
    for at in (9.0, 3.0, 6.0):
        ticker.watch(at, asked.append)
    assert len(ticker) == 1
    for now in (2.9, 3.0, 6.0, 9.0):
        ticker.tick(now)
    assert asked == [3.0]


async def test_a_check_that_is_forgotten_is_not_asked() -> None:
    ticker, asked = Ticker(), []
    ticker.watch(1.0, asked.append)
    for _ in range(2):
        ticker.forget(asked.append)
    ticker.tick(2.0)
    assert (asked, len(ticker)) == ([], 0)


async def test_moments_that_were_given_up_do_not_pile_up() -> None:
    ticker, asked = Ticker(), []
    ticker.watch(5.0, lambda now: asked.append("other"))
    for number in range(10_000):
        ticker.watch(20_000.0 - number, asked.append)
    assert len(ticker._heap) <= 2 * len(ticker) + EMPTY_MAX + 1
    ticker.tick(10_000.0)
    assert asked == ["other"]
    ticker.tick(10_001.0)
    assert asked == ["other", 10_001.0]
