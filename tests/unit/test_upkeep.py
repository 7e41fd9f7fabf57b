"""Trimming and counting, at the start and then now and then, also over an outage of the store."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from engine.keepers.upkeep import Upkeep
from protocol.errors import StoreUnavailable


class FakeStore:
    def __init__(self) -> None:
        self.asked_over: list[int] = []
        self.is_away = False
        self.found = 0
        self.trims: list[int] = []

    async def duplicates(self) -> int:
        if self.is_away:
            raise StoreUnavailable("away")
        return self.found

    async def trim(self, now_us: int) -> int:
        self.trims.append(now_us)
        return len(self.trims)

    async def objects_over(self, before: int, limit: int) -> list[Any]:
        self.asked_over.append(before)
        return []


async def test_the_store_is_trimmed_at_the_start_and_then_every_so_often(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with trio.open_nursery() as nursery:
        upkeep = Upkeep(store, lambda: int(trio.current_time()), every_s=10, over_s=5, is_ours=lambda: True)  # type: ignore[arg-type]
        began = int(trio.current_time())
        nursery.start_soon(upkeep.run, trio.TASK_STATUS_IGNORED)
        await trio.sleep(25)
        assert store.trims == [began, began + 10, began + 20]
        assert store.asked_over == [at - 5_000_000 for at in store.trims]
        nursery.cancel_scope.cancel()


async def test_an_away_store_is_tried_again_at_the_next_turn(autojump_clock: MockClock) -> None:
    store = FakeStore()
    store.is_away, store.found = True, 3
    async with trio.open_nursery() as nursery:
        upkeep = Upkeep(store, lambda: 1, every_s=10, over_s=5, is_ours=lambda: True)  # type: ignore[arg-type]
        nursery.start_soon(upkeep.run, trio.TASK_STATUS_IGNORED)
        await trio.sleep(5)
        assert (store.trims, upkeep.duplicates_stored) == ([], 0)
        store.is_away = False
        await trio.sleep(10)
        assert (store.trims, upkeep.duplicates_stored) == ([1], 3)
        nursery.cancel_scope.cancel()
