"""Rules: what people want to be told about a metric. Four kinds, one Struct each, told apart by `kind`.

A rule belongs to one framework of one workspace. Whoever takes one in checks first that it can work
(`engine.core.rules.check`): these Structs only say which fields there are, their units and their bounds.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.fields import Finite, Id, Label, Labels, Text, Title
from protocol.model import Comparison, Severity

WEEK_S = 7 * 86_400.0
# A window longer than a week is a report and no alarm; its buckets would be hours wide.
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=WEEK_S)]
ANNOTATIONS_MAX = 16
GOALS_MAX = 64


class NoData(enum.Enum):
    """What silence of a series means, after `no_data_s`: all is well, an alert of its own, or nothing (keep)."""

    OK = "ok"
    ALERT = "alert"
    KEEP = "keep"


class SuppressBy(enum.Enum):
    """What has one suppression window: each identity (rule and labels), or the rule whatever the labels."""

    IDENTITY = "identity"
    RULE = "rule"


class ActiveHours(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """When a rule may ring: from `start` to `end` (HH:MM, past midnight if `end` is earlier) on `days`, in `zone`.

    `days`: mon … sun, empty means every day; of a stretch past midnight the day on which it starts counts. `zone`: an
    IANA name.
    """

    start: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    end: Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")] = "24:00"
    days: Annotated[tuple[str, ...], msgspec.Meta(max_length=7)] = ()
    zone: Label = "UTC"


class _Rule(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What all kinds share. Times are seconds."""

    id: Id
    framework: Id
    metric: Id
    # The workspace whose readings it watches; empty: the engine's own (configuration `workspace`).
    workspace: str = ""
    title: Title = ""
    severity: Severity = Severity.WARNING
    enabled: bool = True
    # Only readings that have these labels, with these values.
    match: Labels = {}
    # It must hold for so long before it rings (`pending` until then), and goes on so long after it holds no more.
    for_s: Seconds = 0.0
    keep_firing_for_s: Seconds = 0.0
    suppression_s: Finite | None = None
    suppress_by: SuppressBy = SuppressBy.IDENTITY
    # What its alerts carry besides: labels as they are, annotations and message as templates (`{{ value }}`).
    labels: Labels = {}
    annotations: Annotated[dict[Label, Text], msgspec.Meta(max_length=ANNOTATIONS_MAX)] = {}
    message: Text = ""
    # Names of endpoints that its alerts go to; empty: what the workspace's routing says.
    notify: Annotated[tuple[Id, ...], msgspec.Meta(max_length=16)] = ()
    schedule: ActiveHours | None = None
    no_data: NoData = NoData.KEEP
    no_data_s: Seconds = 300.0


class Aggregate(enum.Enum):
    """What of a window is compared: its newest value, mean, extremes, sum, number of readings, or change per second."""

    LAST = "last"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    RATE = "rate"


class ThresholdRule(_Rule, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="threshold"):
    """Rings when a metric, or an aggregate of it over `window_s`, compares with a value.

    `between` and `outside` use `threshold` and `upper`. `recovery`: it holds until the value is back there.
    """

    threshold: Finite
    upper: Finite | None = None
    comparison: Comparison = Comparison.ABOVE
    aggregate: Aggregate = Aggregate.LAST
    window_s: Seconds = 0.0
    recovery: Finite | None = None


class Season(enum.Enum):
    """What a series repeats with."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Direction(enum.Enum):
    """Which deviations count."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class AnomalyRule(_Rule, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="anomaly"):
    """Rings when a series deviates from its own past by more than `sensitivity` (robust standard deviations)."""

    sensitivity: Annotated[float, msgspec.Meta(ge=1.0, le=100.0)] = 6.0
    direction: Direction = Direction.BOTH
    season: Season = Season.NONE
    # Readings that only teach it what is normal.
    warm_up: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 100


class Objective(enum.Enum):
    """What a performance rule holds against its threshold."""

    PERCENTILE = "percentile"
    ERROR_RATE = "error_rate"
    BURN_RATE = "burn_rate"


class PerformanceRule(_Rule, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="performance"):
    """Rings when service gets worse than promised: a percentile, an error rate, or a burn rate over a window.

    `percentile`: that of `metric` over `window_s` is above `threshold`. `error_rate`: the sum of `metric` (errors)
    divided by that of `total_metric` is above `threshold`. `burn_rate`: the error rate, divided by the error budget
    (1 - `slo`), is above `threshold` over `window_s` and also over `short_window_s` (SRE workbook, chapter 5).
    """

    objective: Objective = Objective.PERCENTILE
    threshold: Finite
    window_s: Seconds = 300.0
    recovery: Finite | None = None
    percentile: Annotated[float, msgspec.Meta(ge=50.0, le=99.9)] = 95.0
    total_metric: Id | None = None
    slo: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.999
    short_window_s: Seconds = 0.0
    # Fewer readings (percentile) or a smaller total (rates) in the window say nothing.
    at_least: Annotated[float, msgspec.Meta(ge=1.0)] = 1.0


class MilestoneRule(_Rule, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="milestone"):
    """Rings when a metric reaches a goal: once per goal and series, then never again for that goal.

    `is_cumulative`: the readings are added up; else each says where the metric stands. `progress`: percentages of the
    last goal that are told as well, with severity info.
    """

    goals: Annotated[tuple[Finite, ...], msgspec.Meta(min_length=1, max_length=GOALS_MAX)]
    is_cumulative: bool = False
    progress: Annotated[tuple[Annotated[float, msgspec.Meta(gt=0.0, lt=100.0)], ...], msgspec.Meta(max_length=20)] = ()


Rule = ThresholdRule | AnomalyRule | PerformanceRule | MilestoneRule
