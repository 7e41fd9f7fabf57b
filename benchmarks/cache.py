"""`cache`: what a remembered answer costs, how often there is one, and what it takes to forget a thousand.

Four parts, each once a run. A hit in this process and one in a Redis of our own (loopback, nothing on disk), one after
the other. A thousand entries under one pattern: asked for and written, then swept (SCAN and UNLINK), then written again
and forgotten by their one tag. And some hours of a mixed load in virtual time (`cache_mixed`): on one node without
Redis, and on three nodes with one between them, as installations of several nodes have it. Where there is no
`redis-server` its rows are left out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from benchmarks.cache_mixed import (
    ALERTS_PER_HOUR,
    ASK_EVERY_S,
    EDITS_PER_HOUR,
    FRAMEWORKS,
    NODES,
    PEOPLE,
    nodes,
    one_node,
)
from benchmarks.cache_parts import WORKSPACE, patterns, room, sharing, statistics
from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_MS, percentile
from benchmarks.options import Options
from benchmarks.peers.redis import redis, why_none
from benchmarks.report import Figures, Goal, Report, make_report
from engine.cache.cache import Cache
from engine.cache.shared import Shared
from engine.cache.strategies import PATTERNS, STATISTICS, Key, of_framework

HITS, SHORT_HITS = 20_000, 2_000
KEYS = 1_000
HOURS, SHORT_HOURS = 6.0, 2.0
# Of several nodes: every hit in Redis takes real time, at three questions a look.
SHARED_HOURS, SHORT_SHARED_HOURS = 2.0, 0.5
SEED = 7
WANTED_PERCENT = {"rules": 80.0, "statistics": 85.0, "patterns": 90.0}


def _rates(prefix: str, where: str) -> list[Goal]:
    return [
        Goal(f"{prefix}{name}_hit_percent", f"hits of {name} in the mixed load, {where} (%)", wanted, at_least=True)
        for name, wanted in WANTED_PERCENT.items()
    ]


CHECKS = [Goal("near_hit_us", "a hit in this process (µs)", 10.0), *_rates("", "one node")]
REDIS_CHECKS = [Goal("far_hit_p50_ms", "a hit in Redis (ms)", 1.0), *_rates("shared_", f"{NODES} nodes on Redis")]


def run(options: Options) -> Report:
    """Measures."""
    figures, why_no_redis = Figures(delivers=False), why_none()
    hits, hours = (SHORT_HITS, SHORT_HOURS) if options.short else (HITS, HOURS)
    shared_hours = SHORT_SHARED_HOURS if options.short else SHARED_HOURS
    with tempfile.TemporaryDirectory(prefix="tocsin-", dir=options.folder) as folder:
        for number in range(options.runs):
            trio.run(near, figures, hits)
            trio.run(one_node, figures, hours, SEED + number, clock=MockClock(autojump_threshold=0))
            if not why_no_redis:
                with redis(Path(folder), "", f"cache-{number}") as socket:
                    trio.run(far, figures, f"unix://{socket}", hits)
                    clock = MockClock()
                    trio.run(nodes, figures, shared_hours, SEED + number, f"unix://{socket}", clock, clock=clock)
    if why_no_redis:
        figures.warn("redis", 0, f"Redis is left out: {why_no_redis}")
    conditions = {
        "messages": hits,
        "runs": options.runs,
        "keys": KEYS,
        "mixed": f"{hours:g} h ({NODES} nodes: {shared_hours:g} h), {PEOPLE} people, {FRAMEWORKS} frameworks, "
        f"asked every {ASK_EVERY_S:g} s, {ALERTS_PER_HOUR} alerts and {EDITS_PER_HOUR} edits of rules an hour",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    plotted = [("rules_hit_percent", "rules (%)"), ("statistics_hit_percent", "statistics (%)")]
    checks = CHECKS + ([] if why_no_redis else REDIS_CHECKS)
    return make_report("cache", conditions, figures, checks, [*plotted, ("patterns_hit_percent", "patterns (%)")])


async def near(figures: Figures, count: int) -> None:
    """Hits in this process."""
    cache = Cache(room())
    await cache.get(STATISTICS, Key(WORKSPACE), statistics)
    began = time.perf_counter_ns()
    for _ in range(count):
        # A new key each time, as a request makes one.
        await cache.get(STATISTICS, Key(WORKSPACE), statistics)
    figures.add("near_hit_us", (time.perf_counter_ns() - began) / count / 1_000)


async def far(figures: Figures, url: str, count: int) -> None:
    """Hits in Redis, and a thousand keys set and forgotten."""
    async with sharing(url) as (cache, shared):
        await cache.get(STATISTICS, Key(WORKSPACE), statistics)
        await shared.settle()
        times = []
        for _ in range(count // 10):
            cache.clear()
            times.append(await _ms(lambda: cache.get(STATISTICS, Key(WORKSPACE), statistics)))
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


async def _set(cache: Cache, shared: Shared) -> None:
    for number in range(KEYS):
        await cache.get(PATTERNS, Key(WORKSPACE, "web", (str(number),)), patterns)
    await shared.settle()


async def _ms(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter_ns()
    await work()
    return (time.perf_counter_ns() - began) / NS_PER_MS
