"""Which chain an alert has, and what comes after a step."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.core.escalating import NextStep, chain_of, first, following, has_begun, since_of, version_of
from engine.notify.jobs import REMIND, StepArgs, step_job
from protocol.escalation import Escalation, EscalationStep
from protocol.model import Severity
from protocol.notify import Change
from tests.support.alerts import an_alert
from tests.support.deliveries import a_delivery

ALERT = an_alert(severity=Severity.ERROR, framework_id="web", rule_id="cpu")
TWO = (EscalationStep(after_s=60, users=("ann",)), EscalationStep(after_s=120, users=("bob",)))


def a_chain(name: str = "all", **fields: Any) -> Escalation:
    return Escalation(id=name, **({"steps": TWO} | fields))


def chosen(*chains: Escalation) -> str | None:
    found = chain_of(ALERT, chains)
    return None if found is None else found.id


def test_the_chain_that_says_most_about_an_alert_counts() -> None:
    general, framework, rule = a_chain("a"), a_chain("b", frameworks=("web",)), a_chain("c", rules=("cpu",))
    assert chosen(general) == "a"
    assert chosen(general, framework) == "b"
    assert chosen(general, framework, rule) == "c"
    assert chosen(a_chain("z"), a_chain("y")) == "y"


def test_a_chain_is_not_for_what_it_does_not_name() -> None:
    assert chosen(a_chain(rules=("disk",))) is None
    assert chosen(a_chain(frameworks=("db",))) is None
    assert chosen(a_chain(min_severity=Severity.CRITICAL)) is None
    assert chosen(a_chain(enabled=False)) is None


def test_steps_follow_each_other_and_the_whole_as_often_as_it_is_repeated() -> None:
    chain = a_chain(repeat=1)
    place, seen = first(chain), []
    while place is not None:
        seen.append(place)
        place = following(chain, place.round, place.step)
    assert seen == [NextStep(0, 0, 60), NextStep(0, 1, 120), NextStep(1, 0, 60), NextStep(1, 1, 120)]


def test_a_chain_without_steps_only_reminds() -> None:
    chain = a_chain(steps=(), repeat=2)
    assert (first(chain), following(chain, 0, 0)) == (None, None)


def test_a_beginning_is_told_by_when_the_alert_was_given_back_or_re_opened() -> None:
    assert since_of(ALERT) == 0
    assert since_of(replace(ALERT, active_since="1970-01-01T00:00:02Z")) == 2_000_000


def test_a_chain_has_begun_since_then_when_somebody_was_told_by_it() -> None:
    line = a_delivery(change=Change.ESCALATED, version=version_of("e0.0", "7", "c:1"))
    assert has_begun([line], "7", "c:1")
    assert has_begun([replace(line, change=Change.REMINDER, version=version_of("r3", "7", "c:1"))], "7", "c:1")
    assert not has_begun([line], "8", "c:1")
    assert not has_begun([line], "7", "1")
    assert not has_begun([replace(line, change=Change.FIRED, version="12")], "7", "c:1")


def test_jobs_of_the_same_step_are_one_only_for_one_chain_of_one_alert_of_one_workspace_since_one_beginning() -> None:
    args = StepArgs(alert_id="a", chain="c", since="0")
    same = step_job("w", args, 5).key
    assert step_job("w", args, 9).key == same
    others = [replace(args, alert_id="b"), replace(args, chain="d"), replace(args, since="7"), replace(args, step=1)]
    keys = {step_job("w", other, 5).key for other in [*others, replace(args, round=1)]}
    assert len(keys | {same, step_job("v", args, 5).key, step_job("w", args, 5, REMIND).key}) == 8
