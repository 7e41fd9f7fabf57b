"""The bus of one node: publishes what waits, hears what comes, over one carrier or two of which one stands in.

Owns: the queue (`outgoing`), what was heard on each topic (`hearing`), who listens, and which carriers are up. Talks
to: carriers. One task sends by all of them; each has one that reads, and one that finds out when it is back. Waits for:
the carriers, a second at most each time. If it crashes it is restarted with its queue, its numbers and its listeners,
so others notice nothing but a pause; here everybody is told of a gap, because something was in hand.

Everybody reads all carriers all the time and sends by the first that is up and that all others can read, as they say in
their heartbeats: a node that alone cannot reach Redis hears and is heard over Postgres. What a carrier did not confirm
is sent again by the next one; numbers make that harmless. Before another carrier is used there is a pause
(`HANDOVER_S`), so that what the last one has in hand arrives first; what comes later all the same is a gap, no fault.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from actors.bell import Bell
from actors.supervisor import Started
from engine.bus import NO_MARKS, Cause, Entries, Gap, Listener, Told
from engine.bus.carriers import Carrier, CarrierDown, Reading
from engine.bus.frames import Frame, Parcel, unpack
from engine.bus.hearing import HEARTBEAT_S, PEERS_MAX, SILENT_S, Hearing
from engine.bus.outgoing import Outgoing

log = structlog.get_logger()

# Sent at once: a batch that takes a carrier some milliseconds, so that what is urgent is not long behind it.
SEND_BYTES = 1024 * 1024
HANDOVER_S = 0.05
PROBE_S = 0.5
FAREWELL_S = 0.5
# A carrier that brought nothing because it is down: asked again so soon.
READ_AGAIN_S = 0.25
# Of one node, as it says itself.
CARRIERS_MAX = 8
# Gaps come in numbers; the counters have all of them.
LOG_EVERY_S = 1.0


@dataclass
class _Way:
    """A carrier, and whether it works in each direction: `down` is set while sending does not."""

    carrier: Carrier
    down: trio.Event = field(default_factory=trio.Event)
    can_read: bool = True
    reading: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def is_up(self) -> bool:
        return not self.down.is_set()


class CarriedBus:
    """A bus over carriers, the best one first. `node` is the name of this run of the process: never used twice."""

    def __init__(self, node: str, carriers: Sequence[Carrier], queue_bytes: int) -> None:
        self._node = node
        self._ways = [_Way(carrier) for carrier in carriers]
        self._queue_bytes = queue_bytes
        self._outgoing = Outgoing(node, queue_bytes)
        self._bell, self._up_bell = Bell(), Bell()
        self._topics: dict[str, Hearing] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._unsent: list[Parcel] = []
        # Topics on which something came that cannot be read, and whose listeners were not told yet.
        self._strange: set[str] = set()
        self._sent_by: _Way | None = None
        # Which carriers others cannot read, and when they said so.
        self._deaf: dict[str, tuple[Sequence[str], float]] = {}
        self._counts: Counter[str] = Counter()
        self._gaps: Counter[Cause] = Counter()
        # What this node heard of itself: how late it was, and when.
        self._lag_s = 0.0
        self._echoed_at: float | None = None
        self._logged_at = -math.inf
        self._has_run = False

    def publish(self, topic: str, entries: Sequence[bytes], marks: Mapping[str, int] = NO_MARKS) -> None:
        """Tells the other nodes; what does not fit into the queue is dropped and counted."""
        dropped = self._outgoing.put(topic, entries, marks)
        self._counts["published"] += len(entries) - dropped
        self._counts["dropped"] += dropped
        self._bell.ring()

    def follow(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with what others publish there, after `Gap(STARTED)`; what is returned ends it."""
        listeners = self._listeners.setdefault(topic, [])
        listeners.append(listener)
        hearing = self._topics.get(topic)
        if hearing is None:
            self._topics[topic] = Hearing(topic)
            # Topics change when a node starts, hardly ever again: what is being waited for begins anew.
            for way in self._ways:
                way.reading.cancel()
        elif hearing.has_begun:
            listener(Gap(topic, Cause.STARTED))

        def end() -> None:
            listeners.remove(listener)
            if not listeners and self._listeners.get(topic) is listeners:
                del self._listeners[topic], self._topics[topic]

        return end

    def statistics(self) -> dict[str, Any]:
        """Counters, and how the bus is now."""
        now = trio.current_time()
        return {
            **{word: self._counts[word] for word in ("published", "dropped", "received", "unreadable", "switched")},
            **{f"gaps_{cause.value}": self._gaps[cause] for cause in Cause},
            "repeated": sum(hearing.repeated for hearing in self._topics.values()),
            "queue_bytes": self._outgoing.bytes,
            "lag_s": self._lag_now_s(now),
            "heartbeat_age_s": max((hearing.age_s(now) for hearing in self._topics.values()), default=0.0),
            **{f"up_{way.carrier.name}": int(way.is_up and way.can_read) for way in self._ways},
        }

    def _lag_now_s(self, now: float) -> float:
        """As the last echo says, or as long as one is overdue: heartbeats come each second."""
        overdue_s = 0.0 if self._echoed_at is None else now - self._echoed_at - 2 * HEARTBEAT_S
        return max(self._lag_s, overdue_s)

    async def run(self, status: Started) -> None:
        """Carries until cancelled."""
        if self._has_run:
            # Whoever listened may not have heard all of what was taken from a carrier: it counts as heard.
            for topic, hearing in list(self._topics.items()):
                if hearing.has_begun:
                    self._tell(topic, [Gap(topic, Cause.LOST)])
        self._has_run = True
        try:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(self._send_for_ever)
                tasks.start_soon(self._listen_for_ever)
                for way in self._ways:
                    tasks.start_soon(self._read_for_ever, way)
                    tasks.start_soon(self._probe_for_ever, way)
                status.started()
        finally:
            with trio.move_on_after(FAREWELL_S, shield=True):
                await self._say_goodbye()

    async def _send_for_ever(self) -> None:
        while True:
            if not self._unsent:
                self._outgoing.deaf_to = [way.carrier.name for way in self._ways if not way.can_read]
                self._unsent = self._outgoing.take(trio.current_time(), SEND_BYTES)
            if self._unsent:
                await self._send(self._unsent)
                self._unsent = []
            else:
                await self._bell.wait(self._outgoing.next_beat_s(trio.current_time()))

    async def _send(self, parcels: Sequence[Parcel]) -> None:
        """By the first carrier that takes them, however long that needs; what comes meanwhile waits in the queue."""
        while True:
            way = self._best_way()
            if way is None:
                await self._up_bell.wait(PROBE_S)
                continue
            if self._sent_by is not way and self._sent_by is not None:
                self._counts["switched"] += 1
                await trio.sleep(HANDOVER_S)
            self._sent_by = way
            try:
                await way.carrier.send(parcels)
            except CarrierDown as fault:
                log.warning("bus_down", carrier=way.carrier.name, cause=str(fault))
                way.down.set()
            else:
                return

    def _best_way(self) -> _Way | None:
        """The first that works for us and for all others; or at least for us."""
        since = trio.current_time() - SILENT_S
        unheard = {name for names, said_at in self._deaf.values() if said_at > since for name in names}
        up = [way for way in self._ways if way.is_up]
        return next((way for way in up if way.carrier.name not in unheard), up[0] if up else None)

    async def _probe_for_ever(self, way: _Way) -> None:
        """While a carrier is down: finds out when it is back, beside the sending, which another one may do."""
        while True:
            await way.down.wait()
            await trio.sleep(PROBE_S)
            try:
                await way.carrier.probe()
            except CarrierDown:
                continue
            log.info("bus_back", carrier=way.carrier.name)
            way.down = trio.Event()
            self._up_bell.ring()

    async def _read_for_ever(self, way: _Way) -> None:
        while True:
            topics = frozenset(self._topics)
            try:
                with trio.CancelScope() as way.reading:
                    self._take(await way.carrier.read(topics), topics)
                    way.can_read = True
            except CarrierDown as fault:
                if way.can_read:
                    log.warning("bus_cannot_be_read", carrier=way.carrier.name, cause=str(fault))
                way.can_read = False
                await trio.sleep(READ_AGAIN_S)

    async def _listen_for_ever(self) -> None:
        while True:
            await trio.sleep(HEARTBEAT_S / 2)
            is_deaf = not all(way.can_read for way in self._ways)
            since = trio.current_time() - SILENT_S
            self._deaf = {node: said for node, said in self._deaf.items() if said[1] > since}
            # Once for all of them: whoever writes rubbish must not have us look into the store for each piece.
            strange, self._strange = self._strange, set()
            for topic in strange:
                self._tell(topic, [Gap(topic, Cause.UNREADABLE)])
            for topic, hearing in list(self._topics.items()):
                self._tell(topic, hearing.listen(trio.current_time(), is_deaf))

    def _take(self, reading: Reading, topics: Iterable[str]) -> None:
        """Tells what a carrier has brought, and that it stands on these topics now."""
        now = trio.current_time()
        for topic in topics:
            hearing = self._topics.get(topic)
            if hearing is not None and not hearing.has_begun:
                self._tell(topic, hearing.begin(now))
        for topic in reading.lost:
            self._tell(topic, [Gap(topic, Cause.LOST)])
        for topic, body in reading.parcels:
            if (frame := unpack(body)) is not None:
                self._hear(topic, frame, now)
            else:
                self._counts["unreadable"] += 1
                self._strange.add(topic)

    def _hear(self, topic: str, frame: Frame, now: float) -> None:
        hearing = self._topics.get(topic)
        if frame.node == self._node:
            self._lag_s, self._echoed_at = max(0.0, now - frame.at), now
        elif hearing is not None:
            self._note_deaf(frame, now)
            self._tell(topic, hearing.hear(frame, now))

    def _note_deaf(self, frame: Frame, now: float) -> None:
        if frame.deaf_to and len(self._deaf) < PEERS_MAX:
            self._deaf[frame.node] = frame.deaf_to[:CARRIERS_MAX], now
        elif not frame.entries:
            self._deaf.pop(frame.node, None)

    def _tell(self, topic: str, told: Iterable[Told]) -> None:
        for one in told:
            if isinstance(one, Entries):
                self._counts["received"] += len(one.bodies)
            elif isinstance(one, Gap):
                self._note(one)
            for listener in tuple(self._listeners.get(topic, ())):
                listener(one)

    def _note(self, gap: Gap) -> None:
        self._gaps[gap.cause] += 1
        now = trio.current_time()
        if gap.cause is not Cause.STARTED and now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            log.info("bus_gap", topic=gap.topic, cause=gap.cause.value, node=gap.node)

    async def _say_goodbye(self) -> None:
        way = self._best_way()
        if way is not None:
            now = trio.current_time()
            parcels = [*self._unsent, *self._outgoing.take(now, self._queue_bytes), *self._outgoing.farewell(now)]
            self._unsent = []
            try:
                await way.carrier.send(parcels)
            except CarrierDown as fault:
                log.info("bus_without_goodbye", carrier=way.carrier.name, cause=str(fault))
        for way in self._ways:
            await way.carrier.close()
