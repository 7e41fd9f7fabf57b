"""What is said of many alerts together: how many there were, what became of them, how long it took.

Times are RFC 3339; durations are seconds. What is null cannot be said: nothing was counted that it could be made of.
"""

from __future__ import annotations

import msgspec

from protocol.model import Severity


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, `count` times. The mean is exact, the percentiles are within 3.2 %."""

    count: int
    mean_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that were triggered in some stretch of time, as they are now.

    `active`, `acknowledged`, `resolved`, `expired`: their states. `suppressed`: triggers that did not become alerts of
    their own, because the alert was open. `quieted`: did not ring; `notified`: somebody was told, in the app or by an
    endpoint. `noisy`: needed nobody (marked as noise, quieted, or over by itself within two minutes), `noise_ratio`: of
    all. `confirmed`: somebody looked after it; `false_alarms`: marked as noise, or over without anybody; `precision`:
    the first of both.
    """

    alerts: int
    active: int
    acknowledged: int
    resolved: int
    expired: int
    suppressed: int
    quieted: int
    notified: int
    noisy: int
    noise_ratio: float | None
    confirmed: int
    false_alarms: int
    precision: float | None
    to_acknowledge: Took
    to_resolve: Took


class CountedAlerts(Figures, frozen=True, kw_only=True):
    """The alerts of one stretch of time, from `since` to before `until`; what was not told apart is null.

    A `rule_id` of "" stands for alerts that no rule made.
    """

    since: str
    until: str
    framework_id: str | None = None
    rule_id: str | None = None
    severity: Severity | None = None


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """How far counting is: alerts of `hours_waiting` hours have changed since they were counted, first at `changed_at`
    (null also if that was before anything was counted); `counted_at`: when some of these hours were counted last."""

    hours_waiting: int
    changed_at: str | None
    counted_at: str | None


class Analytics(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts by `by` (hour, day, week, month, total), in the order of time, and all of them together.

    `since` and `until` are as they were counted: the beginnings of an hour, day, week or month of UTC.
    """

    by: str
    since: str
    until: str
    group: list[str]
    items: list[CountedAlerts]
    totals: Figures
    fresh: Fresh


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """When alerts come: seven rows, Monday first, of 24 hours in a time zone.

    `alerts`: how many there were; `hours`: how many such hours there were in that time (a night in which clocks are set
    back has one more). An hour of UTC counts where it begins.
    """

    zone: str
    since: str
    until: str
    alerts: list[list[int]]
    hours: list[list[int]]
    fresh: Fresh


class RuleQuality(Figures, frozen=True, kw_only=True):
    """How good a rule is. `judged`: confirmed or false alarms; `precision` is null below `judged_needed`. `lead_s`: how
    long before its threshold was reached that had been predicted (median, by the hour); null: it never was."""

    rule_id: str
    framework_id: str
    judged: int
    judged_needed: int
    false_alarms_per_week: float
    lead_s: float | None = None


class RulesQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that made alerts, those with the most first; `is_cut`: there are more than were asked for."""

    since: str
    until: str
    items: list[RuleQuality]
    is_cut: bool
    fresh: Fresh
