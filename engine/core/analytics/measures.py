"""What may be done about a rule that troubles people, from the mildest on: changes of it, one by one. Pure.

A change is a merge patch of the rule, as a person would send it; a silence and an escalation are objects to be made.
Which of them is any good says a replay (`engine.core.analytics.recommending`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from engine.core.rules.check import RuleInvalid, check_rule
from protocol.insights import Measure
from protocol.model import Comparison, Severity
from protocol.quieting import Quieting, Silence
from protocol.rules import PerformanceRule, Rule, ThresholdRule
from protocol.times import SECOND_US, rfc3339

Change = dict[str, Any]

WAITS_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0)
WINDOWS_S = (900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0)
# Parts of the threshold: what a person would try.
RAISES = (0.05, 0.1, 0.2, 0.5)
RECOVERIES = (0.02, 0.05, 0.1, 0.2)
# How often what stays open is told again, if it stays open longer than before.
STAYING_WINDOW_S = 3_600.0
# So long an unneeded rule is kept quiet at a click: time to mend it, or to see that nobody missed it.
SILENCE_S = 7 * 86_400
# After so long without an answer somebody else is told.
ESCALATE_S = 900.0
# A step of 0.1 of 90 is 81, and not 81.00000000000001.
_DIGITS = 9
_UP = (Comparison.ABOVE, Comparison.AT_LEAST)
_DOWN = (Comparison.BELOW, Comparison.AT_MOST)


def changes(measure: Measure, rule: Rule, suppression_s: float) -> Iterator[Change]:
    """Patches of a rule, mildest first. `suppression_s`: the engine's own window, for a rule without one."""
    match measure:
        case Measure.WAIT:
            yield from ({"for_s": seconds} for seconds in WAITS_S if seconds > rule.for_s)
        case Measure.WIDEN_WINDOW:
            now = suppression_s if rule.suppression_s is None else rule.suppression_s
            yield from ({"suppression_s": seconds} for seconds in WINDOWS_S if seconds > now)
        case Measure.RAISE_THRESHOLD:
            yield from ({"threshold": value} for value in _steps(rule, RAISES, outwards=True))
        case Measure.ADD_HYSTERESIS:
            yield from _recoveries(rule, suppression_s if rule.suppression_s is None else rule.suppression_s)


def _recoveries(rule: Rule, window_s: float) -> Iterator[Change]:
    """What stays open is told again after each window: so the same with a longer one comes behind."""
    if not isinstance(rule, ThresholdRule | PerformanceRule) or rule.recovery is not None:
        return
    values = _steps(rule, RECOVERIES, outwards=False)
    yield from ({"recovery": value} for value in values)
    if window_s < STAYING_WINDOW_S:
        yield from ({"recovery": value, "suppression_s": STAYING_WINDOW_S} for value in values)


def _steps(rule: Rule, parts: tuple[float, ...], *, outwards: bool) -> list[float]:
    """Values beyond a threshold (`outwards`), or short of it, by parts of it."""
    if isinstance(rule, PerformanceRule):
        is_up = True
    elif isinstance(rule, ThresholdRule) and rule.comparison in (*_UP, *_DOWN):
        is_up = rule.comparison in _UP
    else:
        return []
    sign = 1.0 if is_up is outwards else -1.0
    return [round(rule.threshold + sign * part * abs(rule.threshold), _DIGITS) for part in parts if rule.threshold]


def patched(rule: Rule, change: Mapping[str, Any]) -> Rule | None:
    """The rule after a change; None: it could not work."""
    after = msgspec.structs.replace(rule, **change)
    try:
        check_rule(after)
    except RuleInvalid:
        return None
    return after


def silence_of(rule: Rule) -> Change:
    """A silence of all that a rule rings; it has no times before somebody makes it."""
    comment = f"recommended: nearly all alerts of the rule {rule.id} were marked as noise"
    return {"matchers": [{"name": "rule_id", "value": rule.id}], "comment": comment}


def timed(silence: Change, since: int, until: int) -> Change:
    """A silence with its times (microseconds), as it is made."""
    return silence | {"starts_at": rfc3339(since), "ends_at": rfc3339(until)}


def under(silence: Change, since: int, until: int) -> Quieting:
    """What is quiet while such a silence holds."""
    given = timed(silence, since, until) | {"id": "recommended"}
    return Quieting(silences=(msgspec.convert(given, Silence),))


def escalation_of(rule: Rule, team: str | None, loudest: Severity) -> Change:
    """A chain for a rule: after a quarter of an hour who is on call in the team of its framework is told."""
    step = {"after_s": ESCALATE_S, "teams": [team] if team else []}
    return {
        "title": f"Nobody answered {rule.id}",
        "rules": [rule.id],
        "min_severity": loudest.value,
        "steps": [step],
    }


def in_words(measure: Measure, rule: Rule, change: Change) -> str:
    """What would be done, as a title."""
    name = rule.title or rule.id
    match measure:
        case Measure.WAIT:
            return f"Let {name} hold for {change['for_s']:g} s before it rings"
        case Measure.WIDEN_WINDOW:
            return f"Widen the suppression window of {name} to {change['suppression_s']:g} s"
        case Measure.RAISE_THRESHOLD:
            return f"Move the threshold of {name} to {change['threshold']:g}"
        case Measure.ADD_HYSTERESIS:
            again = f", and tell of it again after {STAYING_WINDOW_S:g} s" if "suppression_s" in change else ""
            return f"Let {name} be over only at {change['recovery']:g}{again}"
        case Measure.SILENCE:
            return f"Silence {name} for a week"
        case _:
            return f"Escalate {name} after {ESCALATE_S / 60:g} minutes without an answer"


def silence_end(now: int) -> int:
    """Until when a silence that begins now is to hold."""
    return now + SILENCE_S * SECOND_US
