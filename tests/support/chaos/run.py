"""One run: clients and producers, one fault after the other or none, then the reckoning."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import structlog
import trio

from protocol.items import ItemResult, TriggerInput
from tests.support.chaos import reckoning
from tests.support.chaos.faults import FAULTS, Scene
from tests.support.chaos.installation import Installation, an_installation
from tests.support.chaos.paging import Pager, a_pager
from tests.support.chaos.probing import Probes
from tests.support.chaos.ringing import Producers
from tests.support.chaos.sizes import FRAMEWORKS, PATIENT, WORKSPACES, Size
from tests.support.chaos.watching import Watcher
from tests.support.chaos.window import Window
from tests.support.iso import token_for
from tocsin.client import Client

log = structlog.get_logger()

# When nothing fails any more, and the last triggers are answered.
LEVEL_S = 170.0
PROGRESS_S = 60.0


class Wait(NamedTuple):
    """What followed a fault: when it began and was over (wall clock), the longest waits since then."""

    fault: str
    began_at: float
    over_at: float
    answer_s: float
    event_s: float


class Chaos:
    """The clients of an installation, and what became of them. `wrong`: in words; empty is what is wanted."""

    def __init__(self, installation: Installation, pager: Pager, size: Size, chance: random.Random) -> None:
        self.installation, self.pager, self.size = installation, pager, size
        self.window = Window()
        self.producers = Producers(installation, size, chance, self.window)
        self.probes = Probes(installation.balancer)
        streams = [f"alerts:{name}" for name in FRAMEWORKS]
        self.watchers = [
            Watcher(
                WORKSPACES[number % 3],
                streams[number // 3 % 10] if number // 3 % size.of_workspaces else "workspace",
            )
            for number in range(size.watchers)
        ]
        self.waits: list[Wait] = []
        self.wrong: list[str] = []
        self.lasted_s = 0.0
        # How long after the last trigger the last notification came.
        self.told_after_s = 0.0
        self._chance = chance

    async def run(self, faults: Iterable[str]) -> None:
        """These faults, in this order, however many there are."""
        async with self._load():
            for name in faults:
                await self._fail(name)

    async def be_calm(self, seconds: float) -> None:
        """So long without any."""
        async with self._load():
            self.window.open()
            began = trio.current_time()
            while (left := began + seconds - trio.current_time()) > 0:
                await trio.sleep(min(left, PROGRESS_S))
                good = sum(probe.is_good for probe in self.probes.all)
                log.info(
                    "calm", minutes=round((trio.current_time() - began) / 60, 1), good=good, probes=len(self.probes.all)
                )
            await self._note_wait("calm", time.time() - seconds)

    async def ring_the_same(self, count: int = 1_000) -> list[ItemResult]:
        """As many equal triggers at two nodes at the same moment; their answers."""
        results: list[ItemResult] = []
        bells = [TriggerInput(framework_id="same", title="the same")] * (count // 4)

        async def ring(name: str) -> None:
            token = token_for("producer", "producer", workspace=WORKSPACES[0])
            async with Client(self.installation.nodes[name].ws, token, limits=PATIENT) as client:
                results.extend(await client.trigger_many(bells))

        async with trio.open_nursery() as nursery:
            for name in "abab":
                nursery.start_soon(ring, name)
        return results

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        """All clients, while the block runs; the reckoning behind it."""
        await self.pager.make_endpoints(self.installation.nodes["a"])
        async with trio.open_nursery() as clients:
            await self._start_clients(clients)
            began = trio.current_time()
            async with trio.open_nursery() as ringing:
                ringing.start_soon(self.producers.run, clients)
                await trio.sleep(self.size.calm_s)
                yield
                self.lasted_s = trio.current_time() - began
                self.producers.stop()
                await self._reckon()
                ringing.cancel_scope.cancel()
            clients.cancel_scope.cancel()

    async def _start_clients(self, clients: trio.Nursery) -> None:
        async with trio.open_nursery() as starting:
            for watcher in self.watchers:
                starting.start_soon(clients.start, watcher.run, self.installation.balancer.url, self.window)
        await clients.start(self.probes.run)
        clients.start_soon(self._shake)

    async def _shake(self) -> None:
        while True:
            await trio.sleep(self.size.reconnect_each_s)
            await self.installation.balancer.shake()

    async def _fail(self, name: str) -> None:
        log.info("fault", name=name)
        self.window.close()
        began_at = time.time()
        await FAULTS[name](Scene(self.installation, self.size, self._chance, self.window))
        await trio.sleep(self.size.calm_s)
        await self._note_wait(name, began_at)

    async def _note_wait(self, name: str, began_at: float) -> None:
        """Who waits now has waited since then: for so long they get what is there."""
        most_s, under_way = self.size.wait_max_s, set(self.producers.under_way)
        with trio.move_on_after(most_s):
            await self.producers.all_answered()
        behind = await reckoning.wait_level(self.installation, self.watchers, most_s)
        self.wrong += [f"after {name}: {what}" for what in behind]
        if silent := under_way & self.producers.under_way:
            self.wrong.append(f"after {name}: {len(silent)} triggers wait for an answer for more than {most_s:g} s")
        wait = Wait(name, began_at, self.window.since, self.window.answer_s, self.window.event_s)
        for what, seconds in (("an answer", wait.answer_s), ("an event", wait.event_s)):
            if seconds > most_s:
                self.wrong.append(f"after {name} somebody waited {seconds:.1f} s for {what}")
        self.waits.append(wait)
        log.info("waited", fault=name, answer_s=round(wait.answer_s, 2), event_s=round(wait.event_s, 2))

    async def _reckon(self) -> None:
        with trio.move_on_after(LEVEL_S):
            await self.producers.all_answered()
        if left := len(self.producers.under_way):
            self.wrong.append(f"never answered: {left}")
        self.wrong += await reckoning.wait_level(self.installation, self.watchers, LEVEL_S)
        due = reckoning.due_pages(self.producers)
        began = trio.current_time()
        await self.pager.wait_for(due.values())
        self.told_after_s = trio.current_time() - began
        for name in list(self.installation.nodes):
            await self.installation.note_figures(name)
        self.wrong += self.producers.wrong
        self.wrong += reckoning.judge_watchers(self.watchers)
        self.wrong += await reckoning.judge_store(self.installation, self.producers)
        self.wrong += reckoning.judge_figures(self.installation.counted)
        self.wrong += self.pager.judge(due)
        if untold := self.pager.untold(due):
            self.wrong += await reckoning.explain_untold(self.installation, untold)


@asynccontextmanager
async def a_chaos(size: Size, seed: int, folder: Path, with_redis: bool = True) -> AsyncIterator[Chaos]:
    """Three nodes that run, and nothing wrong yet."""
    chance = random.Random(seed)  # draws faults, no secret
    async with a_pager() as pager, an_installation(folder, chance, with_redis) as installation:
        yield Chaos(installation, pager, size, chance)
