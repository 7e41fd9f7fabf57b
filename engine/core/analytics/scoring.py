"""Health and risk of a framework: the formula and all its weights. Pure.

Each thing that is wrong is a share p of health that is lost, between 0 and 1. Shares are joined as if they were
independent, 1 - (1 - p1)(1 - p2)…: so ten small faults never weigh more than everything, and one more fault never makes
anything better. A side of health (category) is 100 times what is left of it; the whole is the same over all sides, each
share weighed by how much that side means (`IMPORTANCE`). Risk is joined in the same way, from things that are likely to
become worse. What each thing costs in points is its part of the logarithm, so points add up to what is missing.

What is wrong (health, the last 24 hours):
- alerts, by rule: for each severity a step, times the root of the share of the day in which at least that severity was
  open. Open in the union of all its alerts: a hundred duplicates, or a hundred hosts, weigh as one. What people marked
  as noise does not count.
- strain, by metric with a threshold rule: from 80 % of the threshold on, up to `STRAIN_MAX` at the threshold.
- drift, by metric without a rule: from 3 robust standard deviations away from the days before, up to `DRIFT_MAX` at 10.
Risk:
- unanswered, by rule: its loudest open alert, half at once and all after four hours; half of that if somebody has it.
- frequency: alerts of a week, one for each hour and identity, by severity: `FREQUENCY_MAX` times 1 - exp(-n / 20).
- strain again, up to `STRAIN_RISK`.

A category of which there are neither readings nor alerts nor rules is unknown, and so is a framework without any: never
100. Rules that hold for all input, and are tested: a worse input never raises health nor lowers risk, duplicates change
nothing, points add up. Decided against: a mean over categories, because a new small fault in a category that was
unknown would raise it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US
from protocol.directory import HealthCategory
from protocol.insights import Because, CategoryHealth, Contribution
from protocol.model import Severity
from protocol.wording import several

# How much of the whole one side can cost: what is down or open to strangers is worth nothing, what is dear still works.
IMPORTANCE = {
    HealthCategory.AVAILABILITY: 1.0,
    HealthCategory.SECURITY: 1.0,
    HealthCategory.PERFORMANCE: 0.8,
    HealthCategory.SCALABILITY: 0.6,
    HealthCategory.COST: 0.4,
}
# What each severity adds to the one below it: a critical alert all day leaves 15 of 100, a warning 85.
STEPS = {Severity.INFO: 0.02, Severity.WARNING: 0.13, Severity.ERROR: 0.30, Severity.CRITICAL: 0.40}
# What an alert of a severity weighs as a whole.
WEIGHTS = {severity: sum(step for below, step in STEPS.items() if below.rank <= severity.rank) for severity in Severity}
STRAIN_FROM, STRAIN_MAX, STRAIN_RISK = 0.8, 0.2, 0.5
DRIFT_FROM, DRIFT_TO, DRIFT_MAX = 3.0, 10.0, 0.1
# Nobody looks after it: by then whoever would has gone home.
UNANSWERED_FULL_US = 4 * HOUR_US
FREQUENCY_MAX, FREQUENCY_SCALE = 0.4, 20.0
# Contributions that are told; the others are told together.
TOLD_MAX = 5
PROOFS_MAX = 3
OTHERS = "others"


class Alarm(NamedTuple):
    """An alert, as it counts: `source` is its rule's id, `until` None if it is open. Times in microseconds."""

    id: str
    source: str
    category: HealthCategory
    severity: Severity
    identity: str
    since: int
    until: int | None
    is_taken: bool = False


class Strain(NamedTuple):
    """How far a metric's readings of the day came towards a rule's threshold; 1: they reached it."""

    metric: str
    category: HealthCategory
    ratio: float


class Drift(NamedTuple):
    """How far a metric's readings of the day are from those before, in robust standard deviations."""

    metric: str
    category: HealthCategory
    deviations: float


class Watched(NamedTuple):
    """All that is known of a framework. `known`: of which sides of health there is anything to know."""

    known: Collection[HealthCategory]
    alarms: Sequence[Alarm] = ()
    strains: Sequence[Strain] = ()
    drifts: Sequence[Drift] = ()


