"""`GET /api/metrics/…`: the reference's, and like `/metrics` for this machine itself and the engine's operator.

`/api/metrics/queue` asks the store and is in `engine.http.jobs`; these read the memory of this process. Figures since
the start stand at the top, under the reference's names; those of the last five minutes, which the health score is made
of, under `lately`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from litestar import MediaType, Response, Router, get

from engine.cache.counts import Counts
from engine.core.health import Health
from engine.http.guards import refuse_unknown_parameters, require_operator
from engine.http.ports import MetricsRender, Service
from engine.telemetry.lately import WINDOW_S, Counted
from engine.telemetry.metrics import CONTENT_TYPE, SECONDS_BUCKETS
from engine.telemetry.series import Observed

DIGITS = 3


class OwnHealth(Protocol):
    """`engine.telemetry.own_health.OwnHealth`."""

    def health(self) -> Health:
        """The score of this moment."""

    def counted(self) -> Counted:
        """Since the start."""

    def lately(self) -> Counted:
        """Of the last five minutes."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers to triggers took, in milliseconds; None: there were none. `mean` is exact; `p95` and `p99` are
    estimated within their bucket, and never on the wrong side of one of its bounds. `errors`: how many of them said
    that the engine failed."""

    count: int
    mean: float | None
    p95: float | None
    p99: float | None
    errors: int


class AlertMetrics(Latency, frozen=True, kw_only=True):
    """Since the start, and `lately`: in the last `window_s` seconds. `resolution`: the bounds of the buckets in ms;
    what took longer than the last counts as that."""

    window_s: float
    lately: Latency
    resolution: list[float]


class HitRate(msgspec.Struct, frozen=True, kw_only=True):
    """Look-ups that the cache answered, and for which the store was asked. `hit_rate`: percent; None: nobody asked."""

    hits: int
    misses: int
    hit_rate: float | None


class CacheMetrics(HitRate, frozen=True, kw_only=True):
    """Of all strategies since the start, `lately` in the last `window_s` seconds, and of each strategy."""

    window_s: float
    lately: HitRate
    by_strategy: dict[str, HitRate]


def metrics_router(own: OwnHealth, counts: Callable[[], Counts], render: MetricsRender, service: Service) -> Router:
    """`GET /api/metrics/{health,alerts,cache,prometheus}`."""

    @get("/api/metrics/health", sync_to_thread=False, operation_id="health_metrics", tags=["system"])
    def health() -> Health:
        """How well this process is: a score from 0 to 100, what each part took of it, and what to do. For this machine
        itself, and for who sees `/metrics`, as all of these."""
        return own.health()

    @get("/api/metrics/alerts", sync_to_thread=False, operation_id="alert_metrics", tags=["system"])
    def alerts() -> AlertMetrics:
        """How many triggers were answered, and how long that took, in milliseconds."""
        return AlertMetrics(
            **_latency(own.counted()),
            window_s=WINDOW_S,
            lately=Latency(**_latency(own.lately())),
            resolution=[bound * 1e3 for bound in SECONDS_BUCKETS],
        )

    @get("/api/metrics/cache", sync_to_thread=False, operation_id="cache_metrics", tags=["system"])
    def cache() -> CacheMetrics:
        """How often the cache had the answer, in percent of all look-ups, and of each strategy."""
        total, lately, by_strategy = own.counted(), own.lately(), counts()
        return CacheMetrics(
            **_rate(total.cache_hits, total.cache_misses),
            window_s=WINDOW_S,
            lately=HitRate(**_rate(lately.cache_hits, lately.cache_misses)),
            by_strategy={
                name: HitRate(**_rate(by_strategy.hits(name), by_strategy.misses[name]))
                for name in by_strategy.strategies
            },
        )

    @get("/api/metrics/prometheus", sync_to_thread=False, media_type=MediaType.TEXT, tags=["system"])
    def prometheus() -> Response[bytes]:
        """What `/metrics` shows, under the reference's address."""
        return Response(render(), headers={"Content-Type": CONTENT_TYPE})

    guards = [require_operator(service), refuse_unknown_parameters]
    return Router("/", guards=guards, route_handlers=[health, alerts, cache, prometheus])


def _latency(counted: Counted) -> dict[str, Any]:
    answers = counted.answers
    return {
        "count": answers.count,
        "mean": _ms(answers.mean),
        "p95": _quantile_ms(answers, 0.95),
        "p99": _quantile_ms(answers, 0.99),
        "errors": counted.errors,
    }


def _quantile_ms(observed: Observed, share: float) -> float | None:
    return _ms(observed.quantile(share))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, DIGITS)


def _rate(hits: int, misses: int) -> dict[str, Any]:
    rate = round(100.0 * hits / (hits + misses), DIGITS) if hits + misses else None
    return {"hits": hits, "misses": misses, "hit_rate": rate}
