"""`cache`: what a remembered answer costs, how often there is one, and what it takes to forget a thousand.

Three parts, each once a run. A hit in this process and one in a Redis of our own (loopback, nothing on disk), one after
the other. A thousand entries under one pattern: asked for and written, then swept (SCAN and UNLINK), then written again
and forgotten by their one tag. And some hours of a mixed load in virtual time, on one node without Redis: people whose
pages show a framework each, popular ones more often, and ask for its rules, statistics and patterns twice a minute;
alerts that fire, each of which forgets its framework; rules that are edited, each of which forgets the workspace's
rules. The load is drawn from a seed, so two versions are asked the same. Where there is no `redis-server` its rows are
left out.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trio
from trio.testing import MockClock

from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_MS, percentile
from benchmarks.options import Options
from benchmarks.peers.redis import redis
from benchmarks.report import Figures, Goal, Report, make_report
from engine.cache import SecondLevel
from engine.cache.cache import Cache
from engine.cache.counts import Counts
from engine.cache.memory import Memory
from engine.cache.redis import RedisLevel
from engine.cache.shared import Shared
from engine.cache.strategies import (
    PATTERNS,
    RULES,
    RULES_CHANGED,
    STATISTICS,
    STRATEGIES,
    Key,
    Patterns,
    Statistics,
    Strategy,
    of_framework,
)
from engine.cache.wire import Names
from engine.configuration.fields import SecretUrl
from engine.foreign import ForeignLoop
from engine.stores.objects import StoredObject

HITS, SHORT_HITS = 20_000, 2_000
KEYS = 1_000
WORKSPACE = "bench"
# The mixed load: a company's people with a page open, and what goes on meanwhile.
HOURS, SHORT_HOURS = 6, 2
PEOPLE, FRAMEWORKS = 100, 100
ASK_EVERY_S = 30.0
ALERTS_PER_HOUR, EDITS_PER_HOUR = 300, 12
SEED = 7
_ROOM = (50_000, 256 << 20)
CHECKS = [
    Goal("near_hit_us", "a hit in this process (µs)", 10.0),
    Goal("rules_hit_percent", "hits of rules in the mixed load (%)", 80.0, at_least=True),
    Goal("statistics_hit_percent", "hits of statistics in the mixed load (%)", 85.0, at_least=True),
    Goal("patterns_hit_percent", "hits of patterns in the mixed load (%)", 90.0, at_least=True),
]
REDIS_CHECKS = [
    Goal("far_hit_p50_ms", "a hit in Redis (ms)", 1.0),
]
NUMBERS = {f"severity.{word}": float(count) for count, word in enumerate(("info", "warning", "error", "critical"))}


class Asked(NamedTuple):
    """What the mixed load does at a moment (seconds): a look at a framework, an alert of it, an edit of a rule."""

    at: float
    what: str
    framework: str


def run(options: Options) -> Report:
    """Measures."""
    figures, has_redis = Figures(delivers=False), shutil.which("redis-server") is not None
    hits, hours = (SHORT_HITS, SHORT_HOURS) if options.short else (HITS, HOURS)
    with tempfile.TemporaryDirectory(prefix="tocsin-", dir=options.folder) as folder:
        for number in range(options.runs):
            trio.run(near, figures, hits)
            trio.run(mixed, figures, hours, SEED + number, clock=MockClock(autojump_threshold=0))
            if has_redis:
                with redis(Path(folder), "", f"cache-{number}") as socket:
                    trio.run(far, figures, f"unix://{socket}", hits)
    if not has_redis:
        figures.warn("redis", 1.0, "there is no redis-server here: its rows are left out")
    conditions = {
        "messages": hits,
        "runs": options.runs,
        "keys": KEYS,
        "mixed": f"{hours} h, {PEOPLE} people, {FRAMEWORKS} frameworks, asked every {ASK_EVERY_S:g} s, "
        f"{ALERTS_PER_HOUR} alerts and {EDITS_PER_HOUR} edits of rules an hour",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    plotted = [("rules_hit_percent", "rules (%)"), ("statistics_hit_percent", "statistics (%)")]
    checks = CHECKS + (REDIS_CHECKS if has_redis else [])
    return make_report("cache", conditions, figures, checks, [*plotted, ("patterns_hit_percent", "patterns (%)")])


async def near(figures: Figures, count: int) -> None:
    """Hits in this process."""
    cache = Cache(Memory(*_ROOM))
    await cache.get(STATISTICS, Key(WORKSPACE), _statistics)
    began = time.perf_counter_ns()
    for _ in range(count):
        # A new key each time, as a request makes one.
        await cache.get(STATISTICS, Key(WORKSPACE), _statistics)
    figures.add("near_hit_us", (time.perf_counter_ns() - began) / count / 1_000)


async def far(figures: Figures, url: str, count: int) -> None:
    """Hits in Redis, and a thousand keys set and forgotten."""
    async with _sharing(url) as (cache, shared):
        await cache.get(STATISTICS, Key(WORKSPACE), _statistics)
        await shared.settle()
        times = []
        for _ in range(count // 10):
            cache.clear()
            times.append(await _ms(lambda: cache.get(STATISTICS, Key(WORKSPACE), _statistics)))
        figures.add("far_hit_p50_ms", percentile(times, 50))
        figures.add("far_hit_p99_ms", percentile(times, 99))
        ways: dict[str, Callable[[], None]] = {
            "sweep": lambda: cache.forget_kind(PATTERNS, WORKSPACE),
            "forget": lambda: cache.forget(WORKSPACE, [of_framework("web")]),
        }
        for how, forget in ways.items():
            figures.add("set_1000_ms", await _ms(lambda: _set(cache, shared)))
            forget()
            figures.add(f"{how}_1000_ms", await _ms(shared.settle))


async def mixed(figures: Figures, hours: float, seed: int) -> None:
    """The hit rates of a mixed load in virtual time."""
    cache = Cache(Memory(*_ROOM))
    for asked in load(hours, seed):
        await trio.sleep_until(asked.at)
        if asked.what == "look":
            key = Key(WORKSPACE, asked.framework)
            await cache.get(RULES, key, _rules)
            await cache.get(STATISTICS, key, _statistics)
            await cache.get(PATTERNS, key, _patterns)
        else:
            tag = of_framework(asked.framework) if asked.what == "alert" else RULES_CHANGED
            cache.forget(WORKSPACE, [tag])
    for strategy in (RULES, STATISTICS, PATTERNS):
        figures.add(f"{strategy.name}_hit_percent", cache.counts.hit_rate_percent(strategy.name))


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


@contextlib.asynccontextmanager
async def _sharing(url: str) -> AsyncIterator[tuple[Cache, Shared]]:
    """A cache that shares this Redis. What its task would do is done by `settle`, so that it can be timed."""
    async with trio.open_nursery() as nursery:
        foreign = ForeignLoop()
        await nursery.start(foreign.run)
        level: SecondLevel = RedisLevel(SecretUrl(url), foreign, wait_s=1.0, value_max_bytes=1 << 20)
        counts = Counts(STRATEGIES)
        shared = Shared(level, Names("app", "benchmark"), counts)
        await shared.settle()
        yield Cache(Memory(*_ROOM), counts, shared, near_s=math.inf), shared
        await level.close()
        nursery.cancel_scope.cancel()


async def _set(cache: Cache, shared: Shared) -> None:
    for number in range(KEYS):
        await cache.get(PATTERNS, Key(WORKSPACE, "web", (str(number),)), _patterns)
    await shared.settle()


async def _ms(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter_ns()
    await work()
    return (time.perf_counter_ns() - began) / NS_PER_MS


# What a store would answer: of a size that lists have.


def _answer(strategy: Strategy[Any], value: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        await trio.lowlevel.checkpoint()
        return value

    return load


_statistics = _answer(STATISTICS, Statistics(at=1, numbers=NUMBERS))
_patterns = _answer(
    PATTERNS,
    Patterns(at=1, items=tuple({"kind": "daily", "hour": hour, "confidence": 0.9} for hour in range(5))),
)
_rules = _answer(
    RULES,
    tuple(
        StoredObject(
            workspace=WORKSPACE,
            kind="rule",
            id=f"rule-{number}",
            version=1,
            framework="web",
            body='{"kind":"threshold","metric":"cpu","threshold":90.0,"title":"CPU is hot"}',
            created_at=1,
            updated_at=1,
            updated_by="ann",
        )
        for number in range(10)
    ),
)
