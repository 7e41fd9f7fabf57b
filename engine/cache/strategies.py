"""What is cached: under which keys, of what type, for how long, and what ends it earlier. Values and pure functions.

Each strategy is one line of `STRATEGIES` and one value of the label `cache_type`. The workspace comes first in every
key, from the token of who asks, so no answer of one workspace is ever looked for under another. What a person may see
is part of the key too (`parts`), because two people with different tokens get different answers.

A fired alert ends everything that is kept of its framework, whatever its strategy: one rule that needs no thought, and
suppression keeps fired alerts rare. Decided against: a list of what each kind of event changes in each strategy (who
adds a strategy would have to know all events), and lifetimes in the configuration (they are what a reader may rely on).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from engine.stores import AlertPage
from engine.stores.objects import StoredObject
from protocol.patterns import Pattern, PatternRun

T = TypeVar("T")

# For whatever says nothing else; the reference's.
LIFETIME_S = 3_600.0

# Tags: what a change ends. A workspace's alerts (any event of any of them), its objects of a kind, a framework.
ALERTS = "alerts"
RULES_CHANGED = "objects/rule"
# Something of the workspace's alerts was counted anew.
COUNTED = "counted"
# Patterns were looked for, or somebody has said something of one.
PATTERNS_CHANGED = "patterns"


def of_framework(framework: str) -> str:
    """The tag of everything that is kept of a framework."""
    return f"framework/{framework}"


class Key(NamedTuple):
    """Which answer: of a workspace, of one of its frameworks (None: of more), and what else tells it from others."""

    workspace: str
    framework: str | None = None
    parts: tuple[str, ...] = ()


class Statistics(msgspec.Struct, frozen=True):
    """Numbers by name, as they were at a moment (microseconds), or a whole answer in JSON."""

    at: int
    numbers: dict[str, float]
    answer: bytes = b""


class Patterns(msgspec.Struct, frozen=True):
    """A page of the patterns that were found, and what the last run did (None: there was none)."""

    items: tuple[Pattern, ...]
    next_cursor: str | None
    run: PatternRun | None


@dataclass(frozen=True)
class Strategy(Generic[T]):
    """One kind of answer. `type`: what msgspec decodes it as; values are not changed by who gets them.

    `follows`: tags of the workspace that end it, besides its framework's.
    """

    name: str
    type: Any
    lifetime_s: float = LIFETIME_S
    follows: tuple[str, ...] = ()

    def tags(self, key: Key) -> tuple[str, ...]:
        """What ends the entry of this key."""
        return self.follows if key.framework is None else (*self.follows, of_framework(key.framework))


# A page of a workspace's rules, as stored. A change of a rule ends it.
RULES: Strategy[tuple[StoredObject, ...]] = Strategy("rules", tuple[StoredObject, ...], 300.0, (RULES_CHANGED,))
# Aggregates over weeks: an hour more or less does not show; of a framework they end with its next alert.
STATISTICS: Strategy[Statistics] = Strategy("statistics", Statistics, 3_600.0, (COUNTED,))
# Looked for every six hours. A run ends it, and what people say of a pattern.
PATTERNS: Strategy[Patterns] = Strategy("patterns", Patterns, 21_600.0, (PATTERNS_CHANGED,))
# A page of the open alerts that are somebody's to see to. Any event of the workspace ends it; what is only counted
# meanwhile (occurrences, last seen, notification sent) is up to a minute old.
OPEN_ALERTS: Strategy[AlertPage] = Strategy("open_alerts", AlertPage, 60.0, (ALERTS,))

STRATEGIES: tuple[Strategy[Any], ...] = (RULES, STATISTICS, PATTERNS, OPEN_ALERTS)
