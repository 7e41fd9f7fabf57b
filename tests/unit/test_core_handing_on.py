"""An alert goes to the next ones of its chain, in the machine: told once for each step, and not once somebody acts."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.changes import Action
from protocol.commands import Escalate
from protocol.model import Escalated, EventKind, Reason, Severity, Status
from protocol.times import parse_rfc3339, rfc3339
from tests.support.acts import acting
from tests.unit.test_core_channel import START_US, Channel


def going_on(alert_id: str, step: int = 1, **fields: Any) -> Escalate:
    return Escalate(alert_id=alert_id, **({"chain": "web", "since": 0, "step": step, "round": 1} | fields))


def rung(channel: Channel) -> str:
    return channel.ring(title="disk").alert_id or ""


def test_a_step_is_told_on_the_stream_and_stays_with_the_alert() -> None:
    channel = Channel()
    alert_id = rung(channel)
    (result,) = channel.send(going_on(alert_id))
    assert (result.status, result.reason, result.alert_id, result.offset) == (
        Status.ESCALATED,
        Reason.ESCALATED,
        alert_id,
        2,
    )
    event = channel.last()
    assert (event.kind, event.by) == (EventKind.ESCALATED, None)
    assert event.alert.escalated == Escalated(chain="web", step=1, round=1, at=rfc3339(START_US))
    assert channel.rows[alert_id].alert == event.alert


def test_asked_again_for_the_same_step_it_says_so_and_tells_nothing() -> None:
    channel = Channel()
    alert_id = rung(channel)
    channel.send(going_on(alert_id, 2))
    (again, earlier) = channel.send(going_on(alert_id, 2), going_on(alert_id, 1))
    assert (again.status, again.reason) == (Status.ESCALATED, Reason.ALREADY)
    assert (earlier.status, earlier.message) == (Status.REJECTED, "its chain has come further already")
    assert channel.last().offset == 2


def test_the_next_round_and_another_chain_go_on_from_any_step() -> None:
    channel = Channel()
    alert_id = rung(channel)
    steps = [going_on(alert_id, 2), going_on(alert_id, 1, round=2), going_on(alert_id, 1, chain="all")]
    assert [result.reason for result in channel.send(*steps)] == [Reason.ESCALATED] * 3
    reached = channel.last().alert.escalated
    assert reached is not None
    assert (reached.chain, reached.round, reached.step) == ("all", 1, 1)


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_what_somebody_has_taken_on_or_ended_is_handed_on_no_more(action: Action) -> None:
    channel = Channel()
    alert_id = rung(channel)
    channel.send(acting(action, alert_id))
    (result,) = channel.send(going_on(alert_id))
    assert (result.status, result.reason) == (Status.REJECTED, Reason.ALREADY)
    assert channel.last().offset == 2


def test_given_back_the_alert_begins_anew_and_steps_of_before_are_refused() -> None:
    channel = Channel()
    alert_id = rung(channel)
    channel.send(going_on(alert_id, 2))
    channel.send(acting(Action.ACKNOWLEDGE, alert_id), acting(Action.UNACKNOWLEDGE, alert_id))
    alert = channel.last().alert
    assert (alert.escalated, alert.active_since) == (None, rfc3339(START_US))
    late, new = channel.send(going_on(alert_id, 3), going_on(alert_id, since=parse_rfc3339(str(alert.active_since))))
    assert late.status is Status.REJECTED
    assert "begun anew" in str(late.message)
    assert new.reason is Reason.ESCALATED


def test_an_alert_that_gets_worse_after_it_was_taken_on_begins_anew_and_else_does_not() -> None:
    channel = Channel()
    alert_id = rung(channel)
    channel.send(going_on(alert_id))
    channel.ring(title="disk", severity=Severity.ERROR)
    assert channel.last().kind is EventKind.RAISED
    assert channel.last().alert.escalated is not None
    channel.send(acting(Action.ACKNOWLEDGE, alert_id))
    channel.ring(title="disk", severity=Severity.CRITICAL)
    alert = channel.last().alert
    assert (channel.last().kind, alert.escalated, alert.active_since) == (
        EventKind.REOPENED,
        None,
        rfc3339(START_US),
    )


def test_an_alert_that_the_channel_does_not_know_is_nobodys() -> None:
    (result,) = Channel().send(going_on("nobody"))
    assert result.reason is Reason.UNKNOWN_ALERT
