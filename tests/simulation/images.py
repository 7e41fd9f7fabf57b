"""The engine of a simulation: the real one, as often as it is started, in a world that fails on purpose.

Everything of it runs but the HTTP server: the supervision tree, channels, machines, sessions, outboxes, the gateway's
boundary. Its store is a door to the common data, its sockets are the network's, its wall clock can be set. `restart`
stops it politely; `kill` leaves it no chance to do anything more, and the next image finds what the store has.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import trio

from actors.ports import Machine, MachineFactory
from actors.supervisor import ChildSpec, Started
from engine.app import Engine
from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.core.channel import machine_factory
from engine.core.turn import Policy
from engine.ids import IdSource
from engine.sections.alerting import Channel
from engine.sections.doors import Gateway
from engine.sections.keeping import Retention as RetentionSection
from engine.stores import Store
from engine.tree import Tree
from engine.world import World
from protocol.commands import Batch, Ring
from protocol.effects import Decision, Recalled
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from protocol.orders import Orders
from protocol.rules import MilestoneRule
from tests.simulation.network import Network
from tests.simulation.producers import METRIC, POISON
from tests.simulation.store import Injected, Storage
from tests.simulation.trace import Trace, Violation
from tests.support.engines import SECRET

START_US = 1_767_225_600_000_000
# The engine promises 10 s; a part that hangs must not hide behind the next one's patience.
STOP_MAX_S = 10.0
OUTBOX_SOFT_BYTES, OUTBOX_MAX_BYTES = 65_536, 131_072
NOWHERE = Path("/nonexistent")
# One for each framework: adds up all readings, and never rings.
SUMS = tuple(
    MilestoneRule(id=f"sum-{name}", workspace="acme", framework=name, metric=METRIC, goals=(1e9,), is_cumulative=True)
    for name in ("checkout", "search", "mail")
)


class WallClock:
    """Microseconds since the epoch: runs with virtual time, and can be set."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def __call__(self) -> int:
        return START_US + round((trio.current_time() + self.offset_s) * 1e6)


class FaultyMachine:
    """A channel's machine that raises over poison, and when the nemesis says so."""

    def __init__(self, inner: Machine, key: ChannelKey, machines: FaultyMachines) -> None:
        self._inner = inner
        self._key = key
        self._machines = machines

    def restore(self) -> Iterator[None]:
        return self._inner.restore()

    def decide(self, batch: Batch) -> Decision:
        is_poisoned = any(isinstance(one, Ring) and (one.title or "").startswith(POISON) for one in batch.commands)
        if is_poisoned or self._machines.raises[self._key] > 0:
            self._machines.raises[self._key] -= not is_poisoned
            self._machines.crashed(self._key, batch)
            raise Injected("the machine")
        return self._inner.decide(batch)

    def flush(self, batch: Batch) -> Decision:
        return self._inner.flush(batch)

    def next_due(self) -> int | None:
        return self._inner.next_due()

    def owes(self) -> bool:
        return self._inner.owes()


class FaultyMachines:
    """Makes them, and remembers what their crashes must lead to (P6)."""

    def __init__(self) -> None:
        self.raises: Counter[ChannelKey] = Counter()
        # Crashes of the present image that were wanted; when those were that restart intensity counts; parkings due.
        self.counted: dict[ChannelKey, deque[float]] = {}
        self.crashes = 0
        self.parks_due = 0

    def __call__(self, policy: Policy) -> MachineFactory:
        """The `machine_factory` of the engine's world."""
        real = machine_factory(policy)

        def make(key: ChannelKey, recalled: Recalled, orders: Orders) -> Machine:
            return FaultyMachine(real(key, recalled, orders), key, self)

        return make

    def crashed(self, key: ChannelKey, batch: Batch) -> None:
        """The machine raises now; with commands in its hands that is their fault and not the channel's."""
        self.crashes += 1
        if not batch.commands:
            self.counts(key)

    def commit_raises(self, key: ChannelKey) -> None:
        """The actor crashes over its store."""
        self.crashes += 1
        self.counts(key)

    def counts(self, key: ChannelKey) -> None:
        """At most 5 restarts in 30 s; the sixth crash parks the channel, and then it starts anew."""
        now = trio.current_time()
        times = self.counted.setdefault(key, deque())
        times.append(now)
        while now - times[0] > 30:
            times.popleft()
        if len(times) > 5:
            self.parks_due += 1
            times.clear()

    def fresh(self) -> None:
        """A new image of the engine has no history."""
        self.counted.clear()
        self.crashes = 0


