"""What the engine watches by itself: this machine (`[host]`, and rules for it), and its own health.

The tables of its health are `[metrics]` and `[watchdog]`.
"""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit, why
from protocol.model import Severity
from protocol.rules import ThresholdRule

_DAY_S = 86_400
HOST_FRAMEWORK = "host"


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
