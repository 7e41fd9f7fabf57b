"""Insights: how a framework is, what pulls it down, and what might be done about it. Values for all layers.

Scores are 0 to 100, with one digit behind the point; null means that nothing is known, which is not the same as good.
How they are reckoned says `engine.core.analytics.scoring`.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from protocol.directory import HealthCategory


class Because(enum.Enum):
    """Why something pulls a score down, or raises a risk."""

    # Alerts were open.
    ALERTS = "alerts"
    # Readings came near to the threshold of a rule.
    STRAIN = "strain"
    # Readings of a metric without a rule are not what they were.
    DRIFT = "drift"
    # An alert is open, and perhaps nobody looks after it.
    UNANSWERED = "unanswered"
    # Many alerts in a week.
    FREQUENCY = "frequency"


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that costs health, or makes risk: how many points, of what (a rule's id, a metric), and in words.

    `alert_ids`: some alerts that prove it. The points of all contributions add up to what is missing to 100, or to the
    risk; `source` "others" stands for the small ones together.
    """

    because: Because | None
    source: str
    points: float
    text: str
    category: HealthCategory | None = None
    alert_ids: tuple[str, ...] = ()


class CategoryHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One side of health; null: nothing is known of it."""

    category: HealthCategory
    health: float | None


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """By how many points health is above (or below) the median of the `days` before; null, and why in `note`."""

    days: int
    change: float | None
    note: str | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model made of an insight. It is not checked, and marked as what it is."""

    text: str
    model: str
    at: str
    is_generated: bool = True


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """How a framework was in the 24 hours before `at`; `day` (UTC) names it. `note`: what it could not take in."""

    framework_id: str
    day: str
    at: str
    health: float | None
    risk: float | None
    categories: tuple[CategoryHealth, ...]
    pulled_down: tuple[Contribution, ...] = ()
    risks: tuple[Contribution, ...] = ()
    trends: tuple[Trend, ...] = ()
    note: str | None = None
    explanation: Explanation | None = None


class Measure(enum.Enum):
    """What is recommended."""

    RAISE_THRESHOLD = "raise_threshold"
    ADD_HYSTERESIS = "add_hysteresis"
    WAIT = "wait"
    WIDEN_WINDOW = "widen_window"
    SILENCE = "silence"
    ADD_ESCALATION = "add_escalation"


class Basis(enum.Enum):
    """What a measure was tried on: stored readings, or the alerts that there were."""

    READINGS = "readings"
    ALERTS = "alerts"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to: alerts that fired, and events of which somebody would be notified."""

    fired: int
    notified: int


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """The same time replayed by the engine's own machine, with the rule as it is and as it would be. RFC 3339.

    `note`: what the readings could not tell.
    """

    basis: Basis
    since: str
    until: str
    before: Tried
    after: Tried
    note: str | None = None


class RecommendationState(enum.Enum):
    """`gone`: the last look did not find it any more, or its rule rings no more (deleted, off, put away)."""

    OPEN = "open"
    APPLIED = "applied"
    DISMISSED = "dismissed"
    GONE = "gone"


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be done about a rule. `change`: a merge patch of the rule, or the object that would be made.

    `rule_version`: that of the rule that was tried, 0 for one of the configuration file; `cannot`: why it is not
    applied at a click. `evidence`: alerts that prove it. `was`: what of the rule its change would replace.
    `is_outdated`: the rule is another one by now than the one that was tried; reckoned whenever it is read.
    """

    id: str
    measure: Measure
    framework_id: str
    rule_id: str
    rule_version: int
    title: str
    reason: str
    change: dict[str, Any]
    promise: Promise
    was: dict[str, Any] = {}
    evidence: tuple[str, ...] = ()
    cannot: str | None = None
    is_outdated: bool = False
    state: RecommendationState = RecommendationState.OPEN
    found_at: str = ""
    decided_at: str | None = None
    decided_by: str | None = None
    notes: str | None = None
