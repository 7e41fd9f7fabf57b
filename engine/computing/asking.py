"""Asks the store and computes, both in a process: each row that the engine's own interpreter takes up is time in which
its clients wait, and analytics takes up many.

A module has two functions for it: `gather(store, asked)` puts questions and returns a task, `compute(task)` says what
comes of it; both speak bytes. The process reads the store by itself, beside the engine, which has it open. A store in
memory cannot be read from elsewhere: there the engine gathers (such a store is small), and the process only computes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from importlib import import_module

import msgspec
import trio

from engine.computing.processes import Processes
from engine.stores import Store

Gather = Callable[[Store, bytes], Awaitable[bytes]]


class Asking:
    """`place`: where a process finds the store (`engine.stores.asking.place_of`)."""

    def __init__(self, store: Store, place: str | None, processes: Processes) -> None:
        self._store = store
        self._place = place
        self.processes = processes

    async def compute(self, module: str, asked: bytes) -> bytes:
        """What `compute` of the module makes of what its `gather` found. Raises ComputingFailedError, StoreUnavailable,
        InstalledAnewError. Cancelled: the process ends."""
        if self._place is None:
            gather: Gather = import_module(module).gather
            return await self.processes.compute(module, await gather(self._store, asked))
        # A file's name need not be text.
        packed = msgspec.msgpack.encode((os.fsencode(self._place), asked))
        return await self.processes.compute(module, packed, is_asking=True)


def gathered(gather: Gather, packed: bytes) -> bytes:
    """In the process: what was gathered, at the place that is named. Raises StoreUnavailable."""
    # Here, so that who only computes does not import the store's drivers.
    from engine.stores.asking import open_to_ask

    place, asked = msgspec.msgpack.decode(packed, type=tuple[bytes, bytes])

    async def ask() -> bytes:
        async with open_to_ask(os.fsdecode(place)) as store:
            return await gather(store, asked)

    return trio.run(ask)
