"""Silences and maintenance windows, ready to be held against alerts: whom they mean, and when.

    alert's labels ──▶ QuietWindows.concerning ──▶ those that mean it, at any time ──▶ in_force ──▶ mark, next change

A label that is not there counts as empty and expressions match the whole value (RE2, linear in time), both as in
Alertmanager. Of several in force the one that lasts longest counts, then the least id: one answer, whoever asks. Held
against an alert's labels are also `alertname`, `severity` (unless it has its own), `framework_id` and `rule_id`. Most
matchers name one value exactly: windows are found by such a pair, each by the one that the fewest others have, so that
ten thousand silences of other hosts cost an alert nothing, also if all of them name the same team.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from engine.core.agenda import NEVER
from engine.core.patterns import Condition, compile_pattern
from engine.core.rules.schedule import Hours, hours_of
from protocol.model import Alert, QuietedBy
from protocol.quieting import Maintenance, Matcher, Operator, Quieting, Silence
from protocol.times import parse_rfc3339, rfc3339

# Of each there is one for all the channels that it means; with a few matchers about 2 kB. As many as a workspace may
# have silences and maintenance windows (by default), and half as many more: with fewer each change would compile all
# anew.
CACHE_MAX_WINDOWS = 16_384
# One for each workspace, and for each framework with windows of its own.
CACHE_MAX_SETS = 1_024
# Windows that an alert is glanced at for, one after the other; of more it is quicker to go by the alert's labels.
GLANCED_MAX = 8
# What matchers see of an alert besides its own labels (`labels_of`).
_SEEN = frozenset({"alertname", "severity", "framework_id", "rule_id"})


class Mark(NamedTuple):
    """Why an alert does not ring: the reason, the id of what is to blame, until when (RFC 3339; None: not known)."""

    by: QuietedBy
    ref: str | None = None
    until: str | None = None


# A mark if a reason holds, and when that may be different (microseconds; NEVER).
Reasoned = tuple[Mark | None, int]


class QuietWindow:
    """A silence or a maintenance window: for whom, and when."""

    def __init__(
        self,
        by: QuietedBy,
        ref: str,
        matchers: Sequence[Matcher],
        bounds: tuple[int, int],
        frameworks: Sequence[str] = (),
        hours: Hours | None = None,
    ) -> None:
        self.by, self.ref = by, ref
        self.starts_at, self.ends_at = bounds
        self._frameworks = frozenset(frameworks)
        self._tests = [condition_of(matcher) for matcher in matchers]
        self._hours = hours
        # How many tests it costs to ask whom it means, at most.
        self.cost = max(len(self._tests), 1)
        pairs = [(m.name, m.value) for m in matchers if m.operator is Operator.EQUAL and m.value]
        # Who has not each of these labels with its value is not meant; none: everybody may be.
        self.pairs = tuple(pair for pair in pairs if pair[0] != "framework_id")

    @property
    def has_expressions(self) -> bool:
        """Whether it has matchers that no exact value finds."""
        return any(test.negated or not isinstance(test.value, str) for test in self._tests)

    @property
    def is_for_some(self) -> bool:
        """Whether it says itself which frameworks it is for."""
        return bool(self._frameworks) or any(test.name == "framework_id" for test in self._tests)

    def means(self, labels: Mapping[str, str]) -> bool:
        """Whether all its matchers match, and it is for this framework."""
        if self._frameworks and labels.get("framework_id") not in self._frameworks:
            return False
        return all(test.matches(labels) for test in self._tests)

    def means_framework(self, framework: str) -> bool:
        """Whether it can concern a channel at all."""
        if self._frameworks and framework not in self._frameworks:
            return False
        return all(test.accepts(framework) for test in self._tests if test.name == "framework_id")

    def at(self, now: int) -> tuple[bool, int]:
        """Whether it is in force, and when that changes; NEVER if it does not any more."""
        if now >= self.ends_at:
            return False, NEVER
        if now < self.starts_at:
            return False, self.starts_at
        if self._hours is None:
            return True, self.ends_at
        is_active, change = self._hours.at(now)
        return is_active, min(change, self.ends_at)


def condition_of(matcher: Matcher) -> Condition:
    """A matcher, compiled. Raises BadRequest for an expression that is not allowed."""
    is_expression = matcher.operator in (Operator.MATCHES, Operator.MATCHES_NOT)
    negated = matcher.operator in (Operator.DIFFERENT, Operator.MATCHES_NOT)
    return Condition(matcher.name, negated, compile_pattern(matcher.value) if is_expression else matcher.value)


@lru_cache(maxsize=CACHE_MAX_WINDOWS)
def window_of_silence(silence: Silence) -> QuietWindow:
    """A silence, compiled."""
    bounds = (parse_rfc3339(silence.starts_at), parse_rfc3339(silence.ends_at))
    return QuietWindow(QuietedBy.SILENCED, silence.id, silence.matchers, bounds)


@lru_cache(maxsize=CACHE_MAX_WINDOWS)
def window_of_maintenance(planned: Maintenance) -> QuietWindow:
    """A maintenance window, compiled."""
    bounds = (
        0 if planned.starts_at is None else parse_rfc3339(planned.starts_at),
        NEVER if planned.ends_at is None else parse_rfc3339(planned.ends_at),
    )
    hours = None if planned.weekly is None else hours_of(planned.weekly)
    return QuietWindow(QuietedBy.MAINTENANCE, planned.id, planned.matchers, bounds, planned.frameworks, hours)


class QuietWindows:
    """All windows that may concern a channel, found by an alert's labels."""

    def __init__(self, windows: Iterable[QuietWindow]) -> None:
        self._by_pair: dict[tuple[str, str], list[QuietWindow]] = {}
        self._others: list[QuietWindow] = []
        windows = list(windows)
        shared = Counter(pair for window in windows for pair in window.pairs)
        for window in windows:
            if window.pairs:
                rarest = min(window.pairs, key=shared.__getitem__)
                self._by_pair.setdefault(rarest, []).append(window)
            else:
                self._others.append(window)
        self.is_empty = not self._by_pair and not self._others
        self._cost = sum(window.cost for window in self._others)
        # If each of them asks for a label of the alert's own: what they ask for.
        is_glance = not self._others and len(self._by_pair) <= GLANCED_MAX
        is_glance = is_glance and not any(name in _SEEN for name, _ in self._by_pair)
        self._asked = tuple(self._by_pair) if is_glance else None
        self._costs = {pair: sum(window.cost for window in those) for pair, those in self._by_pair.items()}

    def is_far_from(self, alert: Alert) -> bool:
        """Whether a glance at its own labels shows that none means it.

        Every open alert is asked after a change, which mostly is one silence of something else: it takes a tenth of
        the whole question.
        """
        labels = alert.labels
        return self._asked is not None and all(labels.get(name) != value for name, value in self._asked)

    def cost(self, labels: Mapping[str, str]) -> int:
        """How many matchers `concerning` holds against these labels, at most."""
        return self._cost + (sum(self._costs.get(pair, 0) for pair in labels.items()) if self._costs else 0)

    def concerning(self, labels: Mapping[str, str]) -> list[QuietWindow]:
        """Those that mean an alert with these labels, in force or not."""
        found = [window for window in self._others if window.means(labels)]
        if self._by_pair:
            for pair in labels.items():
                found += [window for window in self._by_pair.get(pair, ()) if window.means(labels)]
        return found


