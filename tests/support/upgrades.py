"""An installation that is upgraded node by node, its clients, and what must hold (tests/faults/test_two_versions.py).

`tests.support.tomorrow` is the later version that it is upgraded to.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import trio

from engine.core.ownership import Owners
from protocol.errors import TocsinError
from protocol.items import ItemResult, TriggerInput
from protocol.model import Status
from tests.support.balancer import Balancer, a_balancer
from tests.support.engines import ROOT, EngineProcess, an_engine_process, environment
from tests.support.iso import token_for
from tests.support.postgres_server import KEEPER, PASSWORD, PostgresDatabase
from tests.support.redis_server import RedisServer
from tocsin.client import Client

T = TypeVar("T")
TOMORROW = [sys.executable, "-m", "tests.support.tomorrow"]
# For what takes milliseconds, or a beat of a second; a machine that is very busy gets its time.
PATIENCE_S = 600.0
# The load is what is tested: so often somebody rings at each place.
RING_S = 0.05


class Follower:
    """A client of a workspace, at the node that its balancer sends it to."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.titles: list[str] = []
        self.lost: list[Any] = []
        self._news = trio.Condition()

    async def run(self, url: str, workspace: str, task_status: trio.TaskStatus[None]) -> None:
        """Follows the whole workspace until cancelled."""
        token = token_for("follower", workspace=workspace)
        async with Client(url, token, on_lost=self.lost.append) as client:
            await client.subscribe("workspace")
            task_status.started()
            async for message in client.alerts():
                async with self._news:
                    self.offsets.append(message.offset)
                    self.titles.append(message.data.title if message.data is not None else "")
                    self._news.notify_all()

    async def until_heard(self, count: int) -> None:
        """Waits until it was told so much."""
        await self.until(lambda: len(self.offsets) >= count)

    async def until(self, is_enough: Callable[[], bool]) -> None:
        """Waits for what it is told."""
        with trio.fail_after(PATIENCE_S):
            async with self._news:
                while not is_enough():
                    await self._news.wait()


