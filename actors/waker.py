"""Wakes channels that have something to look at, a few at a time.

One silence may concern all five thousand channels of a workspace, and one import of rules as many; a gap of the bus, or
a node that goes, concerns all there are. Woken at once, all of them decide within one turn of the loop: 5,000 held
everybody else up for 370 ms. So each is told at once that it has something to look at (it is not retired before it
has), and a few of them are woken in each turn; in between sockets are read and others have theirs. Whatever a channel
decides meanwhile it decides under the new orders anyway, and not before it has looked into the store.

Owns which cells are still to be woken, each once: as many as there are channels, at most. Talked to by the registry,
which owns the task. Waits only for more. If it crashes, the registry ends with it; every cell still knows.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from actors.cell import Cell

# Under 3 ms of a turn, at 75 us for a look that finds nothing to do.
WOKEN_AT_ONCE = 32


class Waker:
    """Wakes cells."""

    def __init__(self) -> None:
        self._waiting: dict[Cell, None] = {}
        self._news = trio.Event()

    def wake(self, cells: Iterable[Cell]) -> None:
        """Has these look at what holds now, soon."""
        for cell in cells:
            cell.mailbox.oblige()
            self._waiting[cell] = None
        self._news.set()

    async def run(self) -> None:
        """Wakes them, for ever."""
        while True:
            await self._news.wait()
            for cell in list(self._waiting)[:WOKEN_AT_ONCE]:
                del self._waiting[cell]
                cell.wake()
            if not self._waiting:
                self._news = trio.Event()
            await trio.lowlevel.checkpoint()
