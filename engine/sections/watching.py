"""What the engine watches by itself: this machine (`[host]`, and rules for it), and its own health.

The rules for its own figures are no setting: they hold wherever `watch_self` is on, in the workspace `system`, until
the file has one of the same id and workspace. The tables of its health are `[metrics]` and `[watchdog]`.
"""

from __future__ import annotations

from typing import Annotated

from engine.access.roles import SYSTEM_WORKSPACE
from engine.configuration.fields import Section, limit, why
from engine.core.health import SCORE_MIN
from protocol.model import Comparison, Severity
from protocol.rules import NoData, ThresholdRule

_DAY_S = 86_400
HOST_FRAMEWORK = "host"
# Processors are there to be used: a build, or this engine's own start, is nothing to be told of.
BUSY_S = 60.0


class Host(Section, frozen=True, kw_only=True):
    """This machine's vitals as a source of readings."""

    interval_s: Annotated[float, limit(0.1, 3600, "Seconds between readings: a spike of two is still seen.")] = 1.0
    framework: Annotated[str, why("The framework that the readings belong to; the default rules follow it.")] = (
        HOST_FRAMEWORK
    )


HOST_RULES = (
    ThresholdRule(
        id="host-cpu",
        framework=HOST_FRAMEWORK,
        metric="cpu_percent",
        threshold=90.0,
        title="CPU above 90 % on this machine",
        for_s=BUSY_S,
    ),
    ThresholdRule(
        id="host-memory",
        framework=HOST_FRAMEWORK,
        metric="memory_percent",
        threshold=90.0,
        severity=Severity.ERROR,
        title="Memory above 90 % on this machine",
    ),
    ThresholdRule(
        id="host-disk",
        framework=HOST_FRAMEWORK,
        metric="disk_percent",
        threshold=90.0,
        severity=Severity.ERROR,
        title="Disk above 90 % full on this machine",
    ),
    ThresholdRule(
        id="host-load",
        framework=HOST_FRAMEWORK,
        metric="load_per_core",
        threshold=4.0,
        title="Load above 4 per core on this machine",
        for_s=BUSY_S,
    ),
)


OWN_FRAMEWORK = "engine"
# A node that says nothing for so long has ended, or its store is away: what it rang for is over.
OWN_SILENCE_S = 60.0


def _own(
    name: str,
    metric: str,
    threshold: float,
    title: str,
    severity: Severity = Severity.WARNING,
    comparison: Comparison = Comparison.ABOVE,
    message: str = "",
) -> ThresholdRule:
    return ThresholdRule(
        id=f"engine-{name}",
        workspace=SYSTEM_WORKSPACE,
        framework=OWN_FRAMEWORK,
        metric=metric,
        threshold=threshold,
        title=title,
        severity=severity,
        comparison=comparison,
        no_data=NoData.OK,
        no_data_s=OWN_SILENCE_S,
        message=message,
    )


# The reference's thresholds. The figures are those of the last five minutes already, so they ring at once.
OWN_RULES = (
    _own(
        "answers-slow",
        "alert_latency_p95_ms",
        500,
        "95 % of the triggers are answered within {{ value }} ms only",
        message="Look at tocsin_commit_seconds (the disk) and tocsin_loop_lag_max_seconds (the CPU).",
    ),
    _own(
        "answers-very-slow",
        "alert_latency_p95_ms",
        1_000,
        "95 % of the triggers are answered within {{ value }} ms only",
        Severity.CRITICAL,
        message="Look at tocsin_commit_seconds (the disk) and tocsin_loop_lag_max_seconds (the CPU).",
    ),
    _own(
        "cache-misses",
        "cache_hit_rate_percent",
        70,
        "The cache answers {{ value }} % of the look-ups",
        comparison=Comparison.BELOW,
        message="Is it large enough ([cache]), and does its Redis answer?",
    ),
    _own(
        "jobs-failed",
        "jobs_failed",
        10,
        "{{ value }} failed jobs are kept",
        Severity.CRITICAL,
        message="tocsin jobs list --state failed has the causes; when they are mended: tocsin queues redrive QUEUE",
    ),
    _own(
        "health",
        "health_score",
        SCORE_MIN,
        "The engine's health score is {{ value }}",
        comparison=Comparison.BELOW,
        message="GET /api/metrics/health and the page's System view say what took the points, and what to do.",
    ),
)


class MetricsSection(Section, frozen=True, kw_only=True):
    """What /metrics shows."""

    framework_labels_max: Annotated[
        int, limit(1, 10_000, "Frameworks with a time series of their own; the rest are counted as `other`.")
    ] = 200


class Watchdog(Section, frozen=True, kw_only=True):
    """What `tocsin serve` does when its loop no longer turns."""

    stall_s: Annotated[
        float, limit(0.1, 3600, "Silent for so long, the stacks of all threads are written; nothing of ours takes 1 s.")
    ] = 5.0
    exit_s: Annotated[
        float,
        limit(0.2, _DAY_S, "Silent for so long, the process ends with 70: clients find no one for a minute else."),
    ] = 15.0
