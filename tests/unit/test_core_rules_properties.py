"""Rule evaluation in the machine against a naive model in virtual time, with restarts at any step.

The model keeps for each rule and host when it began to hold, in the simplest words; it knows no agenda, no lazy state
and no log. Restarts build the machine from what a store would have by then: rows, stored states, and the readings
after them. What must agree: every answer, every event, and what is open. Windows of suppression are nought, so that
what a rule says is what is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Observe
from protocol.effects import Decision, Recalled
from protocol.model import ChannelKey
from protocol.orders import Orders
from protocol.readings import Logged, LoggedSeries, RuleState
from protocol.rows import Row
from protocol.rules import Aggregate, AnomalyRule, MilestoneRule, NoData, PerformanceRule, Rule, ThresholdRule
from tests.support.examples import examples

SECOND = 1_000_000
KEY = ChannelKey("w", "f")
START = 1_700_000_000 * SECOND
POLICY = Policy(suppression_s=0.0, flush_s=0.0)


def threshold(name: str, **fields: object) -> ThresholdRule:
    return ThresholdRule(**{"id": name, "framework": "f", "metric": "m", "threshold": 50.0} | fields)  # type: ignore[arg-type]


SIMPLE = threshold("simple")
PATIENT = threshold("patient", for_s=30.0, keep_firing_for_s=20.0)
SPRINGY = threshold("springy", recovery=30.0, for_s=10.0)
WATCHFUL = threshold("watchful", no_data=NoData.ALERT, no_data_s=60.0)
TRUSTFUL = threshold("trustful", no_data=NoData.OK, no_data_s=40.0, keep_firing_for_s=10.0)
RULES = (SIMPLE, PATIENT, SPRINGY, WATCHFUL, TRUSTFUL)
# Those whose windows and sketches must survive as well; compared with a machine that was never restarted.
MORE: tuple[Rule, ...] = (
    *RULES,
    threshold("mean", aggregate=Aggregate.AVG, window_s=60.0, for_s=20.0),
    threshold("slope", aggregate=Aggregate.RATE, window_s=45.0, threshold=0.5),
    PerformanceRule(id="slow", framework="f", metric="m", threshold=60.0, window_s=90.0, recovery=40.0),
    AnomalyRule(id="odd", framework="f", metric="m", warm_up=10, sensitivity=2.0),
    MilestoneRule(id="far", framework="f", metric="m", goals=(70.0, 300.0), is_cumulative=True, progress=(50.0,)),
)


@dataclass
class Kept:
    """What a store has of one channel."""

    rows: dict[str, Row] = field(default_factory=dict)
    series: list[LoggedSeries] = field(default_factory=list)
    log: list[Logged] = field(default_factory=list)
    states: dict[tuple[str, str], RuleState] = field(default_factory=dict)
    offset: int = 0
    settled: int = 0

    def commit(self, decision: Decision) -> None:
        self.rows |= {row.alert.id: row for row in decision.rows}
        self.series += decision.series
        self.offset, self.settled = decision.offset, decision.settled
        if decision.readings is not None:
            self.log.append(decision.readings)
        for state in decision.states:
            key = (state.rule, repr(sorted(state.labels.items())))
            self.states.pop(key, None)
            if state.body:
                self.states[key] = state

    def recalled(self) -> Recalled:
        return Recalled(
            epoch="e",
            offset=self.offset,
            rows=tuple(row for row in self.rows.values() if row.alert.state.is_open),
            seq=len(self.log),
            series=tuple(self.series),
            states=tuple(self.states.values()),
            readings=tuple(row for row in self.log if row.seq > self.settled),
        )


class Life:
    """A machine, its store, and a clock."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.orders = Orders(rules=rules)
        self.kept = Kept()
        self.batches = 0
        self.restart()

    def restart(self) -> None:
        self.machine = ChannelMachine(KEY, self.kept.recalled(), self.orders, POLICY)

    def decide(self, now: int, *readings: Observe) -> Decision:
        self.batches += 1
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:06x}000000", now, readings, self.orders)
        decision = self.machine.decide(batch)
        self.kept.commit(decision)
        return decision

    def flush(self, now: int) -> None:
        self.batches += 1
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:06x}000000", now, (), self.orders)
        while (decision := self.machine.flush(batch)).is_durable:
            self.kept.commit(decision)


class Model:
    """One rule on one host."""

    def __init__(self, about: ThresholdRule) -> None:
        self.rule = about
        self.began: int | None = None  # to hold, in its own time
        self.ended: int | None = None  # to hold, while the alert is kept
        self.rings = False
        self.held = False
        self.newest, self.ahead, self.heard = -1, 0, 0
        self.is_silent = False

    def pass_time(self, now: int) -> list[str]:
        about, told = self.rule, []
        own = now + self.ahead
        if self.began is not None and not self.rings and own >= self.began + about.for_s * SECOND:
            self.rings = True
            told.append("fired")
        if self.ended is not None and own >= self.ended + about.keep_firing_for_s * SECOND:
            self.over()
            told.append("resolved")
        wants_to_know = about.no_data is not NoData.KEEP and self.heard and not self.is_silent
        if wants_to_know and now >= self.heard + about.no_data_s * SECOND:
            self.is_silent = True
            if about.no_data is NoData.ALERT:
                told.append("fired")
            elif self.rings:
                told.append("resolved")
            if about.no_data is NoData.OK:
                self.over()
        return told

    def over(self) -> None:
        self.rings, self.began, self.ended = False, None, None

    def hear(self, at: int, value: float, now: int) -> tuple[str, list[str]]:
        rang, about = self.rings, self.rule
        told = self.pass_time(now)
        has_just_rung = self.rings and not rang
        if self.is_silent and about.no_data is NoData.ALERT:
            told.append("resolved")
        self.heard, self.is_silent = now, False
        if at < self.newest:
            return "late", told
        self.newest, self.ahead = at, at - now
        self.held = value > 50.0 or (self.held and about.recovery is not None and value > about.recovery)
        if self.held:
            self.ended = None
            self.began = at if self.began is None else self.began
            if self.rings:
                return ("fired", told) if has_just_rung else ("repeated", [*told, "repeated"])
            if at - self.began >= about.for_s * SECOND:
                self.rings = True
                return "fired", [*told, "fired"]
            return "pending", told
        if not self.rings:
            self.began = None
            return "below_threshold", told
        self.ended = at if self.ended is None else self.ended
        if at - self.ended >= about.keep_firing_for_s * SECOND:
            self.over()
            return "resolved", [*told, "resolved"]
        return "below_threshold", told


