"""Nodes on a bus: each notes what it is told, and can wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio

from engine.bus import Cause, Entries, Gap, Marks, Told, postgres, redis, redis_connection
from engine.bus.carried import CarriedBus
from engine.bus.carriers import Carrier
from engine.foreign import ForeignLoop

QUEUE_BYTES = 64 * 1024
# For real servers on a slow machine; the tests themselves wait for events.
PATIENCE_S = 600.0

# What the carriers themselves allow a server: a second.
USUAL_S = redis_connection.ANSWER_S
# For a server that lives, on a machine that has much else to do.
UNHURRIED_S = 60.0

MakeCarriers = Callable[[], Sequence[Carrier]]


@dataclass
class Node:
    """One node: its bus, and what it was told on the topics that it follows."""

    bus: CarriedBus
    told: list[Told] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    def hear(self, told: Told) -> None:
        self.told.append(told)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Waits until what was told makes it so."""
        with trio.fail_after(PATIENCE_S):
            while not is_so():
                await self._changed.wait()

    async def follow(self, *topics: str) -> None:
        """Follows, and waits until nothing can be missed any more."""
        for topic in topics:
            self.bus.follow(topic, self.hear)
        await self.until(lambda: all(Gap(topic, Cause.STARTED) in self.told for topic in topics))

    async def until_heard(self, *bodies: bytes) -> None:
        """Until all of these have come."""
        await self.until(lambda: set(bodies) <= set(self.bodies()))

    def bodies(self, topic: str | None = None, node: str | None = None) -> list[bytes]:
        """What was published by others, in order."""
        return [
            body
            for one in self.told
            if isinstance(one, Entries) and topic in (None, one.topic) and node in (None, one.node)
            for body in one.bodies
        ]

    def gaps(self) -> list[Cause]:
        """Why something may be missing, but for the start of each topic."""
        return [one.cause for one in self.told if isinstance(one, Gap) and one.cause is not Cause.STARTED]

    def marks(self) -> dict[str, int]:
        """The last mark of each workspace."""
        return {key: mark for one in self.told if isinstance(one, Marks) for key, mark in one.marks.items()}


class Nodes:
    """Starts nodes, each on carriers of its own."""

    def __init__(self, carriers: MakeCarriers, nursery: trio.Nursery) -> None:
        self._carriers = carriers
        self._nursery = nursery

    async def start(self, name: str, *topics: str, queue_bytes: int = QUEUE_BYTES) -> Node:
        """A node that runs and follows these topics."""
        node = Node(CarriedBus(name, self._carriers(), queue_bytes))
        await self._nursery.start(run_bus, node.bus)
        await node.follow(*topics)
        return node


def allow(monkeypatch: pytest.MonkeyPatch, answer_s: float) -> None:
    """Has the carriers wait so long for an answer of their servers."""
    for module in (redis, redis_connection, postgres):
        monkeypatch.setattr(module, "ANSWER_S", answer_s)
    monkeypatch.setitem(postgres._SETTINGS, "statement_timeout", str(int(answer_s * 1_000)))


@asynccontextmanager
async def running_nodes(carriers: MakeCarriers) -> AsyncIterator[Nodes]:
    """All of them end with the block."""
    async with trio.open_nursery() as nursery:
        yield Nodes(carriers, nursery)
        nursery.cancel_scope.cancel()


async def run_bus(bus: CarriedBus, task_status: trio.TaskStatus[None]) -> None:
    """As the supervisor does."""
    await bus.run(task_status)  # type: ignore[arg-type]  # trio's status takes None only, so do we


@asynccontextmanager
async def run_foreign() -> AsyncIterator[ForeignLoop]:
    """A foreign loop that runs as long as the block."""
    loop = ForeignLoop()
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        yield loop
        nursery.cancel_scope.cancel()
