"""Garbage collection with a policy: small ones often, the large one only while nothing happens.

What a collection costs goes by the objects that it looks at: 0.02 µs each while they fit into the processor's cache,
ten times that beyond it. An automatic full one took 102 ms at 1,000 connections and 966 ms at 10,000, one of the middle
generation still 569 ms while they connected: longer than everything we promise. So a young generation is small, a
middle one is a handful of these, and the oldest is never collected by itself. What came with a wave of connections, or
otherwise grew old, is frozen out of sight at once, in whatever traffic: that only joins lists and costs nothing. Once
the engine is idle, what is new since then is collected; the frozen part is looked at again only while it is small.

What we build is freed by reference counting (Structs without `gc`, cycles broken by hand), frozen or not; the collector
is for exceptions and libraries. Idle means that nobody asked and no alert was told: the shared ping and proofs of
silence to ten thousand followers are not traffic (counting them, an engine with followers was never idle).
Process-wide, so only `tocsin serve` does it: an embedding program has a policy of its own.
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
# So many connections came, or went, since the last freeze: what they brought has grown old.
WAVE = 200
# So many middle collections since the last freeze: up to 100,000 objects have grown old, 20 ms of work.
GROWN = 10
FULL_EVERY_S = 600.0
# The frozen part is looked at again if it has at most so many objects: about 40 ms. A start has 75,000, and each
# connection adds forty.
FROZEN_MAX_OBJECTS = 200_000


class Seen(NamedTuple):
    """What the engine is like at a look. `middles`: collections of the middle generation since the last freeze."""

    connections: int
    accepted: int
    activity: int
    middles: int


class Step(Enum):
    """What a look leads to."""

    NOTHING = 0
    FREEZE = 1
    COLLECT = 2


class Policy:
    """Decides at each look; remembers how it was at the last freeze and the last full collection."""

    def __init__(self, now: float) -> None:
        self._frozen = Seen(0, 0, 0, 0)
        self._activity = -1
        self._full_at = now

    def look(self, seen: Seen, now: float) -> Step:
        """The step for what is seen now (monotonic seconds)."""
        is_idle, self._activity = seen.activity == self._activity, seen.activity
        if self._has_grown(seen):
            self._frozen = seen
            return Step.FREEZE
        if is_idle and now - self._full_at >= FULL_EVERY_S:
            self._frozen, self._full_at = seen, now
            return Step.COLLECT
        return Step.NOTHING

    def _has_grown(self, seen: Seen) -> bool:
        before = self._frozen
        return (
            seen.accepted - before.accepted >= WAVE
            or before.connections - seen.connections >= WAVE
            or seen.middles >= GROWN
        )


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
            if gc.get_freeze_count() <= FROZEN_MAX_OBJECTS:
                gc.unfreeze()
            gc.collect()
        if step is not Step.NOTHING:
            gc.freeze()


def _seen(engine: Engine) -> Seen:
    gateway = engine.statistics()["gateway"]
    return Seen(
        connections=gateway["connected_clients"],
        accepted=gateway["connections_accepted"],
        activity=gateway["messages_received"] + engine.metrics.activity,
        middles=gc.get_count()[2],  # a freeze sets it back to 0
    )


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
