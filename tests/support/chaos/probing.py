"""Availability: once a second a trigger at one node, followed at the next; was it answered and heard within 100 ms?

Only nodes that the balancer gives connections to are asked, as by any client; the probes' connections stay as they are,
because a client that comes back is no outage. Nodes and workspaces change in turn, so every pair comes.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

import trio

from protocol.errors import TocsinError
from protocol.model import Status
from tests.support.chaos.balancer import Balancer
from tests.support.chaos.sizes import NODES, PATIENT, WORKSPACES
from tests.support.iso import token_for
from tocsin.client import Client

EACH_S = 1.0
WITHIN_S = 0.1
# Then it is given up.
LATEST_S = 10.0
FRAMEWORK = "probe"


@dataclass
class Probe:
    """One of them. `took_s`: until it was answered and heard; None: that did not come."""

    began_at: float
    way: str
    took_s: float | None = None
    heard: trio.Event = field(default_factory=trio.Event)

    @property
    def is_good(self) -> bool:
        """Answered and heard in time."""
        return self.took_s is not None and self.took_s <= WITHIN_S


class Probes:
    """All of them."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._clients: dict[tuple[str, str], Client] = {}
        self._waiting: dict[tuple[str, str], Probe] = {}
        self.all: list[Probe] = []
        # How late the clients' own process was at worst: what is late by that much is the machine's doing.
        self.late_s = 0.0

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Once a second, for ever."""
        async with trio.open_nursery() as nursery:
            doors = {node: await self._balancer.open_door(node) for node in NODES}
            for node, workspace in itertools.product(NODES, WORKSPACES):
                await nursery.start(self._listen, node, workspace, doors[node])
            task_status.started()
            began = trio.current_time()
            for number in itertools.count():
                await trio.sleep_until(began + number * EACH_S)
                self.late_s = max(self.late_s, trio.current_time() - began - number * EACH_S)
                nodes = self._balancer.healthy
                if nodes:
                    asked, heard = nodes[number % len(nodes)], nodes[(number + 1) % len(nodes)]
                    workspace = WORKSPACES[number // len(NODES) % len(WORKSPACES)]
                    nursery.start_soon(self._probe, f"probe-{number}", workspace, asked, heard)

    async def _listen(self, node: str, workspace: str, url: str, task_status: trio.TaskStatus[None]) -> None:
        async with Client(url, token_for("probe", workspace=workspace), limits=PATIENT) as client:
            await client.subscribe(FRAMEWORK)
            self._clients[node, workspace] = client
            task_status.started()
            async for message in client.alerts():
                probe = self._waiting.get((node, message.data.title)) if message.data is not None else None
                if probe is not None:
                    probe.heard.set()

    async def _probe(self, title: str, workspace: str, asked: str, heard: str) -> None:
        probe = self._waiting[heard, title] = Probe(time.time(), f"{asked} to {heard}")
        self.all.append(probe)
        began = trio.current_time()
        with trio.move_on_after(LATEST_S):
            try:
                result = await self._clients[asked, workspace].trigger(FRAMEWORK, title=title, dedup_key=title)
                if result.status is Status.FIRED:
                    await probe.heard.wait()
                    probe.took_s = trio.current_time() - began
            except TocsinError:
                pass  # it is counted: it has not come
        del self._waiting[heard, title]

    def among(self, moments: list[tuple[float, float]], is_inside: bool) -> list[Probe]:
        """Those that began within one of these spans of the wall clock, or outside of all of them."""
        return [
            probe for probe in self.all if any(begin <= probe.began_at <= end for begin, end in moments) is is_inside
        ]


def share(probes: list[Probe]) -> float:
    """Of them those that were good; 1 if there are none."""
    return sum(probe.is_good for probe in probes) / len(probes) if probes else 1.0
