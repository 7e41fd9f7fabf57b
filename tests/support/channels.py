"""A channel actor on a store whose faults can be switched."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from actors.cell import Cell
from actors.registry import Registry
from protocol.codec import WireForm
from protocol.model import Event, Severity
from tests.support.actors import KEY, Answers, FakeStore, Machines, Receiver, Recorder, a_kit, put, start


class OfRegistry:
    """The channel KEY of a registry: who follows it, and what is put into it."""

    registry: Registry
    answers: Answers

    @property
    def cell(self) -> Cell:
        return self.registry.cell(KEY)

    async def follow(self) -> Receiver:
        receiver = Receiver()
        (await self.cell.wait_audience()).attach(receiver, WireForm.JSON, Severity.INFO)
        return receiver

    async def ring(self, *names: str) -> None:
        await put(self.cell, self.answers, *names)


class Channel(OfRegistry):
    """One channel in a registry, with everything that it is handed."""

    def __init__(self, **limits: Any) -> None:
        self.store = FakeStore()
        self.machines = Machines()
        self.observer = Recorder()
        self.answers = Answers()
        self.found: list[int] = []
        kit = a_kit(self.store, self.machines, self.observer, **limits)
        self.registry = Registry(dataclasses.replace(kit, found=self._found))

    def _found(self, workspace: str, events: Sequence[Event]) -> None:
        self.found += [event.offset for event in events]

    async def settle(self) -> None:
        await wait_all_tasks_blocked()


@asynccontextmanager
async def a_channel(**limits: Any) -> AsyncIterator[Channel]:
    channel = Channel(**limits)
    async with trio.open_nursery() as nursery:
        await start(nursery, channel.registry.run)
        yield channel
        nursery.cancel_scope.cancel()


def told(receiver: Receiver) -> list[str]:
    return [message.data.title for message in receiver.messages]
