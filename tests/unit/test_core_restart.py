"""What of rule states is stored, and when it goes, so that a restart hears little again and nothing twice."""

from __future__ import annotations

import msgspec

from engine.core import keeping, seriesbook
from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Observe
from protocol.effects import Decision, Recalled
from protocol.model import ChannelKey, Comparison
from protocol.orders import Orders
from protocol.readings import Logged, LoggedSeries, RuleState
from protocol.rows import Row
from protocol.rules import (
    Aggregate,
    MilestoneRule,
    NoData,
    Objective,
    PerformanceRule,
    Rule,
    SuppressBy,
    ThresholdRule,
)
from protocol.times import SECOND_US

KEY = ChannelKey("acme", "web")
START = 1_700_000_000 * SECOND_US
RULES: tuple[Rule, ...] = (
    ThresholdRule(id="plain", framework="web", metric="cpu", threshold=5.0, recovery=3.0),
    ThresholdRule(id="for", framework="web", metric="cpu", threshold=4.0, for_s=20, keep_firing_for_s=10),
    ThresholdRule(
        id="avg",
        framework="web",
        metric="cpu",
        threshold=4.0,
        aggregate=Aggregate.AVG,
        window_s=60,
        suppress_by=SuppressBy.RULE,
    ),
    ThresholdRule(
        id="low",
        framework="web",
        metric="cpu",
        threshold=1.0,
        comparison=Comparison.BELOW,
        no_data=NoData.ALERT,
        no_data_s=30,
    ),
    PerformanceRule(
        id="p90",
        framework="web",
        metric="cpu",
        objective=Objective.PERCENTILE,
        percentile=90.0,
        threshold=6.0,
        window_s=60,
        at_least=3,
    ),
    MilestoneRule(id="goal", framework="web", metric="cpu", goals=(20.0, 50.0), is_cumulative=True, progress=(50.0,)),
)


