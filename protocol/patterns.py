"""Patterns: what the alerts of a workspace have in common, as it is found, kept and told."""

from __future__ import annotations

from enum import Enum

import msgspec


class PatternKind(Enum):
    """What sort of thing was found."""

    # Comes back at the same hour, or on the same day of the week.
    RECURRING = "recurring"
    # Two come together, neither first.
    CO_OCCURRENCE = "co_occurrence"
    # One comes after the other.
    SEQUENCE = "sequence"
    # Comes more and more often.
    ESCALATING = "escalating"
    # Ends by itself and is back at once.
    FLAPPING = "flapping"
    # Comes far more often than others, and nobody does anything about it.
    NOISY = "noisy"


class PatternState(Enum):
    """What people have said of a pattern."""

    NEW = "new"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class Source(msgspec.Struct, frozen=True):
    """Whose alerts a pattern is about: a rule's, or (without one) those of one name in a framework."""

    framework: str
    rule_id: str | None
    name: str


class Times(msgspec.Struct, frozen=True):
    """When in the day (minutes after midnight UTC) and, by the week, on which day (0: Monday) it comes.

    `until` may be less than `since`: over midnight. 0 to 1440 is any time of the day.
    """

    since: int
    until: int
    weekday: int | None = None


class Said(msgspec.Struct, frozen=True):
    """Who confirmed or dismissed a pattern, when (RFC 3339), and why."""

    by: str
    at: str
    notes: str | None = None


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern. It held on `support` of the `occasions` on which it could have.

    `confidence`: the share of occasions on which it holds, at least (95 %, one-sided, Wilson). `lift`: how many times
    as often as by chance. `evidence`: ids of some alerts that prove it, the newest first. `framework`: null if it is
    about several. `times`: of a recurring one. `within_s`: a sequence's second alert came so soon in 9 of 10 cases;
    `typical_s`: in half of them. `found_at`: when a run last found it; `first_at`, `last_at`: of its alerts. Times are
    RFC 3339.
    """

    id: str
    kind: PatternKind
    state: PatternState = PatternState.NEW
    framework: str | None
    sources: tuple[Source, ...]
    summary: str
    confidence: float
    support: int
    occasions: int
    lift: float
    evidence: tuple[str, ...]
    first_at: str
    last_at: str
    found_at: str
    since: str
    times: Times | None = None
    within_s: int | None = None
    typical_s: int | None = None
    said: Said | None = None
    version: int = 0


class Lacking(msgspec.Struct, frozen=True):
    """A sort of pattern that was not looked for, because there is too little: what it needs, and what there is."""

    kind: PatternKind
    needs: str
    has: str


class PatternRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the last run over a workspace did. `is_cut`: there are older alerts beyond its bound. Times are RFC 3339."""

    at: str
    since: str
    alerts: int
    is_cut: bool = False
    found: int = 0
    new: int = 0
    lacking: tuple[Lacking, ...] = ()
