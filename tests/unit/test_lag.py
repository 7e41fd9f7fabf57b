"""How late the loop is."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.telemetry.lag import LOOK_EVERY_S, WINDOW_S, LoopLag
from tests.support.actors import start


async def test_a_loop_that_is_held_is_seen_and_the_worst_is_forgotten_after_two_windows(
    mock_clock: MockClock,
) -> None:
    seen: list[float] = []
    lag = LoopLag(seen.append)
    async with trio.open_nursery() as nursery:
        await start(nursery, lag.run)
        await wait_all_tasks_blocked()
        # As if something had held the loop: time has gone by and nobody was woken.
        mock_clock.jump(LOOK_EVERY_S + 0.4)
        await wait_all_tasks_blocked()
        assert seen == [pytest.approx(0.4)]
        assert lag.worst_s == pytest.approx(0.4)
        mock_clock.autojump_threshold = 0
        await trio.sleep(WINDOW_S)
        assert lag.worst_s == pytest.approx(0.4)
        await trio.sleep(WINDOW_S + 1)
        assert lag.worst_s == pytest.approx(0.0, abs=0.001)
        assert len(seen) == pytest.approx(2 * WINDOW_S / LOOK_EVERY_S, rel=0.05)
        nursery.cancel_scope.cancel()