class Stored:
    """What a store would have of a channel."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.states: dict[tuple[str, bytes], RuleState] = {}
        self.series: list[LoggedSeries] = []
        self.log: list[Logged] = []
        self.offset = self.settled = 0

    def keep(self, decision: Decision) -> None:
        self.offset = decision.offset
        self.rows |= {row.alert.id: row for row in decision.rows}
        for state in decision.states:
            place = state.rule, msgspec.json.encode(state.labels, order="sorted")
            if state.body:
                self.states[place] = state
            else:
                self.states.pop(place, None)
        self.series += decision.series
        self.log += [decision.readings] if decision.readings else []
        self.settled = max(self.settled, decision.settled)

    def recalled(self, now: int) -> Recalled:
        rows = [each for each in self.rows.values() if is_held(each, now)]
        return Recalled(
            epoch="e",
            offset=self.offset,
            rows=tuple(rows),
            seq=len(self.log),
            series=tuple(self.series),
            states=tuple(self.states.values()),
            readings=tuple(self.log[self.settled :]),
        )


def is_held(row: Row, now: int) -> bool:
    return row.alert.state.is_open or row.window.until > now or row.window.count > 0


def orders_of(*names: str) -> Orders:
    return Orders(rules=tuple(rule for rule in RULES if rule.id in names))


ALL = orders_of(*(rule.id for rule in RULES))


def read(machine: ChannelMachine, number: int, orders: Orders, *values: float) -> Decision:
    commands = tuple(Observe(metric="cpu", value=value, at=START + number) for value in values)
    return machine.decide(Batch(f"0190a0a0-0000-7000-8000-{number * 1_000:012x}", START + number, commands, orders))


def test_states_of_rules_that_are_gone_or_evaluate_something_else_go_at_the_restart() -> None:
    stored = Stored()
    stored.keep(read(ChannelMachine(KEY, stored.recalled(START), ALL, Policy()), 1, ALL, 2.0))
    assert {rule for rule, _ in stored.states} == {rule.id for rule in RULES}
    other = msgspec.structs.replace(RULES[0], threshold=6.0)
    disabled = msgspec.structs.replace(RULES[1], enabled=False)
    orders = Orders(rules=(other, disabled, RULES[5]))
    machine = ChannelMachine(KEY, stored.recalled(START), orders, Policy())
    assert machine.next_due() == 0
    stored.keep(machine.decide(Batch("b", START + 2, (), orders)))
    assert {rule for rule, _ in stored.states} == {"goal"}


def test_a_series_that_is_forgotten_goes_from_the_store_and_may_come_again() -> None:
    stored = Stored()
    machine = ChannelMachine(KEY, stored.recalled(START), ALL, Policy())
    stored.keep(read(machine, 1, ALL, 2.0))
    few = orders_of("plain")
    stored.keep(machine.decide(Batch("b", START + 2, (), few)))
    assert {rule for rule, _ in stored.states} == {"plain"}
    stored.keep(read(machine, 3, ALL, 2.0))
    assert {rule for rule, _ in stored.states} == {rule.id for rule in RULES}


def test_readings_that_a_state_has_heard_are_not_heard_again() -> None:
    stored, goal = Stored(), orders_of("goal", "plain")
    machine = ChannelMachine(KEY, stored.recalled(START), goal, Policy())
    stored.keep(read(machine, 1, goal, 9.0))
    # A goal that is reached is stored with the reading; the state of the other rule is behind and holds the log back.
    stored.keep(read(machine, 2, goal, 15.0))
    assert stored.settled == 1
    assert {state.rule: state.seq for state in stored.states.values()} == {"goal": 2, "plain": 1}
    again = ChannelMachine(KEY, stored.recalled(START), goal, Policy())
    results = [read(one, 3, goal, 0.4, 0.2).results for one in (machine, again)]
    assert results[0] == results[1]


def test_states_are_written_now_and_then_so_that_little_is_heard_again() -> None:
    stored, plain = Stored(), orders_of("plain")
    machine = ChannelMachine(KEY, stored.recalled(START), plain, Policy())
    for second in range(100):
        batch = Batch(str(second), START + second * SECOND_US, (Observe(metric="cpu", value=1.0, at=START),), plain)
        stored.keep(machine.decide(batch))
        assert len(stored.log) - stored.settled <= keeping.STATE_AGE_S + 1


CROWD = Orders(
    rules=tuple(ThresholdRule(id=f"r{n}", framework="web", metric="cpu", threshold=50.0 + n) for n in range(300))
)


def test_many_rules_on_one_metric_leave_no_more_to_hear_again_than_one() -> None:
    stored = Stored()
    machine = ChannelMachine(KEY, stored.recalled(START), CROWD, Policy())
    for number in range(200):
        stored.keep(read(machine, number, CROWD, 1.0))
        behind = (len(stored.log) - stored.settled) * len(CROWD.rules)
        assert behind <= keeping.REPLAY_MAX_HEARINGS + len(CROWD.rules)


def test_a_log_that_grew_too_long_is_heard_again_in_slices_and_gives_the_same_state() -> None:
    """As an earlier version left it: one state each, and thousands of readings after it."""
    stored = Stored()
    machine = ChannelMachine(KEY, stored.recalled(START), CROWD, Policy())
    stored.keep(read(machine, 1, CROWD, 1.0))
    first = dict(stored.states)
    for number in range(2, 42):
        stored.keep(read(machine, number, CROWD, 1.0, 60.0))
    stored.states, stored.settled = first, 1
    whole, sliced = (ChannelMachine(KEY, stored.recalled(START), CROWD, Policy()) for _ in range(2))
    slices = sum(1 for _ in sliced.restore())
    assert slices == (300 + 2 * 40 * 300) // seriesbook.RESTORED_AT_ONCE
    assert list(sliced.restore()) == []
    decisions = [read(one, 42, CROWD, 1.0, 60.0) for one in (machine, sliced, whole)]
    assert decisions[0].results == decisions[1].results == decisions[2].results
    assert decisions[1] == decisions[2]
    # What took so long is not to be heard yet again at the next restart.
    assert len(decisions[1].states) == 300


def test_what_time_brought_between_two_readings_is_found_out_again() -> None:
    """A state that was to be written at once found no room in its decision: the one before it and the log tell it."""
    stored, orders = Stored(), orders_of("for", "avg")
    machine = ChannelMachine(KEY, stored.recalled(START), orders, Policy())
    stored.keep(read(machine, 1, orders, 7.0))
    before = dict(stored.states)
    at = START + 25 * SECOND_US
    hot = Batch("0190a0a0-0000-7000-8000-00000000aaaa", at, (Observe(metric="cpu", value=7.0, at=at),), orders)
    stored.keep(machine.decide(hot))
    stored.states, stored.settled = before, 1
    again = ChannelMachine(KEY, stored.recalled(at), orders, Policy())
    results = [read(one, 26 * SECOND_US, orders, 7.0, 1.0).results for one in (machine, again)]
    assert results[0] == results[1]
