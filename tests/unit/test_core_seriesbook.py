"""What rules know of their series: found quickly, bounded, and taken up after a restart as far as it still means
something."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core import seriesbook
from engine.core.turn import ROWS_MAX
from protocol.commands import Observe
from protocol.effects import Decision
from protocol.model import Reason
from protocol.orders import Orders
from protocol.rules import MilestoneRule, NoData, Rule, SuppressBy, ThresholdRule
from tests.unit.test_core_rules_properties import SECOND, START, Life

HOT = ThresholdRule(id="hot", framework="f", metric="m", threshold=50.0, for_s=30.0)


def reading(value: float, after_s: float = 0.0, **labels: str) -> Observe:
    return Observe(metric="m", value=value, at=START + int(after_s * SECOND), labels=labels)


def reasons(decision: Decision) -> list[Reason]:
    return [result.reason for result in decision.results]


def obeying(life: Life, *rules: Rule) -> Life:
    life.orders = Orders(rules=rules)
    life.restart()
    return life


def test_a_rule_that_evaluates_something_else_after_a_restart_starts_anew() -> None:
    life = Life((HOT,))
    life.decide(START, reading(60.0))
    obeying(life, replace(HOT, threshold=55.0))
    life.decide(START + 1 * SECOND)
    assert life.kept.states == {}, "what nobody can use is not kept"
    assert reasons(life.decide(START + 40 * SECOND, reading(60.0, 40))) == [Reason.PENDING]


@pytest.mark.parametrize("rules", [(), (replace(HOT, enabled=False),)])
def test_a_rule_that_went_away_leaves_nothing_in_the_store(rules: tuple[Rule, ...]) -> None:
    life = Life((HOT,))
    life.decide(START, reading(60.0))
    obeying(life, *rules)
    assert life.machine.next_due() == 0
    life.decide(START + 1 * SECOND)
    assert life.kept.states == {}


def test_what_time_had_brought_before_a_crash_is_reckoned_again() -> None:
    life = Life((HOT,))
    life.decide(START, reading(60.0))
    life.decide(START + 10 * SECOND, reading(60.0, 10))
    life.decide(START + 100 * SECOND, reading(40.0, 100))
    life.restart()
    assert reasons(life.decide(START + 101 * SECOND, reading(60.0, 101))) == [Reason.PENDING]


def test_readings_after_a_stored_state_are_heard_again_with_the_time_between_them() -> None:
    rule = replace(HOT, for_s=0.0, no_data=NoData.OK, no_data_s=20.0)
    life = Life((rule,))
    life.decide(START, reading(60.0))
    life.flush(START)
    life.decide(START + 5 * SECOND, reading(70.0, 5))
    kept = dict(life.kept.states)
    life.decide(START + 60 * SECOND, reading(60.0, 60))
    # The state that time changed was written, but the store goes back to the one before, and so do the readings.
    life.kept.states, life.kept.settled = kept, 1
    life.restart()
    assert reasons(life.decide(START + 61 * SECOND, reading(40.0, 61))) == [Reason.RESOLVED]


def test_an_alert_for_all_series_of_a_rule_is_over_with_the_last_also_after_a_restart() -> None:
    life = Life((replace(HOT, for_s=0.0, suppress_by=SuppressBy.RULE),))
    life.decide(START, reading(60.0, host="h1"), reading(60.0, host="h2"), reading(40.0, host="h3"))
    life.restart()
    assert reasons(life.decide(START + SECOND, reading(40.0, 1, host="h1"))) == [Reason.BELOW_THRESHOLD]
    assert reasons(life.decide(START + SECOND, reading(40.0, 1, host="h2"))) == [Reason.RESOLVED]


@pytest.mark.parametrize("is_restarted", [True, False])
def test_a_milestone_that_was_told_is_not_told_again_after_its_rule_was_off(is_restarted: bool) -> None:
    rule = MilestoneRule(id="big", framework="f", metric="m", goals=(10.0,))
    life = Life((rule,))
    assert reasons(life.decide(START, reading(20.0))) == [Reason.FIRED]
    for each in (replace(rule, enabled=False), rule):
        life.orders = Orders(rules=(each,))
        if is_restarted:
            life.restart()
        life.decide(START + SECOND)
    assert reasons(life.decide(START + SECOND, reading(20.0, 1))) == [Reason.BELOW_THRESHOLD]


def test_a_commit_has_room_for_so_many_new_states_and_what_is_left_waits_for_the_next() -> None:
    life = Life((HOT,))
    sent = [reading(60.0, host=str(number)) for number in range(ROWS_MAX + 1)]
    decision = life.decide(START, *sent)
    assert reasons(decision) == [Reason.PENDING] * ROWS_MAX
    assert (len(decision.states), decision.refusals) == (ROWS_MAX, ())
    assert reasons(life.decide(START, sent[-1])) == [Reason.PENDING]


def test_look_ups_past_their_bound_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seriesbook, "KNOWN_MAX", 2)
    life = Life((HOT,))
    for _ in range(2):
        for host in ("a", "b", "c"):
            assert reasons(life.decide(START, reading(60.0, host=host))) == [Reason.PENDING]
