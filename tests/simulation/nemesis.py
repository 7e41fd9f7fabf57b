"""Draws faults from the seed and makes them happen: each is a method, its life readable as a few steps.

Owns nothing but its chance. Faults may overlap; after the last one everything that was switched on is switched off
(`Faults.clear`, links unstalled), and whatever is still wrong then is the engine's fault.
"""

from __future__ import annotations

import errno
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio

from protocol.model import ChannelKey
from tests.simulation.clients import Client
from tests.simulation.images import Images
from tests.simulation.network import Network
from tests.simulation.producers import POISON, SEVERITIES, Producer, Wish
from tests.simulation.store import RAISE_AFTER, RAISE_BEFORE, TORN, UNANSWERED, Storage
from tests.simulation.trace import Trace
from tests.support.stores import a_commit, a_row, an_alert

# What is drawn how often. Ends of the whole engine are rarer: each costs the others their time.
WEIGHTS = {
    "store_away": 3, "store_slow": 2, "commits_fail": 4, "reads_fail": 2, "commit_crashes": 3, "parked": 1,
    "machine_raises": 3, "poison": 2, "resets": 3, "storm": 2, "stalls": 3, "vanishes": 2, "clock_jumps": 2,
    "stranger": 2, "flood": 3, "accept_fails": 1, "restart": 1, "kill": 2, "writer_dies": 1,
}  # fmt: skip
ENGINE_ENDS = ("restart", "kill", "writer_dies")


class Nemesis:
    """Makes trouble."""

    def __init__(
        self,
        chance: random.Random,
        trace: Trace,
        storage: Storage,
        images: Images,
        network: Network,
        clients: Sequence[Client],
        keys: Sequence[ChannelKey],
    ) -> None:
        self._chance = chance
        self._trace = trace
        self._storage = storage
        self._images = images
        self._network = network
        self._clients = clients
        self._producers = [client for client in clients if isinstance(client, Producer)]
        self._keys = keys
        self._count = 0

    async def run(self, faults: int) -> None:
        """So many of them, then peace."""
        drawn = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=faults)
        async with trio.open_nursery() as nursery:
            for name in drawn:
                await trio.sleep(self._chance.expovariate(1.0))
                self._trace("nemesis", name)
                act: Callable[[], Awaitable[None]] = getattr(self, f"_{name}")
                if name in ENGINE_ENDS:
                    await self._images.started.wait()
                    await act()
                else:
                    nursery.start_soon(act)
        self._storage.faults.clear()
        self._images.machines.raises.clear()
        if self._network.listener is not None:
            self._network.listener.faults.clear()
        for sock in self._network.sockets.values():
            sock.outgoing.change(stall=False)
        self._trace("nemesis", "peace")

    async def _store_away(self) -> None:
        self._storage.faults.away = "unplugged"
        await trio.sleep(self._chance.choice([0.1, 2.0, 30.0]) * self._chance.random())
        self._storage.faults.away = None

    async def _store_slow(self) -> None:
        self._storage.faults.slow_s = self._chance.choice([0.01, 0.2, 2.0])
        await trio.sleep(self._chance.uniform(0.5, 10))
        self._storage.faults.slow_s = 0.0

    async def _commits_fail(self) -> None:
        kind = self._chance.choice([TORN, UNANSWERED])
        self._storage.faults.anybody.extend([kind] * self._chance.randint(1, 3))

    async def _reads_fail(self) -> None:
        self._storage.faults.reads_fail += self._chance.randint(1, 4)

    async def _commit_crashes(self) -> None:
        self._storage.faults.anybody.append(self._chance.choice([RAISE_BEFORE, RAISE_AFTER]))

    async def _parked(self) -> None:
        crashes = [self._chance.choice([RAISE_BEFORE, RAISE_AFTER]) for _ in range(6)]
        self._storage.faults.commits.setdefault(self._key(), deque()).extend(crashes)

    async def _machine_raises(self) -> None:
        self._images.machines.raises[self._key()] += self._chance.randint(1, 2)

    async def _poison(self) -> None:
        self._somebody().wants(self._wish(POISON), self._wish("beside"))

    async def _resets(self) -> None:
        link = self._chance.choice(self._clients).link
        if link is not None:
            link.sock.reset()

    async def _storm(self) -> None:
        for client in self._clients:
            if client.link is not None:
                client.link.sock.reset()

    async def _stalls(self) -> None:
        link = self._chance.choice(self._clients).link
        if link is not None:
            link.sock.incoming.change(stall=True)
            await trio.sleep(self._chance.choice([1.0, 20.0, 90.0]) * self._chance.random())
            link.sock.incoming.change(stall=False)

    async def _vanishes(self) -> None:
        self._chance.choice(self._clients).vanish()

    async def _clock_jumps(self) -> None:
        self._images.clock.offset_s += self._chance.choice([-3_600, -30, -1, 1, 30, 400, 3_600])

    async def _stranger(self) -> None:
        key = self._key()
        base = len(self._storage.ledger.channels.get(key, ()))
        title, at = self._title("stranger"), self._images.clock()
        row = a_row(an_alert(id=self._id(), framework_id=key.framework, title=title, at=at), until=at + 1)
        commit = a_commit(key, base, [row], at=at, batch_id=self._id())
        if self._storage.door is not None:
            await self._storage.door.commit_as_a_stranger(commit)

    async def _flood(self) -> None:
        text = "x" * self._chance.choice([10, 1_000, 3_500])
        for producer in self._producers:
            for _ in range(self._chance.choice([1, 2, 4, 12])):
                wishes = [self._wish("flood") for _ in range(self._chance.randint(1, 12))]
                for wish in wishes:
                    wish.message = text
                producer.wants(*wishes)

    async def _accept_fails(self) -> None:
        if self._network.listener is not None:
            kinds = [errno.ECONNABORTED, errno.EMFILE]
            self._network.listener.faults.extend(self._chance.choices(kinds, k=2))

    async def _restart(self) -> None:
        self._images.restart()

    async def _kill(self) -> None:
        self._images.kill()

    async def _writer_dies(self) -> None:
        self._storage.writer_dies()
        await trio.sleep(8)  # six ends in 30 s would rightly end the engine

    def _key(self) -> ChannelKey:
        return self._chance.choice(self._keys)

    def _somebody(self) -> Producer:
        return self._chance.choice(self._producers)

    def _title(self, kind: str) -> str:
        self._count += 1
        return f"{kind} {self._count}"

    def _id(self) -> str:
        number = self._chance.getrandbits(128)
        return f"{number:032x}"[:8] + "-0000-7000-8000-" + f"{number:032x}"[:12]

    def _wish(self, kind: str) -> Wish:
        severity = self._chance.choice(SEVERITIES)
        return Wish(self._title(kind), self._key(), severity=severity)
