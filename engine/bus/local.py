"""A carrier inside one process: engines that share a loop, in tests and in programs that embed several.

The hub is what Redis is elsewhere. It keeps nothing: who reads is handed parcels into a bounded list of its own, and
who reads too slowly loses what it had, and is told so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import trio

from actors.bell import Bell
from engine.bus.carriers import Reading
from engine.bus.frames import Parcel

# Of one reader: a second of a busy bus. Past it the reader is stuck, and the store knows everything.
WAITING_MAX = 10_000
WAIT_S = 1.0


class Hub:
    """Joins the carriers of one process."""

    def __init__(self) -> None:
        self._carriers: list[LocalCarrier] = []

    def carrier(self) -> LocalCarrier:
        """A carrier for one more node."""
        carrier = LocalCarrier(self)
        self.join(carrier)
        return carrier

    def join(self, carrier: LocalCarrier) -> None:
        """One more to bring parcels to."""
        self._carriers.append(carrier)

    def bring(self, parcels: Sequence[Parcel]) -> None:
        """Hands parcels to everybody."""
        for carrier in self._carriers:
            carrier.bring(parcels)


class LocalCarrier:
    """One node's end of a hub."""

    name = "local"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._topics: Collection[str] = frozenset()
        self._waiting: list[Parcel] = []
        self._has_lost = False
        self._bell = Bell()

    def bring(self, parcels: Sequence[Parcel]) -> None:
        """Somebody has sent these."""
        self._waiting += [parcel for parcel in parcels if parcel.topic in self._topics]
        if len(self._waiting) > WAITING_MAX:
            self._waiting.clear()
            self._has_lost = True
        if self._waiting or self._has_lost:
            self._bell.ring()

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Hands them to everybody on this loop."""
        await trio.lowlevel.checkpoint()
        self._hub.bring(parcels)

    async def probe(self) -> None:
        """It always works."""
        await trio.lowlevel.checkpoint()

    async def read(self, topics: Collection[str]) -> Reading:
        """What has come since the last call; waits a second at most. A hub has no past to begin in."""
        is_new, self._topics = not set(topics) <= set(self._topics), topics
        await self._bell.wait(0 if is_new else WAIT_S)
        parcels, self._waiting = self._waiting, []
        has_lost, self._has_lost = self._has_lost, False
        return Reading(parcels, list(topics) if has_lost else ())

    async def close(self) -> None:
        """Reads no more until it is asked again."""
        self._topics = frozenset()
        self._waiting.clear()
