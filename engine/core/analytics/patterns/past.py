"""The past in which patterns are looked for: alerts by source, and the episodes that they make. Times are seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from protocol.patterns import PatternKind, Source, Times

DAY_S = 86_400
# What comes within half an hour of the last one is the same trouble.
EPISODE_GAP_S = 1_800.0
# Less than five times is an anecdote, whatever a test says of it.
SUPPORT_MIN = 5
EVIDENCE_MAX = 10


class Occurrence(NamedTuple):
    """An alert. `ended_at`: None if it is open. `is_heeded`: somebody took it on, or said that it is over."""

    id: str
    source: Source
    identity: str
    at: float
    ended_at: float | None = None
    is_heeded: bool = False


class Candidate(NamedTuple):
    """A pattern as it is found: it held `held` times of `occasions`, `lift` times as often as by chance.

    `evidence`: alerts that prove it, in any order; the newest are kept.
    """

    kind: PatternKind
    sources: tuple[Source, ...]
    held: int
    occasions: int
    lift: float
    confidence: float
    evidence: Sequence[Occurrence]
    times: Times | None = None
    within_s: int | None = None
    typical_s: int | None = None


@dataclass(frozen=True)
class Past:
    """The alerts of a workspace from `since` on, before `until`, each source's in the order of their times."""

    since: float
    until: float
    alerts: dict[Source, list[Occurrence]]

    @cached_property
    def episodes(self) -> dict[Source, list[Occurrence]]:
        """The first alert of each episode of each source."""
        return {source: _firsts(alerts) for source, alerts in self.alerts.items()}

    @cached_property
    def begins(self) -> float:
        """When the first alert came; `until` without any."""
        return min((alerts[0].at for alerts in self.alerts.values()), default=self.until)

    @property
    def days(self) -> float:
        """For how many days there are alerts."""
        return (self.until - self.begins) / DAY_S


def past_of(occurrences: Iterable[Occurrence], since: float, until: float) -> Past:
    """The past that these alerts are."""
    found: defaultdict[Source, list[Occurrence]] = defaultdict(list)
    for each in sorted((each for each in occurrences if since <= each.at < until), key=lambda each: (each.at, each.id)):
        found[each.source].append(each)
    return Past(since, until, {source: found[source] for source in sorted(found, key=order_of)})


def order_of(source: Source) -> tuple[str, str, str]:
    """By which sources are put in order."""
    return source.framework, source.rule_id or "", source.name


def _firsts(alerts: Sequence[Occurrence]) -> list[Occurrence]:
    found, last = list[Occurrence](), float("-inf")
    for each in alerts:
        if each.at - last > EPISODE_GAP_S:
            found.append(each)
        last = each.at
    return found
