"""Producers: so many triggers a second whatever happens, each sent again until it is answered.

The load is open: a trigger is due at its moment, however many before it wait for their answer; so whoever would be
waited for too long is seen. It goes over any of the producers' connections, or over HTTP to any node that is in.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import httpx
import msgspec
import trio

from protocol.errors import TocsinError
from protocol.items import ItemResult
from protocol.model import Reason, Status
from tests.support.chaos.installation import Installation
from tests.support.chaos.sizes import OVER_HTTP, PATIENT, REPEATED, WORKSPACES, Key, Size
from tests.support.chaos.window import Window
from tests.support.iso import token_for
from tocsin.client import Client

# Repeated are keys of the last second or so.
RECENT = 150
# Whoever gets no answer tries again after a moment, twice as long each time and spread, as a producer should.
PAUSE_S, PAUSE_MAX_S = 0.1, 1.0
REQUEST_S = 15.0


class Ring:
    """One trigger, until it is answered."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.asked_at = time.time()
        self.answered = trio.Event()


class Producers:
    """All of them."""

    def __init__(self, installation: Installation, size: Size, chance: random.Random, window: Window) -> None:
        self._installation, self._size, self._chance, self._window = installation, size, chance, window
        # The alert that each key was answered with, by the key's number.
        self.acked: dict[int, str] = {}
        self.under_way: set[Ring] = set()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._clients: dict[str, list[Client]] = {workspace: [] for workspace in WORKSPACES}
        self._tokens = {workspace: token_for("producer", workspace=workspace) for workspace in WORKSPACES}
        self._http = httpx.AsyncClient(timeout=15.0)
        self._is_over = False
        self._keys = 0

    async def run(self, nursery: trio.Nursery) -> None:
        """Rings until `stop`, and on until all of it is answered. The nursery: of the connections."""
        for number in range(self._size.producers):
            await nursery.start(self._connect, WORKSPACES[number % len(WORKSPACES)])
        began, number = trio.current_time(), 0
        async with self._http, trio.open_nursery() as rings:
            while not self._is_over:
                await trio.sleep_until(began + (number + 1) / self._size.triggers_per_s)
                # All that is due: a loop that is late must not make the load smaller.
                # Stopped meanwhile: nobody waits for what would begin now.
                due = number if self._is_over else int((trio.current_time() - began) * self._size.triggers_per_s)
                for _ in range(number, due):
                    self._begin(rings)
                number = due

    def _begin(self, rings: trio.Nursery) -> None:
        if len(self.under_way) >= self._size.under_way_max:
            self.counts["left_out"] += 1
        else:
            ring = Ring(self._next_key())
            self.under_way.add(ring)
            self.counts["rung"] += 1
            rings.start_soon(self._ring, ring)

    def stop(self) -> None:
        """No more of them."""
        self._is_over = True

    async def all_answered(self) -> None:
        """Waits until everything is answered that is under way now."""
        for ring in list(self.under_way):
            await ring.answered.wait()

    async def _connect(self, workspace: str, task_status: trio.TaskStatus[None]) -> None:
        limits = replace(PATIENT, request_s=REQUEST_S)
        async with Client(self._installation.balancer.url, self._tokens[workspace], limits=limits) as client:
            self._clients[workspace].append(client)
            task_status.started()
            await trio.sleep_forever()

    def _next_key(self) -> Key:
        if self._keys and self._chance.random() < REPEATED:
            self.counts["repeated"] += 1
            return Key(self._chance.randint(max(1, self._keys - RECENT), self._keys))
        self._keys += 1
        return Key(self._keys)

    async def _ring(self, ring: Ring) -> None:
        attempts = self._over_http if self._chance.random() < OVER_HTTP else self._over_websocket
        for attempt in itertools.count():
            try:
                result = await attempts(ring.key)
            except (TocsinError, OSError, httpx.HTTPError) as fault:
                self.counts[f"again after {type(fault).__name__}"] += 1
            else:
                if result.alert_id is not None and result.status is not Status.REJECTED:
                    break
                self._refused(ring, result)
            await trio.sleep(self._chance.uniform(0.5, 1.0) * min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(attempt, 10)))
        self.under_way.discard(ring)
        ring.answered.set()
        self._window.answered(ring.asked_at)
        self.note(ring.key.number, result.alert_id)

    def note(self, number: int, alert_id: str) -> None:
        """A key was answered: always with the same alert."""
        known = self.acked.setdefault(number, alert_id)
        if known != alert_id:
            self.wrong.append(f"{Key(number).title} was answered with {known} and with {alert_id}")

    def _refused(self, ring: Ring, result: ItemResult) -> None:
        self.counts[f"again after {result.reason.value}"] += 1
        if result.reason is not Reason.BUSY:
            self.wrong.append(f"{ring.key.title} was refused: {result}")

    async def _over_websocket(self, key: Key) -> ItemResult:
        client = self._chance.choice(self._clients[key.workspace])
        return await client.trigger(key.framework, title=key.title, dedup_key=key.title, severity=key.severity)

    async def _over_http(self, key: Key) -> ItemResult:
        alert = {"framework_id": key.framework, "title": key.title, "dedup_key": key.title, "severity": key.severity}
        node = self._chance.choice(list(self._doors()))
        answer = await self._http.post(
            f"{node}/api/v1/triggers",
            json={"alert": alert},
            headers={"Authorization": f"Bearer {self._tokens[key.workspace]}"},
        )
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=_Results).results[0]

    def _doors(self) -> Iterator[str]:
        nodes = self._installation.nodes
        return (nodes[name].http for name in self._installation.balancer.healthy if name in nodes)


class _Results(msgspec.Struct):
    results: list[ItemResult]