class Share(NamedTuple):
    """A part of health that is lost, or of what might be, and why."""

    lost: float
    category: HealthCategory | None
    contribution: Contribution


class Scores(NamedTuple):
    """What came of it. None: nothing is known."""

    health: float | None
    risk: float | None
    categories: tuple[CategoryHealth, ...]
    pulled_down: tuple[Contribution, ...]
    risks: tuple[Contribution, ...]


def score(watched: Watched, now: int) -> Scores:
    """Health and risk of a framework at `now` (microseconds)."""
    known = {*watched.known, *(alarm.category for alarm in watched.alarms)}
    if not known:
        return Scores(None, None, tuple(CategoryHealth(category=each, health=None) for each in HealthCategory), (), ())
    lost = [*_by_alarms(watched.alarms, now), *_by_strains(watched.strains, STRAIN_MAX), *_by_drifts(watched.drifts)]
    weighed = [share._replace(lost=share.lost * _importance(share)) for share in lost]
    risks = [*_unanswered(watched.alarms, now), *_frequency(watched.alarms, now)]
    risks += _by_strains(watched.strains, STRAIN_RISK)
    return Scores(
        health=_points(_left(weighed)),
        risk=_points(1.0 - _left(risks)),
        categories=tuple(_side(category, known, lost) for category in HealthCategory),
        pulled_down=_told(weighed),
        risks=_told(risks),
    )


def _side(category: HealthCategory, known: Collection[HealthCategory], lost: Iterable[Share]) -> CategoryHealth:
    if category not in known:
        return CategoryHealth(category=category, health=None)
    return CategoryHealth(category=category, health=_points(_left(each for each in lost if each.category is category)))


def _importance(share: Share) -> float:
    return 1.0 if share.category is None else IMPORTANCE[share.category]


def _left(shares: Iterable[Share]) -> float:
    """What is left of 1. Sorted, or the same shares in another order would differ in the last bit."""
    return math.prod(sorted(1.0 - share.lost for share in shares))


def _points(part: float) -> float:
    return round(100.0 * part, 1)


def _told(shares: Sequence[Share]) -> tuple[Contribution, ...]:
    """The largest, with their points, and the others together."""
    ordered = sorted(
        (share for share in shares if share.lost), key=lambda share: (-share.lost, share.contribution.source)
    )
    whole = 1.0 - _left(ordered)
    logs = math.fsum(-math.log1p(-share.lost) for share in ordered)
    points = [100.0 * whole * -math.log1p(-share.lost) / logs for share in ordered]
    told = [
        Contribution(
            because=each.because,
            source=each.source,
            points=round(value, 1),
            text=each.text,
            category=each.category,
            alert_ids=each.alert_ids,
        )
        for (_, _, each), value in zip(ordered[:TOLD_MAX], points, strict=False)
        if value >= 0.05
    ]
    rest = math.fsum(points[len(told) :])
    if rest >= 0.05:
        text = f"{len(ordered) - len(told)} more"
        told.append(Contribution(because=None, source=OTHERS, points=round(rest, 1), text=text))
    return tuple(told)


def _by_alarms(alarms: Iterable[Alarm], now: int) -> list[Share]:
    return [_alarm_share(source, category, those, now) for (source, category), those in _by_source(alarms).items()]


def _by_source(alarms: Iterable[Alarm]) -> dict[tuple[str, HealthCategory], list[Alarm]]:
    found: dict[tuple[str, HealthCategory], list[Alarm]] = {}
    for alarm in alarms:
        found.setdefault((alarm.source, alarm.category), []).append(alarm)
    return found


def _alarm_share(source: str, category: HealthCategory, alarms: Sequence[Alarm], now: int) -> Share:
    lost, loudest, hours = 0.0, Severity.INFO, 0.0
    for severity, step in STEPS.items():
        meant = [alarm for alarm in alarms if alarm.severity.rank >= severity.rank]
        opened = open_share(meant, now - DAY_US, now)
        lost += step * math.sqrt(opened)
        if opened:
            loudest, hours = severity, 24.0 * opened
    newest = sorted(alarms, key=lambda alarm: (-alarm.severity.rank, -alarm.since, alarm.id))
    text = f"{loudest.value} alerts were open for {_span(hours)} in the last day"
    return Share(lost, category, _because(Because.ALERTS, source, category, text, newest))


