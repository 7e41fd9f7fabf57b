"""What fails. Each opens the window itself: where a node is gone the others have to take over at once, so its beginning
counts; of everything else the end.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

import trio

from tests.support.chaos.installation import Installation
from tests.support.chaos.sizes import Size
from tests.support.chaos.window import Window

# A balancer's health check takes so long to find that a node does not answer.
HEALTH_CHECK_S = 1.0
# The promise is ten seconds; a slow machine gets its time.
POLITE_STOP_S = 120.0


@dataclass(frozen=True)
class Scene:
    """Where it happens."""

    installation: Installation
    size: Size
    chance: Random
    window: Window

    def a_node(self) -> str:
        """Any of them."""
        return self.chance.choice(sorted(self.installation.nodes))


async def kill_a_node(scene: Scene) -> None:
    """With -9. It comes back after a while, as another run."""
    name = scene.a_node()
    await scene.installation.note_figures(name)
    scene.window.open()
    await scene.installation.kill(name)
    await trio.sleep(min(HEALTH_CHECK_S, scene.size.dead_s))
    await scene.installation.balancer.cut(name)
    await trio.sleep(max(0.0, scene.size.dead_s - HEALTH_CHECK_S))
    await scene.installation.start(name)


async def drain_a_node(scene: Scene) -> None:
    """Stopped politely, as in a rolling upgrade. The balancer is told before."""
    name = scene.a_node()
    await scene.installation.note_figures(name)
    scene.window.open()
    await scene.installation.balancer.take_out(name)
    code = await scene.installation.stop_politely(name, POLITE_STOP_S)
    if code != 0:
        raise RuntimeError(f"a polite stop ended with {code}")
    await trio.sleep(scene.size.dead_s)
    await scene.installation.start(name)


async def pause_a_node(scene: Scene) -> None:
    """SIGSTOP for longer than its leases last: it is taken for dead, and then it is back and knows nothing of it."""
    name = scene.a_node()
    node = scene.installation.nodes[name]
    scene.installation.signal(node, signal.SIGSTOP)
    await trio.sleep(HEALTH_CHECK_S)
    await scene.installation.balancer.cut(name)
    await trio.sleep(scene.size.pause_s - HEALTH_CHECK_S)
    scene.installation.signal(node, signal.SIGCONT)
    scene.window.open()
    await scene.installation.balancer.put_in(name)


async def redis_gone(scene: Scene) -> None:
    """Killed, and started again on its port, empty."""
    assert scene.installation.redis is not None
    # On this thread: the server ends with the one that started it.
    scene.installation.redis.stop()
    await trio.sleep(scene.size.redis_s)
    scene.installation.redis.start_again()
    scene.window.open()


async def redis_frozen(scene: Scene) -> None:
    """It takes connections and says nothing."""
    assert scene.installation.redis is not None
    scene.installation.redis.freeze()
    await trio.sleep(scene.size.redis_s)
    scene.installation.redis.thaw()
    scene.window.open()


async def redis_emptied(scene: Scene) -> None:
    """Killed, and back at once without anything in it."""
    assert scene.installation.redis is not None
    scene.installation.redis.restart_empty()
    scene.window.open()


async def postgres_restarted(scene: Scene) -> None:
    """`-m immediate`: in the middle of transactions, and with a recovery."""
    await trio.to_thread.run_sync(scene.installation.postgres.restart, "immediate")
    scene.window.open()


FAULTS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "kill": kill_a_node,
    "redis_gone": redis_gone,
    "redis_frozen": redis_frozen,
    "redis_emptied": redis_emptied,
    "postgres_restarted": postgres_restarted,
    "pause": pause_a_node,
    "drain": drain_a_node,
}
