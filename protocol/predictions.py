"""Predictions: what is expected of a rule or of a day's alerts, and what came of it once its time had passed.

Values only. Times are RFC 3339, probabilities and shares 0 to 1. A prediction says everything that it is scored by.
"""

from __future__ import annotations

import enum

import msgspec


class PredictionState(enum.Enum):
    """`open`: its time has not passed; `scored`; `unscored`: too little was measured then, or the engine was down;
    `refused`: there is none, and why; `over`: there was none for a while."""

    OPEN = "open"
    SCORED = "scored"
    UNSCORED = "unscored"
    REFUSED = "refused"
    OVER = "over"


class PredictionKind(enum.Enum):
    """What is predicted: that a rule's threshold is reached, or how many alerts a day brings."""

    BREACH = "breach"
    COUNT = "count"


class HourAhead(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One hour from `at` on: the metric's value that the rule would look at (its peak, or what the rule asks for), an
    80 % interval, how probably the threshold is reached in this hour, and up to its end."""

    at: str
    expected: float
    low: float
    high: float
    probability: float
    by: float


class Breach(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="breach"):
    """When a threshold is reached next, within the next hours: by one series of a rule.

    `probability`: that it is reached at all until then. If it is: probably at `expected_at`, in 8 of 10 cases between
    `earliest_at` and `latest_at` (null: in no course that the past knows). `days`: how many it was learnt on.
    `trend_at`: when the trend of the last four weeks gets there, if within 90 days.
    """

    metric: str
    labels: dict[str, str]
    comparison: str
    threshold: float
    aggregate: str
    window_s: float
    probability: float
    expected_at: str | None
    earliest_at: str | None
    latest_at: str | None
    hours: list[HourAhead]
    days: int
    trend_at: str | None = None


class Count(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="what", tag="count"):
    """How many alerts a day brings: of a rule, a framework, or the workspace (both null). An 80 % interval.

    `probability`: that there is at least one. `days`: how many it was learnt on.
    """

    expected: float
    low: int
    high: int
    probability: float
    days: int


class Outcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What came. `happened`: the threshold was reached (`at`: when, by the hour), or there was an alert (`count`).

    `lead_s`: how long before it was said, if it was said with a probability of at least a half. `off` and `total`: sums
    of what the values were off and of what they were; `inside` of `points` were in their interval.
    """

    scored_at: str
    happened: bool
    at: str | None = None
    count: int | None = None
    lead_s: float | None = None
    off: float = 0.0
    total: float = 0.0
    inside: int = 0
    points: int = 0


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction, for the time from `since` until `until`.

    `reason`: why there is none, or why it is not scored; `last_id`: if there is none, the last one that there was.
    """

    id: str
    kind: PredictionKind
    state: PredictionState
    framework_id: str | None
    rule_id: str | None
    made_at: str
    since: str
    until: str
    forecast: Breach | Count | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    last_id: str | None = None


class CalibrationBin(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Predictions whose probability was from `low` to `high`: how many, what they said on average, what came."""

    low: float
    high: float
    count: int
    said: float | None
    came: float | None


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How good predictions of one kind were. Null: there was nothing to tell it from.

    `brier`: mean squared difference of probability and what came (0 is perfect, 0.25 a coin). `wape_percent`: what
    values were off, of what they were. `coverage_percent`: of the 80 % intervals. A warning is a probability of at
    least a half: `warned` came, `false_alarms` did not, `missed` came without. `lead_s`: the median of those that came.
    """

    kind: PredictionKind
    scored: int
    brier: float | None
    wape_percent: float | None
    coverage_percent: float | None
    warned: int
    missed: int
    false_alarms: int
    lead_s: float | None
    calibration: list[CalibrationBin]


class AccuracyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Of predictions whose time ended from `since` until `until`, by kind. `unscored`: too little was measured then,
    or the engine was down."""

    since: str
    until: str
    framework_id: str | None
    rule_id: str | None
    kinds: list[Accuracy]
    unscored: int = 0