class Upgrade:
    """The installation, its followers, and what was acknowledged."""

    def __init__(self, database: PostgresDatabase, redis: RedisServer, folder: Path, nursery: trio.Nursery) -> None:
        self._settings = {"TOCSIN_STORE": database.url, "TOCSIN_REDIS_URL": redis.url}
        self._database, self._folder, self._nursery = database, folder, nursery
        self._engines = AsyncExitStack()
        self.nodes: dict[str, EngineProcess] = {}
        # A way to each node, which leads to another one while that is away.
        self.fronts: dict[str, Balancer] = {}
        self.followers: dict[tuple[str, str], Follower] = {}
        # By workspace: which title got which alert.
        self.acked: dict[str, dict[str, str | None]] = defaultdict(dict)

    async def start(self, name: str, **how: Any) -> None:
        """A node, ready, and the way to it."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        node = an_engine_process(folder, TOCSIN_NODE=name, **self._settings, **how)
        self.nodes[name] = await self._engines.enter_async_context(node)
        if name not in self.fronts:
            self.fronts[name] = await self._engines.enter_async_context(a_balancer(random.Random(1)))
        self.lead(name, name)

    def lead(self, way: str, to: str) -> None:
        """Whoever comes to `way` from now on is at the node `to`."""
        self.fronts[way].lead_to(to, self.nodes[to].ws)

    async def stop(self, name: str, to: str) -> int:
        """Stops a node politely; its clients go on at another one."""
        self.lead(name, to)
        node = self.nodes.pop(name)
        node.process.send_signal(signal.SIGTERM)
        return await node.wait(PATIENCE_S)

    async def follow(self, workspace: str) -> None:
        """A follower at each node."""
        for name, front in self.fronts.items():
            follower = self.followers[name, workspace] = Follower()
            await self._nursery.start(follower.run, front.url, workspace)

    async def ring(self, at: str, workspace: str, *titles: str) -> list[ItemResult]:
        """Rings at a node."""
        async with self.producer(at, workspace) as client:
            return await self.send(client, workspace, *titles)

    def producer(self, at: str, workspace: str) -> Client:
        return Client(self.fronts[at].url, token_for("producer", "producer", workspace=workspace))

    async def send(self, client: Client, workspace: str, *titles: str) -> list[ItemResult]:
        """Rings, and remembers what was acknowledged."""
        results = await client.trigger_many([TriggerInput(framework_id="web", title=title) for title in titles])
        for title, result in zip(titles, results, strict=True):
            if result.status is Status.FIRED:
                self.acked[workspace][title] = result.alert_id
        return list(results)

    async def keep_ringing(
        self, at: str, workspace: str, until: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        """One title after the other, each until it is acknowledged."""
        async with self.producer(at, workspace) as client:
            number = 0
            while not until.is_set():
                await trio.sleep(RING_S)
                title = f"{at}-{number} of {workspace}"
                try:
                    (result,) = await self.send(client, workspace, title)
                except TocsinError as fault:
                    assert fault.temporary, fault
                    continue
                if result.alert_id is not None:
                    # Stored before, and its answer was lost: it says so with the alert's id.
                    self.acked[workspace].setdefault(title, result.alert_id)
                    number += 1
                    if number == 1:
                        task_status.started()

    @asynccontextmanager
    async def ringing(self, *places: tuple[str, str]) -> AsyncIterator[None]:
        """Somebody rings there meanwhile, from before the block until after it."""
        over = trio.Event()
        async with trio.open_nursery() as nursery:
            for at, workspace in places:
                await nursery.start(self.keep_ringing, at, workspace, over)
            yield
            over.set()

    async def there(self, at: str) -> list[dict[str, Any]]:
        """The nodes that live, as one of them sees it."""
        headers = {"Authorization": f"Bearer {token_for('boss', workspace='system')}"}
        async with httpx.AsyncClient(base_url=self.nodes[at].http, headers=headers, timeout=PATIENCE_S) as boss:
            items = (await boss.get("/api/v1/nodes")).json()["items"]
        return [each for each in items if each["state"] == "live"]

    async def figure(self, at: str, name: str) -> float:
        """One of a node's metrics."""
        async with httpx.AsyncClient(base_url=self.nodes[at].http, timeout=PATIENCE_S) as scraper:
            lines = (await scraper.get("/metrics")).text.splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        return float(line.split()[1])

    async def see_each_other(self) -> dict[str, dict[str, Any]]:
        """Waits until each node knows of all, and of no other: it looks once a second, and nobody is told when it has.
        The nodes, by their names."""
        with trio.fail_after(PATIENCE_S):
            while True:
                seen = [await self.there(at) for at in self.nodes]
                if all(sorted(map(name_of, nodes)) == sorted(self.nodes) for nodes in seen):
                    return {name_of(node): node for node in seen[0]}
                await trio.sleep(0.1)

    def sql(self, text: str) -> list[list[str]]:
        """What the database itself says."""
        return self._database.server.sql(text, self._database.name, KEEPER)

    async def nothing_is_lost(self) -> None:
        """Each acknowledged alert is stored, none twice, and each follower was told of each once, in order."""
        stored: dict[str, list[str]] = defaultdict(list)
        for workspace, alert_id in self.sql(
            "SELECT w.name, a.id FROM alert AS a JOIN channel AS c ON c.id = a.channel"
            " JOIN workspace AS w ON w.id = c.workspace"
        ):
            stored[workspace].append(alert_id)
        for workspace, acked in self.acked.items():
            assert set(acked.values()) <= set(stored[workspace])
            assert len(set(acked.values())) == len(acked)
        for (_, workspace), follower in self.followers.items():
            told = len(stored[workspace])
            await follower.until_heard(told)
            assert follower.offsets == list(range(1, told + 1))
            assert len(set(follower.titles)) == told
            assert set(self.acked[workspace]) <= set(follower.titles)
            assert follower.lost == []


async def in_time(ask: Callable[[int], Awaitable[T | None]]) -> T:
    """Asks until there is an answer: on a machine that is very busy a node may be taken for dead for a moment, and then
    it is not asked. With a number for titles that were not used yet."""
    with trio.fail_after(PATIENCE_S):
        for number in count():
            try:
                answer = await ask(number)
            except TocsinError as fault:
                assert fault.temporary, fault
            else:
                if answer is not None:
                    return answer
            await trio.sleep(RING_S)
    raise AssertionError


def migrate_tomorrow(database: PostgresDatabase) -> None:
    """`tocsin migrate` of the later version, by the owner."""
    arguments = ["migrate", "--store", database.owner_url]
    done = subprocess.run(
        [*TOMORROW, *arguments],
        env=environment(TOCSIN_APP_PASSWORD=PASSWORD),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def an_upgrade(database: PostgresDatabase, redis: RedisServer, folder: Path) -> AsyncIterator[Upgrade]:
    async with trio.open_nursery() as nursery:
        upgrade = Upgrade(database, redis, folder, nursery)
        async with upgrade._engines:
            yield upgrade
            nursery.cancel_scope.cancel()


def name_of(node: dict[str, Any]) -> str:
    """Without the part that is of its run alone."""
    return str(node["id"]).rpartition(".")[0]


def owned_by(nodes: dict[str, Any]) -> dict[str, str]:
    """A workspace for each node, which it owns."""
    owners = Owners([each["id"] for each in nodes.values()])
    names = [f"workspace-{number}" for number in range(1_000)]
    return {name: next(each for each in names if owners.of(each) == node["id"]) for name, node in nodes.items()}