class _Bodiless(Tree):
    """Without the HTTP server, whose sockets would be real; the gateway's is had when it starts."""

    def _children(self) -> Sequence[ChildSpec]:
        return [
            dataclasses.replace(spec, run=self._run_nothing) if spec.name in ("ports", "http") else spec
            for spec in super()._children()
        ]

    async def _run_nothing(self, status: Started) -> None:
        self.doors.http_url = "http://10.0.0.1:8080"
        status.started()
        await trio.sleep_forever()


class _Simulated(Engine):
    tree = _Bodiless


class Images:
    """The engine, one image after the other."""

    def __init__(self, network: Network, storage: Storage, chance: random.Random, trace: Trace, *, trims: bool) -> None:
        self.trims = trims
        self.clock = WallClock()
        self.machines = FaultyMachines()
        self.engine: Engine | None = None
        self._network = network
        self._storage = storage
        self._trace = trace
        storage.injected_crashes = self.machines.commit_raises
        self._world = World(
            clock=self.clock,
            new_id=IdSource(self.clock, chance.getrandbits),
            open_store=self._open_store,
            machine_factory=self.machines,
            bind_ws=lambda address: network.listen(),  # type: ignore[arg-type,return-value]  # as much as is used
        )
        self._config = Config(
            data=NOWHERE,
            store="memory:",
            secret=Secret(SECRET),
            watch_host=False,
            watch_self=False,
            gateway=Gateway(
                drain_s=2.0, close_s=1.0, outbox_soft_bytes=OUTBOX_SOFT_BYTES, outbox_max_bytes=OUTBOX_MAX_BYTES
            ),
            channel=Channel(idle_s=20.0, batch_max=chance.choice([2, 8, 240])),
            retention=RetentionSection(trim_every_s=7.0 if trims else 600.0),
            rules=SUMS,
        )
        self._stop = trio.Event()
        self._is_wanted = True
        self.started = trio.Event()

    async def run(self) -> None:
        """Starts images until it is told that no more are wanted. Raises Violation if one ends by itself."""
        while self._is_wanted:
            self._stop = trio.Event()
            try:
                async with _Simulated(self._config, self._world) as self.engine:
                    self._trace("engine", "up")
                    self.started.set()
                    await self._stop.wait()
                    stopped_at = trio.current_time()
            except Exception as end:
                raise Violation(f"the engine ended by itself: {end!r}") from end
            took = trio.current_time() - stopped_at
            self.engine = None
            self._trace("engine", f"down after {took:.3f} s")
            if took > STOP_MAX_S:
                raise Violation(f"the engine took {took:.1f} s to stop")

    def _open_store(self, *_: Any, **__: Any) -> AbstractAsyncContextManager[Store]:
        # What stands on a store is made anew with it: nobody has crashed yet.
        self.machines.fresh()
        return self._storage.open()

    def restart(self) -> None:
        """Stops it politely; the next image follows."""
        self.started = trio.Event()
        self._stop.set()

    def kill(self) -> None:
        """Ends it as `kill -9` would: it cannot store or say anything more."""
        if self._storage.door is not None:
            self._storage.door.is_dead = True
        self._network.cut()
        self.restart()

    def stop(self) -> None:
        """No more images."""
        self._is_wanted = False
        self._stop.set()

    def token(self, user: str, ttl_s: int) -> str:
        """A token from the present image. Raises ConnectionRefusedError while there is none."""
        if self.engine is None:
            raise ConnectionRefusedError("no engine")
        return self.engine.issue_token("acme", user, ttl_s=ttl_s)

    def statistics(self) -> dict[str, Any]:
        """The present image's, flat by part. Raises StoreUnavailable while there is none."""
        if self.engine is None:
            raise StoreUnavailable("no engine")
        return self.engine.statistics()
