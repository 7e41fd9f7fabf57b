"""Alerts that have arrived and wait for the program to take them.

Owned by the client; its reader appends, the program takes. Appending never waits, so an alert whose offset was noted is
never lost to a cancellation; the reader asks for room afterwards, before it reads on. So at most `limit` alerts and
those of the message in hand (a page of a snapshot has up to 100) wait here, and past that the sockets fill:
back-pressure. Decided against a memory channel, whose `send` is where a cancelled reader would lose the alert in its
hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

import trio

from protocol.errors import TocsinError
from protocol.messages import AlertMessage


class AlertBuffer(AsyncIterator[AlertMessage]):
    """A bounded queue of alerts; iterating takes them. Two who iterate share: each alert goes to one of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._alerts: deque[AlertMessage] = deque()
        self._takers = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._is_closed = False
        self._failure: TocsinError | None = None

    def __len__(self) -> int:
        return len(self._alerts)

    def append(self, alert: AlertMessage) -> None:
        """Adds an alert, whatever the limit: ask `wait_room` before the next one."""
        self._alerts.append(alert)
        self._takers.unpark()

    async def wait_room(self) -> None:
        """Waits until fewer alerts than the limit are here."""
        while len(self._alerts) >= self._limit:
            await self._room.park()

    def close(self, failure: TocsinError | None) -> None:
        """No more will come: who iterates gets what is here, then this failure, or the end."""
        self._is_closed, self._failure = True, failure
        self._takers.unpark_all()

    async def __anext__(self) -> AlertMessage:
        (alert,) = await self.take(1)
        return alert

    async def take(self, most: int) -> list[AlertMessage]:
        """Waits for one alert, and takes as many as are here then, up to `most`.

        Raises the failure, or StopAsyncIteration when no more will come.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._alerts:
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                raise StopAsyncIteration
            await self._takers.park()
        taken = [self._alerts.popleft() for _ in range(min(most, len(self._alerts)))]
        if len(self._alerts) < self._limit:
            self._room.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return taken