LOUDNESS = ["late", "below_threshold", "pending", "resolved", "repeated", "fired"]
hosts = st.sampled_from(["h1", "h2"])
values = st.sampled_from([20.0, 40.0, 55.0, 80.0])
agos = st.one_of(st.just(0), st.integers(0, 40))
said = st.lists(st.tuples(hosts, values, agos), min_size=1, max_size=3)
moments = st.one_of(st.integers(0, 15), st.integers(15, 70))


class RulesAgainstModel(RuleBasedStateMachine):
    """Both hear the same; time may pass with or without anybody waking the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.life = Life(RULES)
        self.models: dict[tuple[str, str], Model] = {}

    def decide(self, readings: list[tuple[str, float, int]]) -> None:
        sent = [
            Observe(metric="m", value=value, at=self.now - ago * SECOND, labels={"host": host})
            for host, value, ago in readings
        ]
        decision = self.life.decide(self.now, *sent)
        told: list[tuple[str, str]] = []
        for reading, result in zip(sent, decision.results, strict=True):
            answers = []
            for about in RULES:
                model = self.models.setdefault((about.id, reading.labels["host"]), Model(about))
                answer, events = model.hear(reading.at, reading.value, self.now)
                answers.append(answer)
                told += [(about.id, kind) for kind in events]
            quiet = {"late", "below_threshold"}
            loudest = max(answers, key=LOUDNESS.index)
            assert result.reason.value in (quiet if loudest in quiet else {loudest})
        for model in self.models.values():
            told += [(model.rule.id, kind) for kind in model.pass_time(self.now)]
        assert sorted((str(event.alert.rule_id), event.kind.value) for event in decision.events) == sorted(told)

    @rule(readings=said)
    def hear(self, readings: list[tuple[str, float, int]]) -> None:
        self.decide(readings)

    @rule(seconds=moments)
    def wait_and_be_woken(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while (due := self.life.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.decide([])
        self.now = until

    @rule(seconds=moments)
    def oversleep(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def crash(self) -> None:
        self.life.restart()

    @rule()
    def restart_in_order(self) -> None:
        self.life.flush(self.now)
        assert not self.life.kept.recalled().readings, "all states are stored: there is nothing to hear again"
        self.life.restart()

    @invariant()
    def what_rings_is_open(self) -> None:
        # What is due and was not asked for yet is neither told by the model nor by the machine.
        ringing = sum(model.rings for model in self.models.values())
        ringing += sum(model.is_silent and model.rule.no_data is NoData.ALERT for model in self.models.values())
        assert len([row for row in self.life.kept.rows.values() if row.alert.state.is_open]) == ringing


RulesAgainstModel.TestCase.settings = examples(100, stateful_step_count=40)
TestRulesAgainstModel = RulesAgainstModel.TestCase


def told(decision: Decision) -> list[object]:
    """What was told. The order, and so the ids, of what falls due at one moment is free."""
    return sorted(
        (str(event.alert.rule_id), event.kind.value, str(event.alert.labels), str(event.alert.current_value))
        for event in decision.events
    )


class RestartedAgainstNever(RuleBasedStateMachine):
    """Two machines hear the same; one of them is built anew from its store again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.steady, self.restless = Life(MORE), Life(MORE)

    @rule(readings=said, seconds=moments)
    def hear(self, readings: list[tuple[str, float, int]], seconds: int) -> None:
        self.now += seconds * SECOND
        sent = [
            Observe(metric="m", value=value, at=self.now - ago * SECOND, labels={"host": host})
            for host, value, ago in readings
        ]
        one, other = self.steady.decide(self.now, *sent), self.restless.decide(self.now, *sent)
        assert [(each.status, each.reason) for each in one.results] == [
            (each.status, each.reason) for each in other.results
        ]
        assert told(one) == told(other)

    @rule()
    def crash(self) -> None:
        self.restless.restart()

    @rule()
    def be_woken(self) -> None:
        """Both at the same moment: when something is due to the one that was never restarted."""
        due = self.steady.machine.next_due()
        if due is not None:
            self.now = max(due, self.now)
            one, other = self.steady.decide(self.now), self.restless.decide(self.now)
            assert told(one) == told(other)


RestartedAgainstNever.TestCase.settings = examples(60, stateful_step_count=40)
TestRestartedAgainstNever = RestartedAgainstNever.TestCase
