"""An open store whose jobs are looked at, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.stores import Store
from protocol.jobs import Claimed, JobState, NewJob, Queue
from protocol.times import SECOND_US
from tests.support.stores import NOW, StoreFactory

MINUTE_US = 60 * SECOND_US
LEASE_S = 30.0


class Clock:
    """A store's clock that tests turn."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Open:
    """An open store, its clock, and what its doorbell said."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.rung: list[frozenset[Queue]] = []
        store.set_doorbell(self.rung.append)

    async def add(self, *jobs: NewJob) -> list[int]:
        return [made.id for made in await self.store.enqueue(jobs)]

    async def claim(self, count: int = 10, queue: Queue = Queue.ALERT, node: str = "n1") -> list[Claimed]:
        return await self.store.claim(node, {queue: count}, LEASE_S)

    async def one(self, node: str = "n1") -> Claimed:
        (claimed,) = await self.claim(1, node=node)
        return claimed

    async def state(self, number: int) -> JobState | None:
        job = await self.store.job(None, number)
        return None if job is None else job.state


@pytest.fixture
def opened(factory: StoreFactory) -> Callable[[], Any]:
    clock = Clock()

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Open]:
        async with factory.open(clock=clock) as store:
            yield Open(store, clock)

    return open_it
