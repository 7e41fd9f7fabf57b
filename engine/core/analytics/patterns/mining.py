"""All sorts of patterns in one past: what is found, what of it is told, and what there is too little for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.core.analytics.patterns import recurring as by_time
from engine.core.analytics.patterns import rising as by_trend
from engine.core.analytics.patterns import unheeded as by_feedback
from engine.core.analytics.patterns.bars import Opinion, bar_of
from engine.core.analytics.patterns.following import following
from engine.core.analytics.patterns.naming import known_as, new_key, sentence
from engine.core.analytics.patterns.past import EVIDENCE_MAX, SUPPORT_MIN, Candidate, Occurrence, Past
from engine.core.analytics.patterns.recurring import recurring
from engine.core.analytics.patterns.restless import FLAPS_MIN, restless
from engine.core.analytics.patterns.rising import rising
from engine.core.analytics.patterns.together import together
from engine.core.analytics.patterns.unheeded import unheeded
from protocol.patterns import Lacking, Pattern, PatternKind, PatternState
from protocol.times import SECOND_US, rfc3339

# Weekdays take four weeks to be seen; twice that is looked at.
LOOKED_AT_DAYS = 56
_MINERS: dict[PatternKind, Callable[[Past], list[Candidate]]] = {
    PatternKind.RECURRING: recurring,
    PatternKind.CO_OCCURRENCE: together,
    PatternKind.SEQUENCE: following,
    PatternKind.ESCALATING: rising,
    PatternKind.FLAPPING: restless,
    PatternKind.NOISY: unheeded,
}


class Mined(NamedTuple):
    """What a run found: patterns that are to be kept, those of them that were not known, and what there is too little
    for."""

    patterns: list[Pattern]
    new: list[Pattern]
    lacking: list[Lacking]


def candidates(past: Past) -> list[Candidate]:
    """All that is no chance. What follows also comes together: that is told once."""
    found = {kind: mine(past) for kind, mine in _MINERS.items()}
    ordered = {frozenset(each.sources) for each in found[PatternKind.SEQUENCE]}
    pairs = found[PatternKind.CO_OCCURRENCE]
    found[PatternKind.CO_OCCURRENCE] = [each for each in pairs if frozenset(each.sources) not in ordered]
    return [each for kind in _MINERS for each in found[kind]]


def mine(past: Past, known: Sequence[Pattern], at_us: int) -> Mined:
    """What is found at `at_us` (microseconds), and which of it was known before."""
    opinions = [Opinion(each.kind, each.sources, each.state) for each in known if each.state is not PatternState.NEW]
    left, kept, new = {each.id: each for each in known}, list[Pattern](), list[Pattern]()
    taken = set(left)
    for candidate in sorted(candidates(past), key=lambda each: -each.confidence):
        before = known_as(candidate, left.values())
        if before is not None:
            del left[before.id]
        is_decided = before is not None and before.state is not PatternState.NEW
        if not is_decided and candidate.confidence < bar_of(candidate.kind, candidate.sources, opinions):
            continue
        pattern = _pattern(candidate, before, new_key(candidate, taken), at_us)
        kept.append(pattern)
        if before is None:
            taken.add(pattern.id)
            new.append(pattern)
    return Mined(kept, new, lacking(past))


def _pattern(candidate: Candidate, before: Pattern | None, key: str, at_us: int) -> Pattern:
    newest = sorted(candidate.evidence, key=lambda each: (each.at, each.id), reverse=True)
    frameworks = {source.framework for source in candidate.sources}
    return Pattern(
        id=key if before is None else before.id,
        kind=candidate.kind,
        state=PatternState.NEW if before is None else before.state,
        framework=frameworks.pop() if len(frameworks) == 1 else None,
        sources=candidate.sources,
        summary=sentence(candidate),
        confidence=round(candidate.confidence, 3),
        support=candidate.held,
        occasions=candidate.occasions,
        lift=round(candidate.lift, 2),
        evidence=_ids(newest),
        first_at=_time(newest[-1].at),
        last_at=_time(newest[0].at),
        found_at=rfc3339(at_us),
        since=rfc3339(at_us) if before is None else before.since,
        times=candidate.times,
        within_s=candidate.within_s,
        typical_s=candidate.typical_s,
        said=None if before is None else before.said,
        version=0 if before is None else before.version,
    )


def _ids(newest: Iterable[Occurrence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.id for each in newest))[:EVIDENCE_MAX]


def _time(seconds: float) -> str:
    return rfc3339(int(seconds * SECOND_US))


def lacking(past: Past) -> list[Lacking]:
    """What was not looked for, because there is too little."""
    found = [
        *_days(past, PatternKind.RECURRING, by_time.DAYS_MIN, "of alerts"),
        *_days(past, PatternKind.RECURRING, by_time.WEEKS_MIN * 7, "of alerts, to see days of the week"),
        *_days(past, PatternKind.ESCALATING, by_trend.DAYS_MIN, "of alerts"),
    ]
    often = sum(1 for episodes in past.episodes.values() if len(episodes) >= SUPPORT_MIN)
    if often < 2:
        for kind in (PatternKind.CO_OCCURRENCE, PatternKind.SEQUENCE):
            needs = f"2 rules or names that rang on {SUPPORT_MIN} occasions"
            found.append(Lacking(kind, needs, f"{often}"))
    if (most := max((len(alerts) for alerts in past.alerts.values()), default=0)) <= FLAPS_MIN:
        found.append(Lacking(PatternKind.FLAPPING, f"{FLAPS_MIN + 1} alerts of a rule", f"{most} of the most frequent"))
    return [*found, *_feedback(past)]


def _days(past: Past, kind: PatternKind, days: int, of: str) -> list[Lacking]:
    return [] if past.days >= days else [Lacking(kind, f"{days} days {of}", f"{past.days:.1f} days")]


def _feedback(past: Past) -> list[Lacking]:
    sources, heeded = len(past.alerts), by_feedback.heeded(past)
    if sources < by_feedback.SOURCES_MIN:
        needs = f"{by_feedback.SOURCES_MIN} rules or names to compare"
        return [Lacking(PatternKind.NOISY, needs, f"{sources}")]
    if heeded < by_feedback.HEEDED_MIN:
        needs = f"{by_feedback.HEEDED_MIN} alerts that somebody acknowledged or resolved"
        return [Lacking(PatternKind.NOISY, needs, f"{heeded}")]
    return []
