"""What the process of insights is asked, what it then has before it, and what it answers. Values only."""

from __future__ import annotations

import msgspec

from engine.core.analytics.measures import UNTOUCHED, Applied
from engine.stores.readings import KeptReadings
from engine.trying.backtest_worker import StoredPage
from protocol.directory import HealthCategory
from protocol.insights import Insight, Recommendation
from protocol.rules import Rule


class HeldRule(msgspec.Struct, frozen=True):
    """A rule that holds, its version (0: it is not stored), whether a chain of escalation is for it, and what clicks
    have done to it."""

    rule: Rule
    version: int
    is_escalated: bool
    applied: Applied = UNTOUCHED


class MetricHours(msgspec.Struct, frozen=True):
    """The hours of a metric's series: JSON lists of points."""

    metric: str
    pages: tuple[bytes, ...]


class KnownFramework(msgspec.Struct, frozen=True):
    """A framework: which side of health its metrics are of, who owns it, and which metrics have news (`alive`)."""

    id: str
    metrics: dict[str, HealthCategory]
    team: str | None
    alive: tuple[str, ...]
    hours: tuple[MetricHours, ...] = ()
    note: str | None = None


class Mapped(msgspec.Struct, frozen=True):
    """A framework as people wrote it down: which side of health its metrics are of, and who owns it."""

    id: str
    metrics: dict[str, HealthCategory]
    owner: str | None


class Suspect(msgspec.Struct, frozen=True):
    """A rule that troubles people, with its alerts (a page): measures are to be tried for it."""

    held: HeldRule
    alerts: bytes
    team: str | None


class LookAt(msgspec.Struct, frozen=True, tag="look_at"):
    """Whose insights are asked for, up to when (microseconds). `rules`: lists of HeldRule, packed. `archived`:
    frameworks that nobody asks about any more."""

    workspace: str
    until: int
    frameworks: tuple[Mapped, ...]
    archived: tuple[str, ...]
    rules: tuple[bytes, ...]


class TryOn(msgspec.Struct, frozen=True, tag="try_on"):
    """A rule that measures are to be tried for, on the readings that are kept of the time."""

    workspace: str
    suspect: Suspect
    since: int
    until: int
    suppression_s: float
    kept: KeptReadings


class Look(msgspec.Struct, frozen=True, tag="look"):
    """All of a workspace. `history`: pages of alerts (how many, and whether there are more); `rules`: lists of
    HeldRule, packed; `applied`: recommendations that were, for whatever rules; `past`: of each framework its health,
    by how many days ago; `now` in microseconds."""

    history: tuple[str, ...]
    frameworks: tuple[KnownFramework, ...]
    rules: tuple[bytes, ...]
    now: int
    archived: tuple[str, ...] = ()
    alerts: int = 0
    is_cut: bool = False
    metrics_left_out: int = 0
    applied: tuple[Recommendation, ...] = ()
    past: dict[str, dict[int, float]] = {}


class Try(msgspec.Struct, frozen=True, tag="try"):
    """What is to be tried, and the readings that are stored of the time."""

    asked: TryOn
    stored: tuple[StoredPage, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What came of either; and of what was looked at how much there was."""

    insights: list[Insight] = []
    suspects: list[Suspect] = []
    recommendations: list[Recommendation] = []
    alerts: int = 0
    is_cut: bool = False
    metrics_left_out: int = 0
