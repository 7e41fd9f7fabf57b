"""One rule, held against one series: its evaluator, how long it has held, and when time alone changes something.

A series is what a rule sees of one metric of its framework under one set of labels. What a series answers depends on
nothing but its readings, their times, and when they came; alerts and people do not reach in here, so it can be rebuilt
from a kept state and the readings after it. Two clocks: windows and `for_s` go by the readings' own time, which goes on
with the wall clock from the newest reading (`lead` is their difference); silence (`no_data_s`) goes by the wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from engine.core.agenda import NEVER
from engine.core.rules.anomaly import AnomalyEvaluator
from engine.core.rules.evaluation import Evaluator, Seen
from engine.core.rules.holding import Holding, Phase
from engine.core.rules.milestone import MilestoneEvaluator
from engine.core.rules.performance import performance_evaluator
from engine.core.rules.templates import Texts
from engine.core.rules.threshold import ThresholdEvaluator
from protocol.commands import Observe
from protocol.rules import Aggregate, MilestoneRule, NoData, PerformanceRule, Rule, SuppressBy, ThresholdRule
from protocol.times import SECOND_US

# A clock that is ahead is forgiven so much. One reading of next year would make all others late until then.
AHEAD_MAX_US = 60 * SECOND_US
# How states are written. Whoever changes that counts on: kept states of another layout start anew.
_LAYOUT = 1

LabelKey = tuple[tuple[str, str], ...]


def label_key(labels: Mapping[str, str]) -> LabelKey:
    """A label set in one order."""
    return tuple(sorted(labels.items()))


def evaluation_of(rule: Rule) -> str:
    """What a rule's evaluators were made for: a rule that differs in nothing of it goes on with their state.

    Metric, labels and everything that only its kind has; not texts, severity, times of holding, or who is told.
    """
    fields = msgspec.structs.asdict(rule)
    own = set(fields) - _SHARED
    essence = [
        _LAYOUT,
        type(rule).__name__,
        rule.metric,
        sorted(rule.match.items()),
        sorted((name, fields[name]) for name in own),
    ]
    return blake2b(msgspec.json.encode(essence, enc_hook=repr), digest_size=8).hexdigest()


def reach_of(rule: Rule) -> str:
    """Where a rule's alerts are found: a rule that differs in it never hears again of those that are open.

    Mileposts are alerts of their own, whatever the rule says of its suppression.
    """
    suppress_by = None if isinstance(rule, MilestoneRule) else rule.suppress_by.value
    reach = [type(rule).__name__, rule.metric, sorted(rule.match.items()), suppress_by]
    return blake2b(msgspec.json.encode(reach), digest_size=8).hexdigest()


_SHARED = {field.name for field in msgspec.structs.fields(ThresholdRule)} & {
    field.name for field in msgspec.structs.fields(MilestoneRule)
}


class Watch:
    """One enabled rule and its series. `ringing`: those that fire now, which a rule with one alert for all asks for."""

    __slots__ = (
        "essence",
        "explains",
        "for_us",
        "is_shared",
        "is_timed",
        "keep_us",
        "others",
        "reach",
        "ringing",
        "rule",
        "series",
        "silence_us",
        "texts",
    )

    def __init__(self, rule: Rule, texts: Texts) -> None:
        self.series: dict[LabelKey, Series] = {}
        # Series that count towards the limit and are not here: a copy holds only some of a channel's.
        self.others = 0
        self.ringing: set[Series] = set()
        self.essence = evaluation_of(rule)
        self.take(rule, texts)

    def take(self, rule: Rule, texts: Texts) -> None:
        """The rule says something else now, but what it evaluates is the same."""
        self.rule, self.texts, self.reach = rule, texts, reach_of(rule)
        # Of a plain value its title says it all.
        self.explains = not isinstance(rule, ThresholdRule) or rule.aggregate is not Aggregate.LAST
        self.is_shared = rule.suppress_by is SuppressBy.RULE
        self.for_us, self.keep_us = int(rule.for_s * SECOND_US), int(rule.keep_firing_for_s * SECOND_US)
        self.silence_us = NEVER if rule.no_data is NoData.KEEP else int(rule.no_data_s * SECOND_US)
        self.is_timed = bool(self.for_us or self.keep_us) or self.silence_us != NEVER
        for series in self.series.values():
            series.holding.for_us, series.holding.keep_us = self.for_us, self.keep_us
            series.reckon()


class Passed(NamedTuple):
    """What time alone has brought to a series."""

    rings: bool
    is_over: bool
    is_silent: bool


class Series:
    """One rule on one series. Mutable; owned by one machine. Times are microseconds."""

    __slots__ = (
        "evaluator",
        "heard_at",
        "holding",
        "identity",
        "is_silent",
        "labels",
        "lead",
        "newest",
        "retry_at",
        "timer",
        "wakes_at",
        "watch",
    )

    def __init__(self, watch: Watch, labels: dict[str, str], identity: str, now: int) -> None:
        self.watch, self.labels, self.identity = watch, labels, identity
        self.evaluator = evaluator_of(watch.rule)
        self.holding = Holding(watch.for_us, watch.keep_us)
        # The newest reading's time, how far that was ahead of the wall clock, and when anything was heard last.
        self.newest, self.lead, self.heard_at = 0, 0, now
        # Silence has been noticed.
        self.is_silent = False
        # What time brought found no room, or a cooldown: look again then.
        self.retry_at = NEVER
        # When time alone changes something, and what the agenda has noted of it.
        self.wakes_at = self.timer = NEVER

    def hear(self, reading: Observe, now: int) -> Seen:
        """A reading that came at `now`; whatever time had brought by then has been dealt with."""
        self.heard_at, self.is_silent = now, False
        if self.newest > now + AHEAD_MAX_US:
            self._go_back_to(reading.at)
        seen = self.evaluator.observe(reading.at, reading.value, reading.metric)
        if seen is not Seen.LATE:
            if reading.at >= self.newest:
                self.newest, self.lead = reading.at, reading.at - now
            if seen is not Seen.NOTHING:
                self.holding.hear(seen is Seen.HOLDS, self.newest)
                self.retry_at = NEVER
        if self.watch.is_timed:
            self.reckon()
        return seen

    def _go_back_to(self, at: int) -> None:
        """The engine's clock was set back: what is newer than now would make all that comes late until then.

        So windows begin anew. What does not go by time is kept: goals that were reached, what was learned.
        """
        if isinstance(self.watch.rule, ThresholdRule | PerformanceRule):
            self.evaluator = evaluator_of(self.watch.rule)
        self.newest = 0
        self.holding.since = min(self.holding.since, at)

    def reckon(self) -> None:
        """When time alone changes something, as things stand."""
        due = self.holding.due()
        wakes_at = self.retry_at if due == NEVER else min(due - self.lead, self.retry_at)
        if self.watch.silence_us != NEVER and not self.is_silent:
            wakes_at = min(wakes_at, self.heard_at + self.watch.silence_us)
        self.wakes_at = wakes_at

    def due(self) -> int:
        """When the agenda must look at it."""
        return self.wakes_at

    def pass_time(self, now: int) -> Passed:
        """Whatever time alone has brought by `now`."""
        before, is_again = self.holding.phase, self.retry_at <= now
        if is_again:
            self.retry_at = NEVER
        self.holding.pass_time(now + self.lead)
        after = self.holding.phase
        has_fallen_silent = not self.is_silent and now - self.heard_at >= self.watch.silence_us
        if has_fallen_silent:
            self.is_silent = True
            if self.watch.rule.no_data is NoData.OK:
                self.holding.over()
        passed = Passed(
            rings=after is Phase.FIRING and (is_again or before is Phase.PENDING),
            is_over=before > Phase.PENDING and self.holding.phase is Phase.IDLE,
            is_silent=self.is_silent and (is_again or has_fallen_silent),
        )
        self.reckon()
        return passed

    @property
    def is_firing(self) -> bool:
        """Whether it rings, or goes on ringing."""
        return self.holding.phase >= Phase.FIRING

    def state(self) -> bytes:
        """Everything that must survive."""
        holding = self.holding
        return msgspec.msgpack.encode(
            [
                int(holding.phase),
                holding.since,
                self.newest,
                self.lead,
                self.heard_at,
                self.is_silent,
                None if self.retry_at == NEVER else self.retry_at,
                self.evaluator.state(),
            ]
        )

    def restore(self, body: bytes) -> None:
        """Goes on from there. Raises ValueError or TypeError if it is another kind's state."""
        phase, since, self.newest, self.lead, self.heard_at, self.is_silent, retry_at, state = decode_state(body)
        self.holding.phase, self.holding.since = Phase(phase), since
        self.retry_at = NEVER if retry_at is None else retry_at
        self.evaluator.restore(state)
        self.reckon()


def decode_state(body: bytes) -> Any:
    """A kept state in plain values."""
    return msgspec.msgpack.decode(body, strict=False)


def evaluator_of(rule: Rule) -> Evaluator:
    """What holds readings against a rule."""
    if isinstance(rule, ThresholdRule):
        return ThresholdEvaluator(rule)
    if isinstance(rule, PerformanceRule):
        return performance_evaluator(rule)
    if isinstance(rule, MilestoneRule):
        return MilestoneEvaluator(rule)
    return AnomalyEvaluator(rule)
