"""What people do about alerts, in the machine: one or many, remembered or forgotten, told as one event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine.core.turn import Policy
from protocol.changes import JUDGING_ACTIONS, PEOPLES_ACTIONS, Action, changed
from protocol.commands import Act, Ring
from protocol.items import ItemResult
from protocol.model import AlertState, Change, EventKind, Reason, Severity, Status
from protocol.rows import Row
from protocol.times import rfc3339
from tests.support.acts import acting
from tests.unit.test_core_channel import START_US, Channel


def reasons(results: tuple[ItemResult, ...]) -> list[str]:
    return [result.reason.value for result in results]


def rung(channel: Channel, *titles: str, **fields: Any) -> list[str]:
    """The ids of new alerts."""
    return [channel.ring(title=title, **fields).alert_id or "" for title in titles]


def forgotten(channel: Channel, title: str = "disk") -> Row:
    """The row of an alert that was resolved so long ago that the channel has forgotten it."""
    (alert_id,) = rung(channel, title)
    channel.send(acting(Action.RESOLVE, alert_id))
    channel.wait(400)
    channel.ring(title="somebody else's")
    return channel.rows[alert_id]


# One


@pytest.mark.parametrize(
    ("action", "more", "kind", "traces"),
    [
        (Action.ACKNOWLEDGE, {}, "acknowledged", {"acknowledged_by": "ann", "acknowledged_at": rfc3339(START_US)}),
        (Action.ASSIGN, {"assignee": "bob"}, "assigned", {"assigned_to": "bob", "acknowledged_by": None}),
        (Action.COMMENT, {"notes": "hm"}, "commented", {"notes": "hm", "notes_by": "ann"}),
        (Action.RESOLVE, {"notes": "off"}, "resolved", {"resolved_by": "ann", "notes": "off", "notes_by": "ann"}),
    ],
)
def test_what_somebody_does_is_one_event_with_the_alert_after_it(
    action: Action, more: dict[str, Any], kind: str, traces: dict[str, Any]
) -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    (result,) = channel.send(acting(action, alert_id, **more))
    event = channel.last()
    assert (result.status.value, result.reason.value, result.alert_id, result.offset) == (kind, kind, alert_id, 2)
    assert (event.kind.value, event.by, event.alert_ids, event.change) == (kind, "ann", (), None)
    assert {name: getattr(event.alert, name) for name in traces} == traces
    assert channel.rows[alert_id].alert == event.alert


@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
def test_the_same_twice_is_told_once_and_on_record_once(action: Action) -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    if action in (Action.UNACKNOWLEDGE, Action.REOPEN):
        channel.send(acting(Action.ACKNOWLEDGE if action is Action.UNACKNOWLEDGE else Action.RESOLVE, alert_id))
    act = acting(action, alert_id, notes="hm", assignee="bob")
    first = channel.send(act)
    assert len(channel.decision.audits) == len(channel.decision.events) == 1
    again = channel.send(act)
    assert (first[0].status, again[0].status) == (first[0].status, first[0].status)
    assert reasons(again) == ["already"]
    assert not channel.decision.is_durable


def test_giving_back_makes_an_alert_active_and_forgets_who_had_taken_it() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.ACKNOWLEDGE, alert_id))
    channel.send(acting(Action.UNACKNOWLEDGE, alert_id, by="bob"))
    alert = channel.last().alert
    assert (channel.last().kind, channel.last().by) == (EventKind.UNACKNOWLEDGED, "bob")
    assert (alert.state, alert.acknowledged_by, alert.acknowledged_at) == (AlertState.ACTIVE, None, None)


def test_an_assignment_is_on_the_streams_of_who_had_it_and_of_who_has_it_now() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk", assigned_to="ann")
    channel.send(acting(Action.ASSIGN, alert_id, assignee="bob"))
    assert channel.last().people == ("bob", "ann")
    channel.send(acting(Action.ASSIGN, alert_id, assignee=None))
    assert (channel.last().alert.assigned_to, channel.last().people) == (None, ("bob",))
    channel.send(acting(Action.COMMENT, alert_id, notes="whose is it?"))
    assert channel.last().people == ()


def test_the_trail_says_who_what_when_from_where_and_what_was_different() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.ASSIGN, alert_id, by="eve", notes="yours", assignee="bob", address="203.0.113.7"))
    (line,) = channel.decision.audits
    assert (line.by, line.verb, line.alert_id, line.at) == ("eve", "assign", alert_id, channel.now)
    assert (line.notes, line.address) == ("yours", "203.0.113.7")
    assert (line.before, line.after) == ({"assigned_to": None}, {"assigned_to": "bob"})
    channel.send(acting(Action.RESOLVE, alert_id))
    (line,) = channel.decision.audits
    assert (line.before, line.after) == ({"state": "active"}, {"state": "resolved"})


# Noise


@pytest.mark.parametrize("action", JUDGING_ACTIONS)
def test_whoever_looks_after_an_alert_may_say_that_it_was_noise_and_that_is_on_record(action: Action) -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(action, alert_id, noise=True))
    assert channel.rows[alert_id].alert.noise
    (line,) = channel.decision.audits
    assert (line.before["noise"], line.after["noise"]) == ("false", "true")


def test_what_was_said_of_noise_stays_until_somebody_says_otherwise_or_opens_it_again() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.ACKNOWLEDGE, alert_id, noise=True))
    channel.send(acting(Action.COMMENT, alert_id, notes="hm"))
    assert channel.last().alert.noise
    channel.send(acting(Action.COMMENT, alert_id, noise=False))
    assert not channel.last().alert.noise
    channel.send(acting(Action.RESOLVE, alert_id, noise=True))
    assert channel.last().alert.noise
    channel.send(acting(Action.REOPEN, alert_id))
    assert not channel.last().alert.noise


def test_a_forgotten_alert_is_judged_by_a_comment_without_words() -> None:
    channel = Channel()
    row = forgotten(channel)
    act = acting(Action.COMMENT, row.alert.id, noise=True, closed=(row,))
    assert reasons(channel.send(act)) == ["commented"]
    assert channel.rows[row.alert.id].alert.noise
    assert reasons(channel.send(replace(act, closed=(channel.rows[row.alert.id],)))) == ["already"]


def test_many_are_judged_together_and_the_change_says_so() -> None:
    channel = Channel()
    ids = rung(channel, "disk", "fan")
    channel.send(acting(Action.RESOLVE, *ids, noise=True))
    assert channel.last().change == Change(
        at=channel.last().at, state=AlertState.RESOLVED, by="ann", severity=Severity.WARNING, noise=True
    )
    assert [channel.rows[alert_id].alert.noise for alert_id in ids] == [True, True]


def test_a_judgement_of_what_is_done_already_is_not_lost_silently() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.RESOLVE, alert_id))
    (result,) = channel.send(acting(Action.RESOLVE, alert_id, noise=True))
    assert (result.reason, result.message) == (
        Reason.ALREADY,
        "nothing was said of noise, it was so already: comment with noise instead",
    )
    (result,) = channel.send(acting(Action.RESOLVE, alert_id, noise=False))
    assert (result.reason, result.message) == (Reason.ALREADY, msgspec.UNSET)


# Forgotten


def test_a_forgotten_alert_that_comes_along_is_commented_on_and_forgotten_again() -> None:
    channel = Channel()
    row = forgotten(channel)
    alert_id = row.alert.id
    assert reasons(channel.send(acting(Action.COMMENT, alert_id, notes="was the fan", closed=(row,)))) == ["commented"]
    assert (channel.rows[alert_id].alert.notes, channel.rows[alert_id].alert.state) == ("was the fan", row.alert.state)
    assert alert_id not in channel.machine._ledger.by_id
    assert channel.ring(title="disk").status is Status.FIRED


def test_a_comment_on_a_forgotten_alert_leaves_the_newer_one_of_its_kind_in_place() -> None:
    channel = Channel()
    row = forgotten(channel)
    (newer,) = rung(channel, "disk")
    assert reasons(channel.send(acting(Action.COMMENT, row.alert.id, notes="x", closed=(row,)))) == ["commented"]
    channel.wait(1)
    assert row.alert.id not in channel.machine._ledger.by_id
    again = channel.ring(title="disk")
    assert (again.reason, again.alert_id) == (Reason.DUPLICATE, newer)


def test_a_forgotten_alert_is_opened_again_and_suppresses_again() -> None:
    channel = Channel()
    row = forgotten(channel)
    alert_id = row.alert.id
    assert reasons(channel.send(acting(Action.REOPEN, alert_id, closed=(row,)))) == ["reopened"]
    alert = channel.last().alert
    assert (alert.state, alert.resolved_by, alert.resolved_at) == (AlertState.ACTIVE, None, None)
    again = channel.ring(title="disk")
    assert (again.status, again.alert_id) == (Status.REPEATED, alert_id)


def test_what_is_remembered_goes_before_what_comes_along() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.RESOLVE, alert_id))
    stale = channel.rows[alert_id]
    channel.send(acting(Action.REOPEN, alert_id))
    assert reasons(channel.send(acting(Action.REOPEN, alert_id, closed=(stale,)))) == ["already"]


def test_an_open_row_that_comes_along_is_not_believed() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    stale = channel.rows[alert_id]
    channel.send(acting(Action.RESOLVE, alert_id))
    channel.wait(400)
    (result,) = channel.send(acting(Action.COMMENT, alert_id, notes="x", closed=(stale,)))
    assert (result.status, result.reason) == (Status.REJECTED, Reason.BUSY)


def test_an_alert_is_not_opened_again_while_a_newer_one_of_its_kind_is_open() -> None:
    channel = Channel()
    row = forgotten(channel)
    (newer,) = rung(channel, "disk")
    (result,) = channel.send(acting(Action.REOPEN, row.alert.id, closed=(row,)))
    assert (result.status, result.reason, result.alert_id) == (Status.REJECTED, Reason.ALREADY, row.alert.id)
    assert newer in (result.message or "")


def test_an_alert_that_is_opened_again_takes_the_place_of_a_newer_closed_one_after_its_receipt() -> None:
    channel = Channel()
    row = forgotten(channel)
    (newer,) = rung(channel, "disk")
    channel.send(acting(Action.RESOLVE, newer))
    channel.ring(title="disk")
    channel.send(acting(Action.REOPEN, row.alert.id, closed=(row,)))
    assert [event.kind for event in channel.decision.events] == [EventKind.RECEIPT, EventKind.REOPENED]
    assert channel.rows[newer].window.until == channel.now
    assert channel.ring(title="disk", severity=Severity.CRITICAL).alert_id == row.alert.id


def test_opening_again_finds_no_room_among_the_open_ones_and_says_so() -> None:
    narrow = Channel(windows_max=2)
    row = forgotten(narrow)
    rung(narrow, "another")
    assert reasons(narrow.send(acting(Action.REOPEN, row.alert.id, closed=(row,)))) == ["busy"]
    assert [limit.value for limit in narrow.decision.refusals] == ["channel_windows"]


def test_resolving_what_is_over_says_so_from_the_row_that_comes_along() -> None:
    channel = Channel()
    row = forgotten(channel)
    assert reasons(channel.send(acting(Action.RESOLVE, row.alert.id, closed=(row,)))) == ["already"]


def test_who_knows_no_id_names_what_the_alert_stands_for() -> None:
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    identity = channel.rows[alert_id].identity
    (result,) = channel.send(Act(identity=identity, action=Action.ACKNOWLEDGE, by="ann"))
    assert (result.reason, result.alert_id) == (Reason.ACKNOWLEDGED, alert_id)
    assert [line.alert_id for line in channel.decision.audits] == [alert_id]
    (unknown,) = channel.send(Act(identity="nothing", action=Action.ACKNOWLEDGE, by="ann"))
    assert unknown.reason is Reason.UNKNOWN_ALERT


# Many


def test_many_that_change_are_one_event_with_their_ids_the_change_and_the_highest_severity() -> None:
    channel = Channel()
    ids = rung(channel, "a", "b", assigned_to="ann") + rung(channel, "c", severity=Severity.CRITICAL)
    channel.send(acting(Action.ACKNOWLEDGE, ids[1]))
    results = channel.send(acting(Action.ACKNOWLEDGE, *ids, "nobody", ids[0], by="bob", notes="mine"))
    assert reasons(results) == ["acknowledged", "already", "acknowledged", "busy", "already"]
    assert [result.offset for result in results] == [5, None, 5, None, None]
    (event,) = channel.decision.events
    assert event.alert_ids == (ids[0], ids[2])
    assert event.change == Change(
        at=rfc3339(channel.now), state=AlertState.ACKNOWLEDGED, by="bob", notes="mine", severity=Severity.CRITICAL
    )
    assert (event.alert.id, event.by, event.people) == (ids[2], "bob", ("ann",))
    assert {row.alert.id for row in channel.decision.rows} == {ids[0], ids[2]}
    assert [line.alert_id for line in channel.decision.audits] == [ids[0], ids[2]]


@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
def test_an_alert_with_the_change_applied_is_what_is_stored(action: Action) -> None:
    channel = Channel()
    ids = rung(channel, "a", "b")
    if action in (Action.UNACKNOWLEDGE, Action.REOPEN):
        channel.send(acting(Action.ACKNOWLEDGE if action is Action.UNACKNOWLEDGE else Action.RESOLVE, *ids))
    before = {alert_id: channel.rows[alert_id].alert for alert_id in ids}
    channel.send(acting(action, *ids, notes="so", assignee="bob"))
    event = channel.last()
    assert event.change is not None
    after = {alert_id: changed(before[alert_id], event.kind, event.change) for alert_id in event.alert_ids}
    assert after == {alert_id: channel.rows[alert_id].alert for alert_id in ids}


def test_a_bulk_that_finds_no_room_for_its_event_waits_as_a_whole() -> None:
    channel = Channel(events_max=1)
    ids = rung(channel, "a", "b")
    bulk = acting(Action.RESOLVE, *ids)
    assert reasons(channel.send(Ring(title="c"), bulk)) == ["fired"]
    assert reasons(channel.send(bulk)) == ["resolved", "resolved"]


def test_many_that_are_opened_again_may_tell_more_receipts_than_a_commit_has_events() -> None:
    channel = Channel(events_max=1)
    row = forgotten(channel)
    (newer,) = rung(channel, "disk")
    channel.send(acting(Action.RESOLVE, newer))
    channel.ring(title="disk")
    assert reasons(channel.send(acting(Action.REOPEN, row.alert.id, closed=(row,)))) == ["reopened"]
    assert [event.kind for event in channel.decision.events] == [EventKind.RECEIPT, EventKind.REOPENED]


# Time


def test_an_alert_that_is_taken_and_not_resolved_in_time_is_active_again() -> None:
    channel = Channel(unacknowledge_s=600.0)
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.ACKNOWLEDGE, alert_id))
    channel.machine = channel.build()
    assert channel.wait(599.9) == []
    assert channel.wait(0.2) == [EventKind.UNACKNOWLEDGED]
    assert (channel.last().by, channel.last().alert.state) == (None, AlertState.ACTIVE)
    assert channel.machine.next_due() is None


def test_taking_an_alert_is_for_ever_unless_that_is_set() -> None:
    assert Policy().unacknowledge_s == 0.0
    channel = Channel()
    (alert_id,) = rung(channel, "disk")
    channel.send(acting(Action.ACKNOWLEDGE, alert_id))
    assert channel.wait(10_000_000) == []


def test_an_act_about_no_alert_does_nothing() -> None:
    channel = Channel()
    assert channel.send(Act(alert_ids=(), action=Action.RESOLVE, by="ann")) == ()
    assert not channel.decision.is_durable
