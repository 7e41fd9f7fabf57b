"""Which chain an alert has, and what comes after a step."""

from __future__ import annotations

from typing import Any

from engine.core.escalating import Place, chain_of, first, following, since_of
from protocol.escalation import Escalation, EscalationStep
from protocol.model import Severity
from protocol.notify import Change
from tests.support.alerts import an_alert

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
    assert seen == [Place(0, 0, 60), Place(0, 1, 120), Place(1, 0, 60), Place(1, 1, 120)]


def test_a_chain_without_steps_only_reminds() -> None:
    chain = a_chain(steps=(), repeat=2)
    assert (first(chain), following(chain, 0, 0)) == (None, None)


def test_each_beginning_has_its_own_steps_and_being_told_again_is_none() -> None:
    assert since_of(Change.FIRED, 1) == since_of(Change.REPEATED, 5) == since_of(Change.RAISED, 6)
    assert len({since_of(Change.FIRED, 1), since_of(Change.REOPENED, 7), since_of(Change.UNACKNOWLEDGED, 9)}) == 3
