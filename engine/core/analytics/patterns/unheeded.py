"""What is noise: a source that sends more than three times its share of all alerts, and nobody cares.

Its share by chance: all alerts, by the number of sources. An alert is unheeded if it is over and nobody took it on or
said so. A workspace where nobody ever does either is told that it is not known, instead of everything being noise.
Confidence is the share of its ended alerts that went unheeded, at least.
"""

from __future__ import annotations

from engine.core.analytics.patterns.chance import at_least, believed, binomial_tail
from engine.core.analytics.patterns.past import Candidate, Past
from protocol.patterns import PatternKind, Source

ALERTS_MIN = 50
SOURCES_MIN = 4
HEEDED_MIN = 10
LIFT_MIN = 3.0


def heeded(past: Past) -> int:
    """How many alerts somebody did something about."""
    return sum(each.is_heeded for alerts in past.alerts.values() for each in alerts)


def unheeded(past: Past) -> list[Candidate]:
    """What is noise."""
    total, sources = sum(map(len, past.alerts.values())), len(past.alerts)
    if sources < SOURCES_MIN or heeded(past) < HEEDED_MIN:
        return []
    often = [(source, len(alerts)) for source, alerts in past.alerts.items() if len(alerts) >= ALERTS_MIN]
    likely = [(binomial_tail(count, total, min(LIFT_MIN / sources, 1.0)), source) for source, count in often]
    found = (_candidate(past, source, total / sources) for source in believed(likely, len(often)))
    return [candidate for candidate in found if candidate is not None]


def _candidate(past: Past, source: Source, share: float) -> Candidate | None:
    alerts = past.alerts[source]
    over = [each for each in alerts if each.ended_at is not None or each.is_heeded]
    evidence = [each for each in over if not each.is_heeded]
    if not evidence:
        return None
    lift, confidence = len(alerts) / share, at_least(len(evidence), len(over))
    return Candidate(PatternKind.NOISY, (source,), len(evidence), len(over), lift, confidence, evidence)
