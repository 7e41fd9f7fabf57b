"""A step's alert: one for each project and step, said once in its days, gone when the step is done."""

from __future__ import annotations

import itertools

import pytest

from engine.core.channel import machine_factory
from engine.core.turn import Policy
from engine.input.commands import to_ring
from protocol.commands import Batch, Command, CompleteStep, Ring
from protocol.effects import Decision, Recalled
from protocol.errors import BadRequest
from protocol.items import TriggerInput
from protocol.model import AlertState, ChannelKey, EventKind, Reason, Status
from protocol.times import SECOND_US
from tests.support.acts import acknowledging, resolving

KEY = ChannelKey("acme", "42")
NOW = 1_767_225_600 * SECOND_US
DAY_US = 86_400 * SECOND_US
DONE = CompleteStep(step_id="roof", by="ann", notes="tiles are on")


class Channel:
    """A machine, its decisions one after another."""

    def __init__(self) -> None:
        self._machine = machine_factory(Policy())(KEY, Recalled(epoch="e", offset=0), Batch("", 0, ()).orders)
        self._ids = itertools.count(1)

    def decide(self, *commands: Command, at: int = NOW) -> Decision:
        return self._machine.decide(Batch(f"0190a0a0-0000-7000-8000-{next(self._ids):012x}", at, commands))


def a_ring(**changes: object) -> Ring:
    return Ring(**{"title": "Cover the roof", "step_id": "roof", "suppression_s": 86_400.0} | changes)  # type: ignore[arg-type]


def kinds(decision: Decision) -> list[EventKind]:
    return [event.kind for event in decision.events]


def test_a_step_is_one_alert_whatever_else_is_said_of_it() -> None:
    channel = Channel()
    (first,) = channel.decide(a_ring()).results
    other = a_ring(title="Roof!", labels={"a": "b"}, dedup_key="mine", rule_id=None)
    (second,) = channel.decide(other).results
    assert (second.reason, second.alert_id) == (Reason.DUPLICATE, first.alert_id)
    (third,) = channel.decide(a_ring(step_id="floor")).results
    assert third.reason is Reason.FIRED


def test_a_step_is_said_once_in_its_days_and_again_after_them() -> None:
    channel = Channel()
    channel.decide(a_ring())
    assert channel.decide(a_ring(), at=NOW + DAY_US - 1).results[0].reason is Reason.DUPLICATE
    assert channel.decide(a_ring(), at=NOW + DAY_US).results[0].reason is Reason.REPEATED


def test_a_completed_step_is_resolved_by_who_did_it_and_may_ring_again_at_once() -> None:
    channel = Channel()
    channel.decide(a_ring())
    decision = channel.decide(DONE)
    (event,) = decision.events
    assert (event.kind, event.by, event.alert.state) == (EventKind.RESOLVED, "ann", AlertState.RESOLVED)
    assert (event.alert.resolved_by, event.alert.notes) == ("ann", "tiles are on")
    (audit,) = decision.audits
    assert (audit.by, audit.verb, audit.notes) == ("ann", "resolve", "tiles are on")
    assert channel.decide(a_ring(), at=NOW + 1).results[0].reason is Reason.FIRED


def test_what_was_swallowed_is_told_when_the_step_is_done() -> None:
    channel = Channel()
    channel.decide(a_ring(), a_ring(), a_ring())
    decision = channel.decide(DONE)
    assert kinds(decision) == [EventKind.RESOLVED, EventKind.RECEIPT]
    assert decision.events[1].suppressed is not None
    assert decision.events[1].suppressed.count == 2


def test_a_step_that_somebody_resolved_by_hand_is_silent_until_it_is_done() -> None:
    channel = Channel()
    (fired,) = channel.decide(a_ring()).results
    channel.decide(resolving(alert_id=fired.alert_id or "", by="bob"))
    assert channel.decide(a_ring()).results[0].reason is Reason.COOLDOWN
    done = channel.decide(DONE)
    assert (done.results[0].status, done.results[0].reason) == (Status.RESOLVED, Reason.ALREADY)
    assert kinds(done) == [EventKind.RECEIPT], "of the one that was swallowed meanwhile"
    assert channel.decide(a_ring()).results[0].reason is Reason.FIRED


def test_a_step_without_an_alert_is_done_without_a_word() -> None:
    decision = Channel().decide(DONE)
    assert (decision.results[0].reason, decision.is_durable) == (Reason.ALREADY, False)


def test_a_step_waits_where_there_is_no_room_to_say_that_it_is_done() -> None:
    channel = Channel()
    channel.decide(a_ring())
    crowd = [a_ring(step_id=f"s{number}") for number in range(256)]
    assert len(channel.decide(*crowd, DONE).results) == 255
    assert channel.decide(DONE).results[0].reason is Reason.RESOLVED


def test_an_acknowledged_step_is_completed_as_well() -> None:
    channel = Channel()
    (fired,) = channel.decide(a_ring()).results
    channel.decide(acknowledging(alert_id=fired.alert_id or "", by="bob"))
    assert kinds(channel.decide(DONE)) == [EventKind.RESOLVED]


def test_a_trigger_about_a_step_belongs_to_its_project() -> None:
    ring = to_ring(TriggerInput(framework_id="42", step_id="roof"))
    assert (ring.project_id, ring.step_id) == ("42", "roof")
    assert to_ring(TriggerInput(framework_id="42", project_id="42", step_id="roof")).project_id == "42"
    with pytest.raises(BadRequest, match="rings on its project's channel"):
        to_ring(TriggerInput(framework_id="shop", project_id="42", step_id="roof"))
    with pytest.raises(BadRequest, match="step_id"):
        to_ring(TriggerInput(framework_id="42", step_id="a/../b"))
