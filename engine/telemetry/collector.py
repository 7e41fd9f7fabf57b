"""Garbage collection with a policy: small ones often, the large one only while nothing happens.

What a collection costs goes by the objects that it looks at: 0.02 µs each while they fit into the processor's cache,
ten times that beyond it. An automatic full one took 102 ms at 1,000 connections and 966 ms at 10,000, one of the middle
generation still 569 ms while they connected: longer than everything we promise. So a young generation is small, a
middle one is a handful of these, and the oldest is never collected by itself. What came with a wave of connections is
frozen out of sight, in whatever traffic: that only joins lists and costs nothing. Once the engine is idle, what is new
since then is collected; the frozen part is looked at again only while it is small. An engine that is never idle has
what is new looked at once a minute all the same, while that is little: a cycle in some library would stay for ever.

What we build is freed by reference counting (Structs without `gc`, cycles broken by hand), frozen or not; the collector
is for exceptions and libraries. Idle means that nobody asked and no alert was told: the shared ping and proofs of
silence to ten thousand followers are not traffic (counting them, an engine with followers was never idle).
Process-wide, so only `tocsin serve` does it: an embedding program has a policy of its own.

Decided against freezing whenever something has grown old: garbage that is young at that moment would be kept for ever,
and with requests all the time that is a leak. Known: the interpreter counts what is new minus what is freed. When ten
thousand peers answer a ping, each replaces a dozen objects, and the next collection meets all of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import trio

from engine.app import Engine

# Young objects until a first collection: 0.1 ms of work, rarely anything to find.
YOUNG = 2_000
# First collections until the middle generation is collected: at most 12,000 objects, 2 ms.
MIDDLE = 5
# Never by itself. (Python 3.14 collects it bit by bit with each young one, which is bounded as well.)
OLD = 1_000_000_000
LOOK_EVERY_S = 5.0
# With so many connections more or fewer than at the last freeze, the frozen set is worth renewing.
WAVE = 200
FULL_EVERY_S = 600.0
NEW_EVERY_S = 60.0
# So many old objects are looked at in the midst of traffic: 1 ms, or 8 when nothing of it is in the cache.
NEW_MAX = 40_000
# So many objects are looked at while idle, not more: about 40 ms. A start has 75,000, each connection adds forty.
LOOKED_AT_MAX = 200_000


class Seen(NamedTuple):
    """What the engine is like at a look; `activity` stands still while it is idle."""

    connections: int
    activity: int


class Step(Enum):
    """What a look leads to."""

    NOTHING = 0
    FREEZE = 1
    COLLECT = 2
    COLLECT_NEW = 3


class Policy:
    """Decides at each look; remembers how it was at the last freeze and the last full collection."""

    def __init__(self, now: float) -> None:
        self._frozen_connections = 0
        self._activity = -1
        self._full_at = self._new_at = now

    def look(self, seen: Seen, now: float) -> Step:
        """The step for what is seen now (monotonic seconds)."""
        is_idle, self._activity = seen.activity == self._activity, seen.activity
        if abs(seen.connections - self._frozen_connections) >= WAVE:
            self._frozen_connections = seen.connections
            return Step.FREEZE
        if is_idle and now - self._full_at >= FULL_EVERY_S:
            self._frozen_connections, self._full_at = seen.connections, now
            return Step.COLLECT
        if now - self._new_at >= NEW_EVERY_S:
            self._new_at = now
            return Step.COLLECT_NEW
        return Step.NOTHING


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
    policy = Policy(trio.current_time())
    while True:
        await trio.sleep(LOOK_EVERY_S)
        step = policy.look(_seen(engine), trio.current_time())
        if step is Step.COLLECT:
            _collect_what_is_cheap()
        if step is Step.COLLECT_NEW:
            if len(gc.get_objects(generation=2)) <= NEW_MAX:
                gc.collect()
        elif step is not Step.NOTHING:
            gc.freeze()


def _collect_what_is_cheap() -> None:
    """Everything if it is little, else what is new, else nothing: then the caller's freeze takes it out of sight."""
    new = len(gc.get_objects())
    if new + gc.get_freeze_count() <= LOOKED_AT_MAX:
        gc.unfreeze()
    if new <= LOOKED_AT_MAX:
        gc.collect()


def _seen(engine: Engine) -> Seen:
    gateway = engine.statistics()["gateway"]
    return Seen(gateway["connected_clients"], gateway["messages_received"] + engine.metrics.activity)


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