@lru_cache(maxsize=CACHE_MAX_SETS)
def windows_of(quieting: Quieting) -> QuietWindows:
    """What is quieted, compiled; channels that have the same share it."""
    return QuietWindows(
        [window_of_maintenance(planned) for planned in quieting.maintenance]
        + [window_of_silence(silence) for silence in quieting.silences]
    )


def labels_of(alert: Alert) -> dict[str, str]:
    """What matchers see of an alert."""
    seen = {"alertname": alert.rule_id or alert.title or alert.alert_type or "alert", "severity": alert.severity.value}
    seen |= alert.labels
    seen["framework_id"] = alert.framework_id
    if alert.rule_id is not None:
        seen["rule_id"] = alert.rule_id
    return seen


def in_force(windows: Iterable[QuietWindow], now: int) -> Reasoned:
    """Which of these windows keeps an alert from ringing at `now`, and when that may be different; NEVER."""
    due, best, last = NEVER, None, 0
    for window in windows:
        is_active, change = window.at(now)
        due = min(due, change)
        if is_active and (best is None or (-change, window.ref) < (-last, best.ref)):
            best, last = window, change
    return None if best is None else Mark(best.by, best.ref, written(last)), due


def written(moment: int) -> str | None:
    """RFC 3339; None for what never comes."""
    return None if moment == NEVER else rfc3339(moment)


def mark_of(alert: Alert) -> Mark | None:
    """Why an alert does not ring, as it says itself."""
    return None if alert.quieted_by is None else Mark(alert.quieted_by, alert.quieted_ref, alert.quieted_until)
