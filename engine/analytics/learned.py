"""What correlation takes from what was found: which rules go together, and which ring after which.

Reads patterns of two sorts, those that people have confirmed or not yet looked at, with a confidence of at least
CONFIDENCE_LEAST; a body that is not of the form that we know is left out, because a wrong tie is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.analytics.pattern_findings import PATTERN
from engine.core.analytics.correlating import Learned, learned_of
from engine.stores.findings import Finding, FindingQuery, FindingStore
from protocol.patterns import PatternKind, PatternState, Source

CO_OCCURRENCE, SEQUENCE = PatternKind.CO_OCCURRENCE.value, PatternKind.SEQUENCE.value
# What nobody has confirmed must be nearly certain, because it changes who is notified.
CONFIDENCE_LEAST = 0.8
CONFIRMED, DISMISSED = PatternState.CONFIRMED.value, PatternState.DISMISSED.value
# A page: the newest of each sort. More than these are no pattern of anything.
PATTERNS_MAX = 500


class Learning(Protocol):
    """Which rules of a workspace go together."""

    async def of(self, workspace: str) -> Learned:
        """As far as it is known now. Raises StoreUnavailable."""

    async def followers(self, workspace: str) -> Mapping[str, frozenset[str]]:
        """By rule, which rules were found to ring after it. Raises StoreUnavailable."""


class _Sources(msgspec.Struct, frozen=True):
    """The part of a pattern that is read: whose alerts it is about, in the order in which they ring."""

    sources: tuple[Source, ...]


_decode = msgspec.json.Decoder(_Sources).decode


class LearnedPatterns:
    """Reads the patterns of the store."""

    def __init__(self, store: FindingStore) -> None:
        self._store = store

    async def of(self, workspace: str) -> Learned:
        """Rules that go together. Raises StoreUnavailable."""
        return learned_of(await self._rules(workspace, CO_OCCURRENCE))

    async def followers(self, workspace: str) -> Mapping[str, frozenset[str]]:
        """Which rules ring after which. Raises StoreUnavailable."""
        found: dict[str, set[str]] = {}
        for rules in await self._rules(workspace, SEQUENCE):
            for place, rule in enumerate(rules):
                found.setdefault(rule, set()).update(rules[place + 1 :])
        return {rule: frozenset(later) for rule, later in found.items() if later}

    async def _rules(self, workspace: str, sort: str) -> Sequence[tuple[str, ...]]:
        query = FindingQuery(workspace=workspace, kind=PATTERN, sorts=(sort,), limit=PATTERNS_MAX)
        return list(_read((await self._store.findings(query)).items))


def _read(findings: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    for finding in findings:
        is_sure = finding.state == CONFIRMED or (finding.score or 0) >= CONFIDENCE_LEAST
        if not is_sure or finding.state == DISMISSED:
            continue
        try:
            sources = _decode(finding.body).sources
        except msgspec.DecodeError:
            continue
        # A name without a rule may be anybody's.
        rules = tuple([source.rule_id for source in sources if source.rule_id is not None])
        if len(set(rules)) == len(sources) > 1:
            yield rules
