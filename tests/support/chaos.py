"""Three nodes as processes on one Postgres and one Redis, clients behind a balancer, and faults in turn.

What must hold, whatever happens: every trigger that was answered is stored, one alert for each key; offsets are dense;
every client has seen every offset of its streams exactly once, in order; after a fault is over nobody waits longer than
WAIT_MAX_S. `python -m tests.support.chaos --rounds 2` is the long form (`make chaos`).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import trio

from protocol.errors import TocsinError
from protocol.items import ItemResult, TriggerInput
from protocol.model import Status
from tests.support.balancer import Balancer, a_balancer
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.iso import token_for
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, KEEPER, PostgresServer
from tests.support.redis_server import RedisServer
from tocsin.client import Client

log = structlog.get_logger()

# The promise is for a machine that is there for it; a fault may leave a reconnect's backoff behind.
WAIT_MAX_S = 5.0
WORKSPACES = ("acme", "umbrella", "initech")
FRAMEWORKS = tuple(f"framework-{number}" for number in range(10))
DUPLICATES = 0.3
REQUEST_MAX_S = 15.0
# A node that hangs is found by its clients within three of these.
QUICK = {
    "TOCSIN_GATEWAY_HEARTBEAT_S": "1",
    "TOCSIN_GATEWAY_TIMEOUT_S": "3",
    "TOCSIN_LIMITS_PEOPLE_MESSAGES_PER_S": "1000",
}
CALM_S = 30.0
# What was under way when the producers ended is stored by then.
UNDER_WAY_S = 1.0


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    watchers: int = 30
    producers: int = 6
    triggers_per_s: float = 30.0


@dataclass
class Watcher:
    """A client of one workspace: what it was told, and when the last of it came."""

    workspace: str
    offsets: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    first: int = 0
    lost: list[Any] = field(default_factory=list)


class Installation:
    """Servers, nodes, balancer."""

    def __init__(self, postgres: PostgresServer, database: str, redis: RedisServer | None, folder: Path) -> None:
        self.postgres, self.redis = postgres, redis
        self._database, self._folder = database, folder
        self.nodes: dict[str, EngineProcess] = {}
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start(self, name: str, balancer: Balancer) -> None:
        """Another node, ready."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        settings = QUICK | {
            "TOCSIN_STORE": self.postgres.url(self._database, APP),
            "TOCSIN_NODE": name,
            "TOCSIN_SUPPRESSION_WINDOW_S": "3600",
        }
        if self.redis is not None:
            settings["TOCSIN_REDIS_URL"] = self.redis.url
        stack = self._stacks[name] = AsyncExitStack()
        self.nodes[name] = await stack.enter_async_context(an_engine_process(folder, **settings))
        host, _, port = self.nodes[name].ws_address.rpartition(":")
        balancer.nodes[name] = (host, int(port))
        balancer.out.discard(name)

    async def kill(self, name: str) -> None:
        """As a power cut would."""
        await self.nodes.pop(name).kill()
        await self._stacks.pop(name).aclose()

    async def stop(self) -> None:
        """All nodes, politely."""
        async with trio.open_nursery() as nursery:
            for stack in self._stacks.values():
                nursery.start_soon(stack.aclose)

    def signal(self, name: str, number: signal.Signals) -> None:
        """To one node's process."""
        os.kill(self.nodes[name].pid, number)

    def sql(self, text: str) -> list[list[str]]:
        """What the database itself says."""
        return self.postgres.sql(text, self._database, KEEPER)


