"""What may be done about a rule that troubles people, from the mildest on: changes of it, one by one. Pure.

A change is a merge patch of the rule, as a person would send it; a silence and an escalation are objects to be made.
Which of them is any good says a replay (`engine.core.analytics.recommending`).

No click may breed the next one. What rang before a rule was changed at a click speaks of a rule that is no more: only
alerts that began since then count (`applied_to`). So what was applied comes again, in a larger size, only when the
trouble has come back, which is when these alerts alone are a diagnosis again (`engine.core.analytics.diagnosing`: at
least ten of them, and half of them short, or again and again, or noise). And never beyond the last of the sizes below;
a threshold never further than the last of `RAISES` from where people had put it, in however many steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from engine.core.rules.check import RuleInvalid, check_rule
from protocol.insights import Measure, Recommendation
from protocol.model import Comparison, Severity
from protocol.quieting import Quieting, Silence
from protocol.rules import PerformanceRule, Rule, ThresholdRule
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

Change = dict[str, Any]

# Those that change the rule itself; the others make an object beside it.
OF_THE_RULE = (Measure.WAIT, Measure.WIDEN_WINDOW, Measure.RAISE_THRESHOLD, Measure.ADD_HYSTERESIS)
# The sizes of each measure. The last one is the most that is ever recommended: half an hour's wait, a third of a day's
# window, half of the threshold. Who needs more than that has a rule about the wrong thing.
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
# A job may wait while people click; what is said to be further ahead was said by a clock that was wrong.
_AHEAD_MAX_US = 86_400 * SECOND_US
# A step of 0.1 of 90 is 81, and not 81.00000000000001.
_DIGITS = 9
_UP = (Comparison.ABOVE, Comparison.AT_LEAST)
_DOWN = (Comparison.BELOW, Comparison.AT_MOST)


class Applied(NamedTuple):
    """What clicks have done to a rule: when the last one changed it (microseconds; 0: none has), and where people had
    put its threshold before it was moved (None: it stands where they put it)."""

    at: int = 0
    threshold: float | None = None


UNTOUCHED = Applied()


def applied_to(rule: Rule, applied: Iterable[Recommendation], now: int) -> Applied:
    """What these recommendations have done by now (microseconds), which were applied to the rule; in any order."""
    timed = [(parse_rfc3339(one.decided_at), one) for one in applied if one.measure in OF_THE_RULE and one.decided_at]
    changed = [(at, one) for at, one in timed if at <= now + _AHEAD_MAX_US]
    newest_first = [one for _, one in sorted(changed, key=lambda pair: pair[0], reverse=True)]
    return Applied(max((at for at, _ in changed), default=0), _put_by_people(rule, newest_first))


def _put_by_people(rule: Rule, newest_first: Iterable[Recommendation]) -> float | None:
    """Back over the moves that led to the threshold; where people have put another one since, it is theirs."""
    now, found = getattr(rule, "threshold", None), None
    for one in newest_first:
        if one.measure is Measure.RAISE_THRESHOLD:
            if one.change.get("threshold") != now or "threshold" not in one.was:
                break
            now = found = one.was["threshold"]
    return found


def changes(measure: Measure, rule: Rule, suppression_s: float, applied: Applied = UNTOUCHED) -> Iterator[Change]:
    """Patches of a rule, mildest first. `suppression_s`: the engine's own window, for a rule without one."""
    match measure:
        case Measure.WAIT:
            yield from ({"for_s": seconds} for seconds in WAITS_S if seconds > rule.for_s)
        case Measure.WIDEN_WINDOW:
            now = suppression_s if rule.suppression_s is None else rule.suppression_s
            yield from ({"suppression_s": seconds} for seconds in WINDOWS_S if seconds > now)
        case Measure.RAISE_THRESHOLD:
            yield from ({"threshold": value} for value in _raised(rule, applied))
        case Measure.ADD_HYSTERESIS:
            yield from _recoveries(rule, suppression_s if rule.suppression_s is None else rule.suppression_s)


def _raised(rule: Rule, applied: Applied) -> list[float]:
    """Values beyond the threshold, and not too far beyond the one that people had put there."""
    values, of_people = _steps(rule, RAISES, outwards=True), applied.threshold
    if of_people is None:
        return values
    most = round(RAISES[-1] * abs(of_people), _DIGITS)
    return [value for value in values if round(abs(value - of_people), _DIGITS) <= most]


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
    name = f'"{rule.title}"' if rule.title else rule.id
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
