"""The mixed load of `cache`: how many of the questions of some hours are hits, in virtual time.

People have pages open that show a framework each, popular ones more often, and ask for its rules, statistics and
patterns twice a minute; alerts fire, each of which forgets its framework; rules are edited, each of which forgets the
workspace's rules. The load is drawn from a seed, so two versions are asked the same.

Once on one node without Redis. Once on several nodes with a real Redis between them and the memory that such nodes
have (`cache.near_s`): whoever asks gets to any of them, changes are made at any of them, and the others hear of each as
they do over the bus. There time is moved from one question to the next, while Redis has its own; so what would have
ended there by its lifetime is deleted when virtual time says so.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import trio
from trio.testing import MockClock

from benchmarks.cache_parts import WORKSPACE, patterns, room, rules, sharing, statistics
from benchmarks.report import Figures
from engine.cache import Entry, Found, SecondLevel
from engine.cache.cache import Cache
from engine.cache.counts import Counts
from engine.cache.strategies import PATTERNS, RULES, RULES_CHANGED, STATISTICS, Key, of_framework
from engine.sections.cache import Cache as Defaults

PEOPLE, FRAMEWORKS = 100, 100
ASK_EVERY_S = 30.0
ALERTS_PER_HOUR, EDITS_PER_HOUR = 300, 12
NODES = 3
MEASURED = (RULES, STATISTICS, PATTERNS)


class Asked(NamedTuple):
    """What the mixed load does at a moment (seconds): a look at a framework, an alert of it, an edit of a rule."""

    at: float
    what: str
    framework: str


async def one_node(figures: Figures, hours: float, seed: int) -> None:
    """The hit rates of one node without Redis."""
    cache = Cache(room())
    for asked in load(hours, seed):
        await trio.sleep_until(asked.at)
        if asked.what == "look":
            await look(cache, asked)
        else:
            change([cache], asked)
    for strategy in MEASURED:
        figures.add(f"{strategy.name}_hit_percent", cache.counts.hit_rate_percent(strategy.name))


async def nodes(figures: Figures, hours: float, seed: int, url: str, clock: MockClock) -> None:
    """The hit rates of several nodes together, and what part of the hits was in a node's own memory."""
    chance, ends = random.Random(seed), dict[str, float]()  # noqa: S311  # a seed is the point
    async with contextlib.AsyncExitStack() as stack:
        several = [
            await stack.enter_async_context(
                sharing(url, near_s=Defaults().near_s, through=lambda level: InVirtualTime(level, ends))
            )
            for _ in range(NODES)
        ]
        for asked in load(hours, seed):
            clock.jump(max(0.0, asked.at - trio.current_time()))
            cache, shared = chance.choice(several)
            if asked.what == "look":
                await look(cache, asked)
                await shared.settle()
            else:
                change([each for each, _ in several], asked)
                for _, each in several:
                    await each.settle()
    for name, value in rates([cache.counts for cache, _ in several]).items():
        figures.add(name, value)


def rates(counts: Sequence[Counts]) -> dict[str, float]:
    """The hit rates of all nodes together (%)."""
    figures: dict[str, float] = {}
    for strategy in MEASURED:
        hits = sum(each.hits(strategy.name) for each in counts)
        misses = sum(each.misses[strategy.name] for each in counts)
        figures[f"shared_{strategy.name}_hit_percent"] = 100 * hits / (hits + misses)
    near = sum(each.near.total() for each in counts)
    far = sum(each.far.total() for each in counts)
    figures["shared_near_percent"] = 100 * near / (near + far)
    return figures


async def look(cache: Cache, asked: Asked) -> None:
    """A page that shows a framework."""
    key = Key(WORKSPACE, asked.framework)
    await cache.get(RULES, key, rules)
    await cache.get(STATISTICS, key, statistics)
    await cache.get(PATTERNS, key, patterns)


def change(caches: Sequence[Cache], asked: Asked) -> None:
    """An alert or an edit, which all nodes hear of."""
    tag = of_framework(asked.framework) if asked.what == "alert" else RULES_CHANGED
    for cache in caches:
        cache.forget(WORKSPACE, [tag])


def load(hours: float, seed: int) -> Iterator[Asked]:
    """What happens, in order. How popular a framework is, with people and with alerts, falls as 1/rank."""
    chance = random.Random(seed)  # noqa: S311  # a seed is the point
    names = [f"framework-{rank}" for rank in range(1, FRAMEWORKS + 1)]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, FRAMEWORKS + 1)))
    rates = {"look": PEOPLE / ASK_EVERY_S, "alert": ALERTS_PER_HOUR / 3_600, "edit": EDITS_PER_HOUR / 3_600}
    at = 0.0
    while (at := at + chance.expovariate(sum(rates.values()))) < hours * 3_600:
        (what,) = chance.choices(list(rates), list(rates.values()))
        (framework,) = chance.choices(names, cum_weights=weights)
        yield Asked(at, what, framework)


class InVirtualTime:
    """A second level whose entries end by the loop's clock, too. `ends`: when, shared by all nodes."""

    def __init__(self, level: SecondLevel, ends: dict[str, float]) -> None:
        self._level = level
        self._ends = ends
        self.delete, self.sweep, self.ping, self.close = level.delete, level.sweep, level.ping, level.close

    async def find(self, key: str, tags: Sequence[str]) -> Found:
        """An entry that has not ended, and its tags' tokens."""
        if self._ends.get(key, math.inf) <= trio.current_time():
            del self._ends[key]
            await self._level.delete([key])
        return await self._level.find(key, tags)

    async def keep(self, entries: Sequence[Entry]) -> None:
        """Keeps entries, and notes until when."""
        self._ends |= {entry.key: trio.current_time() + entry.lifetime_s for entry in entries}
        await self._level.keep(entries)
