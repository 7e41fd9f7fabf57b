"""One simulation: a seed gives the clients, the work, the faults and the order of everything; then peace, and accounts.

`simulate(seed)` runs the real engine against watchers and producers while the nemesis makes trouble. Promises are
checked as things happen (views and producers raise Violation) and at the end (`reckoning`). The same seed gives the
same story; a failure is told with its seed and how to see it again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from engine.stores import Retention, open_store
from protocol.model import ChannelKey, Event, Severity
from tests.simulation import reckoning
from tests.simulation.clients import LAST, Client, Watcher
from tests.simulation.hooks import bounded, determined, logs_to, run_in_virtual_time
from tests.simulation.images import Images
from tests.simulation.nemesis import Nemesis
from tests.simulation.network import Network
from tests.simulation.producers import SEVERITIES, Producer, Wish
from tests.simulation.store import Storage
from tests.simulation.trace import Trace, Violation
from tests.simulation.view import View

KEYS = [ChannelKey("acme", name) for name in ("checkout", "search", "mail")]
# In virtual seconds: an away store is tried each second, a parked channel every 10 s, a client's patience is 40 s.
PEACE_MAX_S = 300.0
# A peer that vanished is gone after 60 s, and its close takes a moment.
SETTLE_S = 75.0
# Scheduler passes of one run; ordinary ones take some 10,000.
PASSES_MAX = 400_000


@dataclass
class Outcome:
    """How a simulation ended."""

    seed: int
    trace: Trace
    violation: str | None
    virtual_s: float

    @property
    def again(self) -> str:
        """What to type to see it again."""
        return f"python -m tests.simulation --seed {self.seed} --verbose"


class Simulation:
    """Everything that takes part in one run."""

    def __init__(self, seed: int, trace: Trace, inner: Any) -> None:
        chance = random.Random(seed)
        self.chance = chance
        self.trace = trace
        self.network = Network(random.Random(seed + 3))
        self.storage = Storage(inner, random.Random(seed + 1), trace)
        self.images = Images(self.network, self.storage, random.Random(seed + 2), trace, trims=trims(seed))
        ledger, token = self.storage.ledger, self.images.token
        self.producers = [
            Producer(f"producer{n}", self.network, token, trace, chance.getrandbits(32), ledger) for n in range(2)
        ]
        self.watchers = [
            Watcher(f"watcher{n}", self.network, token, trace, chance.getrandbits(32), self._views(f"watcher{n}"))
            for n in range(chance.randint(2, 5))
        ]
        self.clients: list[Client] = [*self.producers, *self.watchers]
        for n in range(chance.randint(5, 25)):
            wishes = [
                Wish(
                    f"t{n}.{k}",
                    chance.choice(KEYS),
                    severity=chance.choice(SEVERITIES),
                    assigned_to=chance.choice([None, "watcher0", "watcher1"]),
                )
                for k in range(chance.randint(1, 4))
            ]
            chance.choice(self.producers).wants(*wishes)
        # Drawn by a chance of its own, so that the other stories stay what they were.
        readings = random.Random(seed + 4)
        for n in range(readings.randint(0, 12)):
            wishes = [Wish(f"r{n}", readings.choice(KEYS), verb="reading") for _ in range(readings.randint(1, 5))]
            readings.choice(self.producers).wants(*wishes)

    def _views(self, who: str) -> list[View]:
        chance, ledger = self.chance, self.storage.ledger
        trims, views = self.images.trims, []

        def view(channel: str, least: Severity, events: Callable[[], list[Event]]) -> None:
            snapshot = chance.random() < 0.5
            views.append(View(who, channel, least, events, may_be_trimmed=trims, snapshot=snapshot))

        for key in chance.sample(KEYS, chance.randint(1, 3)):
            least = chance.choice([Severity.INFO, Severity.INFO, Severity.ERROR])
            view(f"alerts:{key.framework}", least, partial(ledger.channels.get, key, []))
        if chance.random() < 0.5:
            least = chance.choice([Severity.INFO, Severity.WARNING])
            view("workspace", least, partial(ledger.workspaces.get, "acme", []))
        if chance.random() < 0.7:
            view("user", chance.choice([Severity.INFO, Severity.WARNING]), partial(ledger.users.get, who, []))
        return views

    async def run(self) -> None:
        """Trouble, peace, reckoning, end."""
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as everything:
            everything.start_soon(self.images.run)
            async with trio.open_nursery() as clients:
                for client in self.clients:
                    clients.start_soon(client.run)
                clients.start_soon(reckoning.watch_bounds, self)
                nemesis = Nemesis(self.chance, self.trace, self.storage, self.images, self.network, self.clients, KEYS)
                await nemesis.run(self.chance.randint(3, 14))
                await self._peace()
                await reckoning.reckon(self)
                clients.cancel_scope.cancel()
            await reckoning.everybody_gone(self)
            self.images.stop()
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            raise Violation(f"{left} tasks are left")

    async def _peace(self) -> None:
        """All work is done, then one more alert on each channel, and time for everybody to hear of it."""
        for client in self.clients:
            client.is_calm = True
        with trio.move_on_after(PEACE_MAX_S):
            for producer in self.producers:
                producer.hurry()
                await producer.idle.wait()
            for key in KEYS:
                self.producers[0].wants(Wish(f"{LAST}{key.framework}", key, severity="critical"))
            await self.producers[0].idle.wait()
            await trio.sleep(SETTLE_S)
            return
        waiting = [producer.plan.requests[0][0].title for producer in self.producers if producer.plan.requests]
        raise Violation(f"not drained {PEACE_MAX_S:g} s after the last fault: {waiting} wait for an answer")


def trims(seed: int) -> bool:
    """Whether this seed's store forgets events soon."""
    return seed % 4 == 0


def simulate(seed: int, *, aloud: bool = False) -> Outcome:
    """Runs one. Never raises for a broken promise: the outcome says it."""
    trace = Trace(aloud=aloud)
    outcome = Outcome(seed, trace, None, 0.0)

    async def main() -> None:
        # Events are kept so shortly in some worlds that whoever comes back late is told that they are gone.
        retention = Retention(events_s=5, events_per_channel=8) if trims(seed) else Retention()
        async with open_store("memory:", retention=retention) as inner:
            simulation = Simulation(seed, trace, inner)
            with determined(seed, simulation.network), logs_to(reckoning.listener(trace)), bounded(PASSES_MAX):
                await simulation.run()
                outcome.virtual_s = trio.current_time()

    try:
        run_in_virtual_time(main)
    except* Violation as broken:
        outcome.violation = str(_first(broken))
    return outcome


def _first(group: BaseExceptionGroup[Violation]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
