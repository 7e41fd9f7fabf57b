"""The turns in which the engine marks that it is up."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from engine.analytics.uptime import LOOK_S, Uptime
from engine.core.analytics.uptime import SLOT_US
from engine.stores.findings import Finding
from protocol.errors import StoreUnavailable
from protocol.times import SECOND_US


class Away:
    """A store that is away, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0

    async def finding(self, workspace: str, kind: str, key: str) -> Finding | None:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        raise StoreUnavailable("away")


async def test_a_store_that_is_away_is_asked_again_at_each_turn(autojump_clock: MockClock) -> None:
    away: Any = Away()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Uptime(away, lambda: 0, lambda: True).run, trio.TASK_STATUS_IGNORED)
        await trio.sleep(2.5 * LOOK_S)
        assert away.asked == 3
        nursery.cancel_scope.cancel()


def test_a_slot_is_looked_at_several_times() -> None:
    assert LOOK_S * SECOND_US * 4 < SLOT_US