def open_share(alarms: Iterable[Alarm], since: int, until: int) -> float:
    """In which share of the time at least one of these was open."""
    spans = sorted((max(alarm.since, since), min(_end(alarm, until), until)) for alarm in alarms)
    covered, reached = 0, since
    for start, end in spans:
        if end > max(start, reached):
            covered += end - max(start, reached)
            reached = end
    return covered / (until - since)


def _end(alarm: Alarm, now: int) -> int:
    return now if alarm.until is None else alarm.until


def _by_strains(strains: Iterable[Strain], most: float) -> list[Share]:
    worst: dict[tuple[str, HealthCategory], float] = {}
    for metric, category, ratio in strains:
        worst[metric, category] = max(ratio, worst.get((metric, category), 0.0))
    return [
        Share(
            most * _between(ratio, STRAIN_FROM, 1.0),
            category,
            _because(Because.STRAIN, metric, category, f"came to {min(ratio, 9.99):.0%} of its rule's threshold"),
        )
        for (metric, category), ratio in worst.items()
        if ratio > STRAIN_FROM
    ]


def _by_drifts(drifts: Iterable[Drift]) -> list[Share]:
    worst: dict[tuple[str, HealthCategory], float] = {}
    for metric, category, deviations in drifts:
        worst[metric, category] = max(deviations, worst.get((metric, category), 0.0))
    return [
        Share(
            DRIFT_MAX * _between(far, DRIFT_FROM, DRIFT_TO),
            category,
            _because(Because.DRIFT, metric, category, f"is {min(far, 99.0):.1f} deviations from the days before"),
        )
        for (metric, category), far in worst.items()
        if far > DRIFT_FROM
    ]


def _between(value: float, start: float, end: float) -> float:
    return min(max((value - start) / (end - start), 0.0), 1.0)


def _unanswered(alarms: Iterable[Alarm], now: int) -> list[Share]:
    still = _by_source(alarm for alarm in alarms if alarm.until is None and alarm.since <= now)
    found = []
    for (source, category), those in still.items():
        worst = max(those, key=lambda alarm: (_waiting(alarm, now), alarm.id))
        state = "is taken on, and open" if worst.is_taken else "is open, and nobody has it"
        word = worst.severity.value
        text = f"{'an' if word[0] in 'ei' else 'a'} {word} alert {state}, for {_span((now - worst.since) / HOUR_US)}"
        found.append(
            Share(_waiting(worst, now), category, _because(Because.UNANSWERED, source, category, text, [worst]))
        )
    return found


def _waiting(alarm: Alarm, now: int) -> float:
    age = min((now - alarm.since) / UNANSWERED_FULL_US, 1.0)
    return WEIGHTS[alarm.severity] * (0.5 + 0.5 * age) * (0.5 if alarm.is_taken else 1.0)


def _frequency(alarms: Iterable[Alarm], now: int) -> list[Share]:
    heaviest: dict[tuple[str, str, int], float] = {}
    for alarm in alarms:
        if now - WEEK_US <= alarm.since <= now:
            what = (alarm.source, alarm.identity, alarm.since // HOUR_US)
            heaviest[what] = max(WEIGHTS[alarm.severity], heaviest.get(what, 0.0))
    if not heaviest:
        return []
    lost = FREQUENCY_MAX * -math.expm1(-math.fsum(heaviest.values()) / FREQUENCY_SCALE)
    text = f"{several(len(heaviest), 'alert')} in 7 days; the same one again counts once an hour"
    return [Share(lost, None, _because(Because.FREQUENCY, "alerts", None, text))]


def _because(
    because: Because, source: str, category: HealthCategory | None, text: str, alarms: Sequence[Alarm] = ()
) -> Contribution:
    proofs = tuple(alarm.id for alarm in alarms[:PROOFS_MAX])
    return Contribution(because=because, source=source, points=0.0, text=text, category=category, alert_ids=proofs)


def _span(hours: float) -> str:
    """A time as people say it: a few minutes are no hours."""
    if hours >= 1:
        return f"{hours:.1f} hours"
    minutes = round(hours * 60)
    return f"{minutes} minutes" if minutes > 1 else ("a minute" if minutes else "less than a minute")