class Chaos:
    """One run."""

    def __init__(self, installation: Installation, balancer: Balancer, size: Size, chance: random.Random) -> None:
        self.installation, self.balancer = installation, balancer
        self._size, self._chance = size, chance
        self._producing = trio.CancelScope()
        self.acked: dict[tuple[str, str], str] = {}
        self.watchers: list[Watcher] = []
        self.counts: Counter[str] = Counter()
        # What was wrong, in words.
        self.faults: list[str] = []
        self.waits: dict[str, float] = {}

    async def run(self, faults: Sequence[str], calm_s: float) -> None:
        """Clients and producers, then one fault after the other, then the reckoning."""
        async with trio.open_nursery() as nursery:
            for number in range(self._size.watchers):
                await nursery.start(self._watch, WORKSPACES[number % len(WORKSPACES)])
            async with trio.open_nursery() as producers:
                self._producing = producers.cancel_scope
                for number in range(self._size.producers):
                    producers.start_soon(self._produce, WORKSPACES[number % len(WORKSPACES)])
                await trio.sleep(calm_s)
                for name in faults:
                    log.info("fault", name=name)
                    await FAULTS[name](self)
                    over = trio.current_time()
                    await trio.sleep(calm_s)
                    if max(_waited(watcher, over) for watcher in self.watchers) > WAIT_MAX_S:
                        await trio.sleep(WAIT_MAX_S)
                    self.waits[name] = max(_waited(watcher, over) for watcher in self.watchers)
                    if self.waits[name] > WAIT_MAX_S:
                        self.faults.append(f"after {name} somebody waited for {self.waits[name]:.1f} s")
                    self.balancer.shake(0.2)
                producers.cancel_scope.cancel()
            await trio.sleep(UNDER_WAY_S)
            await self._reckon()
            nursery.cancel_scope.cancel()

    async def ring_the_same(self, count: int = 1_000) -> list[ItemResult]:
        """As many equal triggers at two nodes at the same moment; their answers."""
        results: list[ItemResult] = []
        bells = [TriggerInput(framework_id="same", title="the same")] * (count // 4)

        async def ring(node: EngineProcess) -> None:
            async with Client(node.ws, token_for("producer", "producer", workspace=WORKSPACES[0])) as client:
                results.extend(await client.trigger_many(bells))

        async with trio.open_nursery() as nursery:
            for name in "abab":
                nursery.start_soon(ring, self.installation.nodes[name])
        return results

    async def _watch(self, workspace: str, task_status: trio.TaskStatus[None]) -> None:
        watcher = Watcher(workspace)
        self.watchers.append(watcher)
        token = token_for("watcher", workspace=workspace)
        async with Client(self.balancer.url, token, on_lost=watcher.lost.append) as client:
            answer = await client.subscribe("workspace")
            watcher.first = answer.offset if answer is not None else 0
            task_status.started()
            async for message in client.alerts():
                watcher.offsets.append(message.offset)
                watcher.times.append(trio.current_time())

    async def _produce(self, workspace: str) -> None:
        pause_s = self._size.producers / self._size.triggers_per_s
        keys: list[tuple[str, str]] = []
        async with Client(self.balancer.url, token_for("producer", workspace=workspace)) as client:
            while True:
                if keys and self._chance.random() < DUPLICATES:
                    framework, title = self._chance.choice(keys[-50:])
                else:
                    self.counts["keys"] += 1
                    framework, title = self._chance.choice(FRAMEWORKS), f"key-{self.counts['keys']}"
                    keys.append((framework, title))
                await self._trigger(client, workspace, framework, title)
                await trio.sleep(pause_s * self._chance.uniform(0.5, 1.5))

    async def _trigger(self, client: Client, workspace: str, framework: str, title: str) -> None:
        try:
            with trio.fail_after(REQUEST_MAX_S):
                result = await client.trigger(framework, title=title, dedup_key=title)
        except (TocsinError, trio.TooSlowError, ConnectionError, OSError) as fault:
            self.counts[f"failed_{type(fault).__name__}"] += 1
            return
        if result.status is Status.REJECTED or result.alert_id is None:
            self.counts[f"refused_{result.reason.value}"] += 1
            return
        self.counts["acked"] += 1
        known = self.acked.setdefault((workspace, title), result.alert_id)
        if known != result.alert_id:
            self.faults.append(f"{title} of {workspace} is {known} and {result.alert_id}")

    def _last_offsets(self) -> dict[str, int]:
        rows = self.installation.sql("SELECT name, last_offset FROM workspace")
        return {name: int(offset) for name, offset in rows}

    async def _reckon(self) -> None:
        last = self._last_offsets()
        with trio.move_on_after(CALM_S):
            while any(_at(watcher) < last.get(watcher.workspace, 0) for watcher in self.watchers):
                await trio.sleep(0.5)
                last = self._last_offsets()
        for number, watcher in enumerate(self.watchers):
            expected = list(range(watcher.first + 1, last.get(watcher.workspace, 0) + 1))
            if watcher.offsets != expected:
                self.faults.append(f"watcher {number}: {_difference(watcher.offsets, expected)}")
            if watcher.lost:
                self.faults.append(f"watcher {number} lost {watcher.lost}")
        stored = {row[0] for row in self.installation.sql("SELECT id FROM alert")}
        missing = [key for key, alert_id in self.acked.items() if alert_id not in stored]
        if missing:
            self.faults.append(f"acked and not stored: {missing[:5]} of {len(missing)}")
        twice = self.installation.sql(
            "SELECT workspace, title FROM (SELECT c.workspace, a.identity AS title FROM alert a JOIN channel c"
            " ON c.id = a.channel) AS found GROUP BY workspace, title HAVING count(*) > 1"
        )
        if twice:
            self.faults.append(f"stored twice: {twice[:5]} of {len(twice)}")
        self.counts["alerts"] = len(stored)


def _waited(watcher: Watcher, over: float) -> float:
    """How long after the end of a fault it was until this client heard something new."""
    return min((time - over for time in watcher.times if time >= over), default=math.inf)


def _at(watcher: Watcher) -> int:
    return watcher.offsets[-1] if watcher.offsets else watcher.first


def _difference(found: Sequence[int], expected: Sequence[int]) -> str:
    missing, doubled = sorted(set(expected) - set(found))[:5], [n for n, c in Counter(found).items() if c > 1][:5]
    return f"{len(found)} of {len(expected)}, missing {missing}, twice {doubled}, sorted {list(found) == sorted(found)}"


async def kill_a_node(chaos: Chaos) -> None:
    """With -9; it comes back after a while, as another run."""
    name = chaos._chance.choice(sorted(chaos.installation.nodes))
    await chaos.installation.kill(name)
    await chaos.installation.start(name, chaos.balancer)


async def pause_a_node(chaos: Chaos, seconds: float = 5.0) -> None:
    """Stopped for longer than it takes to be taken for dead; the balancer's health check notices, too."""
    name = chaos._chance.choice(sorted(chaos.installation.nodes))
    chaos.installation.signal(name, signal.SIGSTOP)
    await trio.sleep(1.0)
    chaos.balancer.cut(name)
    await trio.sleep(seconds - 1.0)
    chaos.installation.signal(name, signal.SIGCONT)
    chaos.balancer.out.discard(name)


async def drain_a_node(chaos: Chaos) -> None:
    """Stopped politely, as in a rolling upgrade."""
    name = chaos._chance.choice(sorted(chaos.installation.nodes))
    chaos.balancer.out.add(name)
    node = chaos.installation.nodes[name]
    chaos.installation.signal(name, signal.SIGTERM)
    if await node.wait(15) != 0:
        chaos.faults.append(f"a polite stop ended with {node.process.returncode}")
    await chaos.installation.kill(name)
    await chaos.installation.start(name, chaos.balancer)


async def redis_gone(chaos: Chaos, seconds: float = 3.0) -> None:
    """Restarted empty afterwards."""
    assert chaos.installation.redis is not None
    # On this thread: the server ends with the one that started it.
    chaos.installation.redis.stop()
    await trio.sleep(seconds)
    chaos.installation.redis.start_again()


async def redis_frozen(chaos: Chaos, seconds: float = 4.0) -> None:
    """It takes connections and says nothing."""
    assert chaos.installation.redis is not None
    chaos.installation.redis.freeze()
    await trio.sleep(seconds)
    chaos.installation.redis.thaw()


async def postgres_restarted(chaos: Chaos) -> None:
    """In the middle of transactions."""
    await trio.to_thread.run_sync(chaos.installation.postgres.restart, "immediate")


FAULTS: Mapping[str, Callable[[Chaos], Awaitable[None]]] = {
    "kill": kill_a_node,
    "pause": pause_a_node,
    "drain": drain_a_node,
    "redis_gone": redis_gone,
    "redis_frozen": redis_frozen,
    "postgres_restarted": postgres_restarted,
}


@asynccontextmanager
async def a_chaos(size: Size, seed: int, folder: Path, with_redis: bool = True) -> AsyncIterator[Chaos]:
    """Three nodes that run, and nothing wrong yet."""
    chance = random.Random(seed)  # draws faults, no secret
    postgres = await trio.to_thread.run_sync(PostgresServer.start)
    redis = RedisServer.start() if with_redis else None
    try:
        database = await trio.to_thread.run_sync(migrated_template, postgres)
        installation = Installation(postgres, database, redis, folder)
        async with a_balancer(chance) as balancer:
            try:
                async with trio.open_nursery() as starting:
                    for name in "abc":
                        starting.start_soon(installation.start, name, balancer)
                await trio.sleep(1.5)
                yield Chaos(installation, balancer, size, chance)
            finally:
                with trio.CancelScope(shield=True):
                    await installation.stop()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(postgres.remove)
            if redis is not None:
                redis.remove()


async def main(faults: Sequence[str], size: Size, seed: int, calm_s: float, with_redis: bool) -> int:
    """One run, told on standard output; how many things were wrong."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-chaos-"))
    async with a_chaos(size, seed, folder, with_redis) as chaos:
        await chaos.run(faults, calm_s)
    print({"seed": seed, **chaos.counts, "waits_s": {name: round(s, 2) for name, s in chaos.waits.items()}})
    for fault in chaos.faults:
        print("WRONG:", fault)
    return len(chaos.faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--rounds", type=int, default=1, help="how often all of them come in turn")
    parser.add_argument("--watchers", type=int, default=300)
    parser.add_argument("--producers", type=int, default=30)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--calm", type=float, default=10.0, help="seconds between faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-redis", action="store_true")
    given = parser.parse_args()
    wanted = [name for name in given.faults.split(",") if name and not (given.without_redis and "redis" in name)]
    what = Size(given.watchers, given.producers, given.rate)
    wrong = trio.run(main, wanted * given.rounds, what, given.seed, given.calm, not given.without_redis)
    raise SystemExit(1 if wrong else 0)
