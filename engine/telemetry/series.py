"""Counters that are cheap to add to and cheap to read: what `engine.telemetry.metrics` is made of.

Decided against: prometheus-client's Counter and Histogram, which take a lock for each observation and make label
children on first use; and its text writer for the one family that has a series per framework and alert type. With
20,000 series it takes longer than the 50 ms that a scrape may hold the loop, so the text before each number is kept.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.core import HistogramMetricFamily

# Prometheus pays for each series: past a limit, values of a label are counted together under this one.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a histogram had seen at one moment: how many in each bucket, beyond the last bound too, and their sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Exact; None: nothing was seen."""
        return self.total / count if (count := self.count) else None

    def since(self, earlier: Observed) -> Observed:
        """What was seen after an earlier moment of the same histogram."""
        counts = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        return Observed(self.bounds, counts, self.total - earlier.total)

    def quantile(self, share: float) -> float | None:
        """Between the bounds of its bucket as if all were spread evenly, as PromQL's `histogram_quantile` has it: above
        a bound exactly if the true one is. Beyond the last bound: that one. None: nothing was seen."""
        rank, seen, lower = share * self.count, 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and seen + count >= rank:
                # Rounding may lift what is exactly the bound above it.
                return min(bound, lower + (bound - lower) * (rank - seen) / count)
            seen, lower = seen + count, bound
        return self.bounds[-1] if self.count else None


class Histogram:
    """Observations in buckets. `observe` costs a binary search and three additions."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, n: int = 1) -> None:
        """Counts `n` observations of one value; a bucket holds what is at most its bound."""
        self._counts[bisect_left(self._bounds, value)] += n
        self._sum += value * n

    def observed(self) -> Observed:
        """What it has seen until now."""
        return Observed(self._bounds, tuple(self._counts), self._sum)

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """The state as Prometheus wants it."""
        buckets, total = self.cumulative()
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total)

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """Each bound with how many were at most that, and the sum of all."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append((_bound(bound), float(total)))
        return buckets, self._sum

    def quantile(self, share: float) -> float | None:
        """The least bound that this share of all is within (infinite: it is beyond them); None: nothing was seen."""
        total = sum(self._counts)
        seen = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            seen += count
            if seen and seen >= share * total:
                return bound
        return None


class BoundedLabels:
    """At most `limit` values of one label; the rest are `other`."""

    __slots__ = ("_known", "_limit")

    def __init__(self, limit: int) -> None:
        self._known: set[str] = set()
        self._limit = limit

    def bounded(self, value: str) -> str:
        """The value, or `other` if it is new and there are too many."""
        if value in self._known:
            return value
        if len(self._known) >= self._limit:
            return OTHER
        self._known.add(value)
        return value


def _bound(value: float) -> str:
    return "+Inf" if value == math.inf else str(float(value))


class TriggerCounts:
    """Triggers per framework and alert type, both bounded: a series for each pair, with the text before its number."""

    def __init__(self, frameworks_max: int, types_max: int) -> None:
        self._frameworks = BoundedLabels(frameworks_max)
        self._types = BoundedLabels(types_max)
        self._pairs: dict[tuple[str, str], int] = {}
        self._prefixes: list[str] = []

    def add(self, framework: str, alert_type: str, n: int) -> None:
        """So many triggers more."""
        pair = (framework, alert_type)
        if pair not in self._pairs:
            pair = (self._frameworks.bounded(framework), self._types.bounded(alert_type))
        self._pairs[pair] = self._pairs.get(pair, 0) + n

    def render(self) -> bytes:
        """Both families in the text format."""
        # A dict keeps its order and nothing is ever removed: the prefixes of the first pairs are those of last time.
        for framework, alert_type in list(self._pairs)[len(self._prefixes) :]:
            self._prefixes.append(
                f'alert_triggers_total{{framework_id="{_escape(framework)}",alert_type="{_escape(alert_type)}"}} '
            )
        totals: dict[str, int] = {}
        for (framework, _), count in self._pairs.items():
            totals[framework] = totals.get(framework, 0) + count
        lines = [
            "# HELP alert_triggers_total Triggers by framework and type.",
            "# TYPE alert_triggers_total counter",
            *[f"{prefix}{count}" for prefix, count in zip(self._prefixes, self._pairs.values(), strict=True)],
            "# HELP tocsin_triggers_total Triggers by framework.",
            "# TYPE tocsin_triggers_total counter",
            *[f'tocsin_triggers_total{{framework_id="{_escape(f)}"}} {count}' for f, count in totals.items()],
            "",
        ]
        # An embedding program may hand us half a surrogate pair; it must not cost the page.
        return "\n".join(lines).encode(errors="replace")


def _escape(value: str) -> str:
    """A label value as the text format wants it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
