"""History for those who come back: a stretch of a stream is read once for all who ask for it together.

Owns: the questions that are under way to the store, and the last few stretches with the frames that were made of them.
After a restart a thousand clients ask the same within a second; without this each of them is a read and a hundred
encodings. Asked by conversations that bring their peers level; waits for the store only. Events never change once they
are told, so what is kept can be short of the present (it then is not used) but not wrong. If whoever reads for all is
cancelled, the next one who waits reads in its place.

Decided against: filling the ring from the store, which would hold it back from what it is for, the newest events.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import trio

from actors.audience import Audience
from actors.frames import Frame
from actors.ports import HISTORY_CHUNK
from protocol.codec import WireForm
from protocol.errors import StoreUnavailable
from protocol.model import Event, Severity

# As much as the rings of two channels: a wave reads the same few stretches, one after the other.
CHUNKS_KEPT = 8
# Wire forms times severities, and some for those whose filter let different messages through before.
FRAMINGS_MAX = 16

# Asks the store for the events after an offset. Raises StoreUnavailable.
Read = Callable[[int], Awaitable[Sequence[Event]]]
_Place = tuple[str, str, int]


class Chunk:
    """Events that follow on an offset (not necessarily without a hole), and what they look like on the wire."""

    __slots__ = ("_framed", "events")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self._framed: dict[tuple[WireForm, Severity, int], tuple[list[Frame], int]] = {}

    def frames(self, audience: Audience, form: WireForm, min_severity: Severity, prev: int) -> tuple[list[Frame], int]:
        """As `Audience.frames`, once for all who get the very same; promised, so they never give way."""
        framed = self._framed.get((form, min_severity, prev))
        if framed is None:
            live, last = audience.frames(self.events, form, min_severity, prev)
            framed = [frame.promised() for frame in live], last
            if len(self._framed) < FRAMINGS_MAX:
                self._framed[form, min_severity, prev] = framed
        return framed


class _Flight:
    """A question to the store that is under way."""

    def __init__(self) -> None:
        self.landed = trio.Event()
        # Neither is set if the one who asked was cancelled.
        self.chunk: Chunk | None = None
        self.fault: StoreUnavailable | None = None


class History:
    """What streams told before: ring first, store second."""

    def __init__(self) -> None:
        self._chunks: OrderedDict[_Place, Chunk] = OrderedDict()
        self._flights: dict[_Place, _Flight] = {}

    async def after(self, audience: Audience, offset: int, read: Read) -> Chunk:
        """The next events of a stream after an offset; empty if there are none any more. Raises StoreUnavailable."""
        place = (audience.name, audience.epoch, offset)
        while True:
            known = self._known(audience, place)
            if known is not None:
                return known
            flight = self._flights.get(place)
            if flight is None:
                return await self._fly(audience, place, read)
            await flight.landed.wait()
            if flight.fault is not None:
                raise StoreUnavailable(flight.fault.message) from flight.fault
            if flight.chunk is not None:
                return flight.chunk

    def _known(self, audience: Audience, place: _Place) -> Chunk | None:
        """What is in memory, if it leads as far as a fresh look would."""
        chunk = self._chunks.get(place)
        if chunk is not None:
            is_full = len(chunk.events) >= HISTORY_CHUNK
            if is_full or audience.offset_of(chunk.events[-1]) >= audience.told:
                self._chunks.move_to_end(place)
                return chunk
        events = audience.ring.after(place[2], HISTORY_CHUNK)
        return self._keep(place, events) if events else None

    async def _fly(self, audience: Audience, place: _Place, read: Read) -> Chunk:
        flight = self._flights[place] = _Flight()
        try:
            stored = await read(place[2])
            # What is stored and not told yet comes live: nothing comes twice.
            flight.chunk = self._keep(place, [e for e in stored if audience.offset_of(e) <= audience.told])
        except StoreUnavailable as fault:
            flight.fault = fault
            raise
        finally:
            del self._flights[place]
            flight.landed.set()
        return flight.chunk

    def _keep(self, place: _Place, events: Sequence[Event]) -> Chunk:
        chunk = Chunk(events)
        if events:
            self._chunks[place] = chunk
            self._chunks.move_to_end(place)
            if len(self._chunks) > CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        return chunk
