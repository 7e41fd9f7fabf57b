"""Two nodes on one store, as benchmarks need them: they see each other, and it is known who decides where.

Owns the two engine processes of a pair for the length of its context. Which node owns a workspace depends on names that
a node gives itself when it starts, so workspaces are looked for by the rule that the nodes themselves have
(`engine.core.ownership`), and at the end it is checked that all stayed as it was.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.control import BenchmarkError
from benchmarks.report import Figures
from benchmarks.rig import Rig
from benchmarks.started_engine import Engine
from engine.core.ownership import Owners

# A node that starts is seen by the others at once, or when they look next, after a second.
MEET_MAX_S = 20.0
_LOOK_AGAIN_S = 0.05
# What a node counts when it did not hear of the other as it should: it then reads from the store, and is slower.
_UNHEARD = ("tocsin_nodes_bus_gaps_total", "tocsin_nodes_lapses_total", "tocsin_bus_switched_total")


@dataclass(frozen=True)
class Pair:
    """Two nodes that see each other; `ids` are their names in this run."""

    name: str
    first: Engine
    second: Engine
    ids: tuple[str, str]
    unheard: float

    def workspace(self, owner: Engine) -> str:
        """A workspace that this one of them owns."""
        wanted, owners = self.ids[owner is self.second], Owners(self.ids)
        names = (f"bench-{number}" for number in itertools.count())
        return next(name for name in names if owners.of(name) == wanted)

    def check(self, figures: Figures) -> None:
        """Warns if they did not hear each other all the time. Raises BenchmarkError if they are not the same two."""
        now = tuple(_id_of_live(engine, 2) for engine in (self.first, self.second))
        if now != self.ids:
            raise BenchmarkError(f"the nodes were {self.ids}, and see {now} now: who owned what has changed meanwhile")
        unheard = _unheard(self.first, self.second) - self.unheard
        if unheard:
            text = f"nodes ({self.name}) missed each other {unheard:g} times: some alerts were read from the store"
            figures.warn(self.name, unheard, text)


@contextlib.contextmanager
def pair(rig: Rig, name: str, store_url: str, redis_url: str = "") -> Iterator[Pair]:
    """Starts both, and waits until they see each other. Raises BenchmarkError."""
    first = rig.engine_of_its_own(f"{name}-first", TOCSIN_STORE=store_url, TOCSIN_REDIS_URL=redis_url)
    second = rig.engine_of_its_own(f"{name}-second", TOCSIN_STORE=store_url, TOCSIN_REDIS_URL=redis_url)
    with first as one, second as other:
        ids = _met(one), _met(other)
        yield Pair(name, one, other, ids, _unheard(one, other))


def _met(engine: Engine) -> str:
    end = time.monotonic() + MEET_MAX_S
    while not (name := _id_of_live(engine, 2)):
        if time.monotonic() > end:
            raise BenchmarkError(f"after {MEET_MAX_S:g} s a node sees no other: {engine.nodes()}")
        time.sleep(_LOOK_AGAIN_S)
    return name


def _id_of_live(engine: Engine, count: int) -> str:
    """How a node calls itself, if it sees so many live ones; else nothing."""
    seen = [node for node in engine.nodes() if node.state == "live"]
    return next((node.id for node in seen if node.is_this), "") if len(seen) == count else ""


def _unheard(*engines: Engine) -> float:
    return sum(metrics[name] for metrics in (engine.metrics() for engine in engines) for name in _UNHEARD)
