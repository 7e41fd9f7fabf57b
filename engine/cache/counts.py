"""What the cache counts, and how /metrics shows it, under the reference's names where it has some.

Plain integers, counted on the loop and read at scrape time. A hit is an answer for which the store was not asked: from
this process (`near`), from the second level (`far`), or from somebody's question that was under way (`joined`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.cache.strategies import Strategy

FROM = ("near", "far", "joined")


class Fault(Enum):
    """Why something of the second level did not count: each is a miss, and none an error to who asks."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    DROPPED = "dropped"


# What was about no single strategy: tags, sweeps, entries that are written together.
ANY = "any"


class Counts:
    """Counters by the names of strategies."""

    def __init__(self, strategies: Sequence[Strategy[Any]]) -> None:
        self.strategies = [strategy.name for strategy in strategies]
        self.near: Counter[str] = Counter()
        self.far: Counter[str] = Counter()
        self.joined: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()
        # By strategy (or ANY) and cause.
        self.failed: Counter[tuple[str, Fault]] = Counter()
        self.forgotten = 0

    def fail(self, fault: Fault, strategy: str = ANY) -> None:
        """Something of the second level did not count."""
        self.failed[strategy, fault] += 1

    @property
    def faults(self) -> Counter[Fault]:
        """How often, by cause."""
        by_cause: Counter[Fault] = Counter()
        for (_, fault), times in self.failed.items():
            by_cause[fault] += times
        return by_cause

    def hits(self, strategy: str) -> int:
        """Answers for which the store was not asked."""
        return self.near[strategy] + self.far[strategy] + self.joined[strategy]

    def hit_rate_percent(self, strategy: str) -> float:
        """Of all answers; 0 before the first."""
        hits = self.hits(strategy)
        return 100.0 * hits / total if (total := hits + self.misses[strategy]) else 0.0

    def families(self, entries: Counter[str], sizes: Counter[str]) -> Iterator[Metric]:
        """All of them. `entries`, `sizes`: what is held in this process, by strategy."""
        hits = CounterMetricFamily("cache_hits", "Answers that came from the cache.", labels=["cache_type"])
        misses = CounterMetricFamily("cache_misses", "Answers that the store was asked for.", labels=["cache_type"])
        rate = GaugeMetricFamily(
            "cache_hit_rate_percent", "Hits of all answers since the start.", labels=["cache_type"]
        )
        held = GaugeMetricFamily("tocsin_cache_entries", "Entries in this process.", labels=["cache_type"])
        size = GaugeMetricFamily(
            "tocsin_cache_bytes", "Their size as encoded, and room for keys.", labels=["cache_type"]
        )
        where = CounterMetricFamily(
            "tocsin_cache_hits", "Hits, by where the answer was.", labels=["cache_type", "level"]
        )
        for name in self.strategies:
            hits.add_metric([name], self.hits(name))
            misses.add_metric([name], self.misses[name])
            rate.add_metric([name], self.hit_rate_percent(name))
            held.add_metric([name], entries[name])
            size.add_metric([name], sizes[name])
            for level in FROM:
                where.add_metric([name, level], getattr(self, level)[name])
        yield from (hits, misses, rate, where, held, size)
        errors = CounterMetricFamily(
            "tocsin_cache_errors",
            "What of the second level did not count; each was a miss.",
            labels=["cache_type", "cause"],
        )
        for name in (*self.strategies, ANY):
            for fault in Fault:
                errors.add_metric([name, fault.value], self.failed[name, fault])
        yield errors
        yield CounterMetricFamily("tocsin_cache_forgotten", "Tags that were forgotten.", value=self.forgotten)
