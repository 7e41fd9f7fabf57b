"""Counts as people are shown them: means, percentiles and shares are made here, from whole numbers, when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.core.analytics.accuracy import lead_s
from engine.core.analytics.calendar import WEEK_US
from engine.core.analytics.counts import Counts
from engine.core.analytics.durations import percentile
from protocol.analytics import Figures, RuleQuality, Took

# A share of fewer says more about chance than about the rule: of 3 of 3 the truth may well be a half.
JUDGED_NEEDED = 10
_SHOWN = (
    *("alerts", "active", "acknowledged", "resolved", "expired", "suppressed", "quieted", "notified", "noisy"),
    *("confirmed", "false_alarms"),
)


def figures_of(counts: Counts) -> Figures:
    """Counts as people are shown them."""
    return Figures(**fields_of(counts))


def fields_of(counts: Counts) -> dict[str, Any]:
    """The fields of `Figures`."""
    judged = counts.of("confirmed") + counts.of("false_alarms")
    return {name: counts.of(name) for name in _SHOWN} | {
        "noise_ratio": _share(counts.of("noisy"), counts.alerts),
        "precision": _share(counts.of("confirmed"), judged),
        "to_acknowledge": _took(counts.of("taken"), counts.of("taken_ms"), counts.taken_times()),
        "to_resolve": _took(counts.of("ended"), counts.of("ended_ms"), counts.ended_times()),
    }


def watched_us(since_us: int, until_us: int, begin_us: int | None) -> int:
    """How much of this time anybody watched, if the first alert of all came at `begin_us`.

    Before that there were no false alarms because nothing ran. A week at least, if so much was asked for: of a few
    hours nobody can say what a week has.
    """
    if begin_us is not None:
        since_us = max(since_us, min(begin_us, until_us - WEEK_US))
    return until_us - since_us


def quality_of(rule_id: str, framework: str, counts: Counts, span_us: int, leads: Sequence[int] = ()) -> RuleQuality:
    """How good a rule is, by its alerts of so much time, and by how many hours before its breaches were warned of."""
    fields = fields_of(counts)
    judged = counts.of("confirmed") + counts.of("false_alarms")
    if judged < JUDGED_NEEDED:
        fields["precision"] = None
    return RuleQuality(
        rule_id=rule_id,
        framework_id=framework,
        judged=judged,
        judged_needed=JUDGED_NEEDED,
        false_alarms_per_week=round(counts.of("false_alarms") * WEEK_US / span_us, 3),
        lead_s=lead_s(leads),
        **fields,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _took(count: int, sum_ms: int, times: Mapping[int, int]) -> Took:
    if not count:
        return Took(count=0)
    return Took(
        count=count,
        mean_s=round(sum_ms / count / 1_000, 3),
        p50_s=_seconds(percentile(times, 50)),
        p95_s=_seconds(percentile(times, 95)),
    )


def _seconds(duration_ms: float | None) -> float | None:
    return None if duration_ms is None else round(duration_ms / 1_000, 3)
