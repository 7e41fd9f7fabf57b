"""Garbage collection with a policy: full collections only while nothing happens.

An automatic full collection took 102 ms at 1,000 connections and 966 ms at 10,000: longer than everything we promise.
So the collector of the oldest generation is switched off, what survived the start and each wave of connections is
frozen out of sight (which costs nothing), and once the loop has been idle what is new since then is collected. The
frozen part is looked at again only while there are few connections: with 10,000 of them that held an idle engine for
0.4 s (measured), and the next trigger waited. What we build is freed
by reference counting (Structs without `gc`, cycles broken by hand); the collector is for exceptions and libraries.
Process-wide, so only `tocsin serve` does it: an embedding program has a policy of its own.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import trio

from engine.app import Engine

# Young objects until a first collection: about 1 ms of work, rarely anything to find.
YOUNG = 20_000
MIDDLE = 20
# Never by itself.
OLD = 1_000_000_000
LOOK_EVERY_S = 5.0
# With so many connections more or fewer than at the last freeze, the frozen set is worth renewing.
WAVE = 200
FULL_EVERY_S = 600.0


async def collect_when_idle(engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Sets the policy, and collects whenever the engine has been idle; restores the interpreter's at the end."""
    before = gc.get_threshold()
    watch = _pause_watch(engine.metrics.gc_paused)
    gc.callbacks.append(watch)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    try:
        task_status.started()
        await _collect(engine)
    finally:
        gc.callbacks.remove(watch)
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect(engine: Engine) -> None:
    frozen_at, full_at, activity = 0, trio.current_time(), -1
    while True:
        await trio.sleep(LOOK_EVERY_S)
        statistics = engine.statistics()["gateway"]
        connections = statistics.get("connected_clients", 0)
        before, activity = activity, statistics.get("messages_received", 0) + statistics.get("messages_sent", 0)
        if activity != before:
            continue
        now = trio.current_time()
        if now - full_at >= FULL_EVERY_S:
            if connections < WAVE:
                gc.unfreeze()
            gc.collect()
            gc.freeze()
            frozen_at, full_at = connections, now
        elif abs(connections - frozen_at) >= WAVE:
            gc.freeze()
            frozen_at = connections


def _pause_watch(observe: Callable[[float], None]) -> Callable[[str, dict[str, Any]], None]:
    """A gc callback that reports how long each collection held the loop."""
    began = 0.0

    def watch(phase: str, _: dict[str, Any]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            observe(time.perf_counter() - began)

    return watch
