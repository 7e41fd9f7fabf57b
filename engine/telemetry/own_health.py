"""The engine's own figures of the last five minutes, and the health score that `engine.core.health` makes of them.

Owns the looks of that time; outlives the runs of the parts that it asks, whose figures are unknown while they are away.
Looked at by the ticker every few seconds and by whoever asks. Cheap: a look adds up some forty numbers. On several
nodes each says how it is itself; of failed and waiting jobs all see the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import trio
from prometheus_client.core import GaugeMetricFamily, Metric

from engine.core.health import PARTS, Health, score
from engine.parts import Parts
from engine.telemetry.lately import Counted, Lately
from engine.telemetry.metrics import Metrics

SCORE = "health_score"
# Of figures in the titles of alerts.
DIGITS = 3
# What all nodes count alike, so that one of them is enough to tell it.
SHARED = frozenset({"jobs_failed", "jobs_waiting_s"})


class OwnHealth:
    """How this process is. `parts`: what stands on the store, while it is open."""

    def __init__(self, metrics: Metrics, parts: Callable[[], Parts | None]) -> None:
        self._metrics = metrics
        self._parts = parts
        self._lately = Lately(self.counted())

    def look(self) -> None:
        """Keeps what is counted now, for the windows that begin with it."""
        self._lately.look(trio.current_time(), self.counted())

    def counted(self) -> Counted:
        """Since the start."""
        counted, parts = self._metrics.counted(), self._parts()
        if parts is None:
            return counted
        counts = parts.cache.counts
        hits = sum(map(counts.hits, counts.strategies))
        return counted._replace(cache_hits=hits, cache_misses=counts.misses.total())

    def lately(self) -> Counted:
        """Of the last five minutes, or since the start."""
        return self._lately.since(trio.current_time(), self.counted())

    def figures(self) -> dict[str, float | None]:
        """By the names of `engine.core.health.PARTS`; None: too little is known."""
        parts = self._parts()
        there = {} if parts is None else _of_parts(parts)
        return {"store_away": 1.0, **self.lately().figures(), **there}

    def health(self) -> Health:
        """The score of this moment, and what took points away."""
        return score(self.figures())

    def readings(self) -> dict[str, float]:
        """What is known, and the score, by the names under which they are readings."""
        figures = self.figures()
        known = {name: round(value, DIGITS) for name, value in figures.items() if value is not None}
        return {SCORE: float(score(figures).score), **known}

    def families(self) -> Iterator[Metric]:
        """For Prometheus: what each part takes."""
        return families({each.part: each.points for each in self.health().contributions})


def families(points: Mapping[str, float]) -> Iterator[Metric]:
    """What each part took; of those that nobody knows of nothing."""
    family = GaugeMetricFamily("tocsin_health_points", "What each part takes from the health score.", labels=["part"])
    for part in PARTS:
        family.add_metric([part.name], points.get(part.name, 0))
    yield family


def _of_parts(parts: Parts) -> dict[str, float | None]:
    gauges = parts.works.gauges
    return {
        "store_away": 0.0 if parts.store.is_available and parts.store.is_reachable else 1.0,
        "channels_parked": parts.registry.parked,
        "jobs_failed": gauges.failed,
        "jobs_waiting_s": gauges.oldest_s,
    }
