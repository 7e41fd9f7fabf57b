"""Quiet alerts in the channel's machine: marked, told, answered with the reason, and ringing when that is over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core.flapping import Flapping
from protocol.changes import Action
from protocol.commands import Observe
from protocol.model import EventKind, QuietedBy, Reason, Severity, Status
from protocol.orders import Orders
from protocol.quieting import Maintenance
from protocol.rules import ActiveHours
from protocol.times import rfc3339
from tests.support.acts import acknowledging, acting
from tests.support.quieted import (
    IN_AN_HOUR,
    NO_MARK,
    OFFICE,
    SECOND,
    START,
    Channel,
    come_and_go,
    outcome,
    silence,
)


def test_a_silenced_alert_is_stored_and_told_with_its_mark_and_answered_suppressed() -> None:
    channel = Channel()
    channel.quiet(silence())
    result = channel.ring()
    assert outcome(result) == (Status.SUPPRESSED, Reason.SILENCED)
    assert (result.alert_id, result.offset) == (channel.events[-1].alert.id, 1)
    assert result.message == f"stored, but quiet: silence s1 matches, until {IN_AN_HOUR}"
    assert channel.events[-1].kind is EventKind.FIRED
    assert channel.mark() == (QuietedBy.SILENCED, "s1", IN_AN_HOUR)
    assert channel.rows[result.alert_id or ""].alert.quieted_by is QuietedBy.SILENCED


def test_what_no_silence_means_rings() -> None:
    channel = Channel()
    channel.quiet(silence(alertname="memory"))
    assert outcome(channel.ring()) == (Status.FIRED, Reason.FIRED)
    assert channel.mark() == NO_MARK


def test_a_duplicate_of_a_silenced_alert_stays_a_duplicate() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.ring()
    assert outcome(channel.ring()) == (Status.SUPPRESSED, Reason.DUPLICATE)


def test_when_the_silence_ends_an_alert_that_is_still_open_rings() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.ring()
    assert channel.wait(3_599.9) == []
    assert channel.wait(0.1) == [EventKind.REPEATED]
    assert channel.mark() == NO_MARK


def test_when_the_silence_ends_an_alert_that_is_over_does_not() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.resolve(channel.ring())
    assert channel.mark()[0] is QuietedBy.SILENCED
    assert channel.wait(4_000) == []


def test_an_alert_that_is_opened_again_has_the_mark_of_now_and_not_of_when_it_ended() -> None:
    channel = Channel()
    channel.quiet(silence(end=60))
    rung = channel.ring()
    channel.resolve(rung)
    channel.wait(100)
    assert channel.mark()[0] is QuietedBy.SILENCED
    channel.send(acting(Action.REOPEN, rung.alert_id or ""))
    assert channel.events[-1].kind is EventKind.REOPENED
    assert (channel.mark(), channel.events[-1].alert.quieted_by) == (NO_MARK, None)


def test_a_silence_that_begins_for_an_open_alert_is_told() -> None:
    channel = Channel()
    channel.ring()
    assert channel.quiet(silence(start=60)) == []
    assert channel.wait(60) == [EventKind.QUIETED]
    assert channel.mark() == (QuietedBy.SILENCED, "s1", IN_AN_HOUR)


def test_a_silence_that_is_taken_away_lets_ring_at_once() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.ring()
    assert channel.quiet() == [EventKind.REPEATED]


def test_orders_that_change_nothing_for_an_alert_are_not_told() -> None:
    channel = Channel()
    channel.ring()
    assert channel.quiet(silence(alertname="memory")) == []


def test_a_longer_silence_moves_the_mark() -> None:
    channel = Channel()
    channel.ring()
    channel.quiet(silence())
    assert channel.quiet(silence(), silence("s2", end=7_200)) == [EventKind.QUIETED]
    assert channel.mark()[1] == "s2"


def test_maintenance_goes_before_a_silence_and_leaves_it_behind() -> None:
    channel = Channel()
    planned = Maintenance(
        id="m1", title="Patch", starts_at=rfc3339(START), ends_at=rfc3339(START + 600 * SECOND), frameworks=("f",)
    )
    channel.quiet(silence(), maintenance=(planned,))
    assert outcome(channel.ring()) == (Status.SUPPRESSED, Reason.MAINTENANCE)
    assert channel.wait(600) == [EventKind.QUIETED]
    assert channel.mark()[:2] == (QuietedBy.SILENCED, "s1")


def test_a_louder_alert_is_raised_with_the_mark_that_its_severity_has() -> None:
    channel = Channel()
    channel.quiet(silence(severity="warning"))
    assert outcome(channel.ring()) == (Status.SUPPRESSED, Reason.SILENCED)
    assert outcome(channel.ring(severity=Severity.CRITICAL)) == (Status.FIRED, Reason.RAISED)
    assert channel.mark() == NO_MARK


def test_after_its_window_a_silenced_alert_is_repeated_with_its_mark() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.ring()
    channel.wait(300)
    assert outcome(channel.ring()) == (Status.SUPPRESSED, Reason.SILENCED)
    assert channel.events[-1].kind is EventKind.REPEATED


def test_outside_of_its_rules_hours_an_alert_is_muted_until_they_begin() -> None:
    channel = Channel()
    (result,) = channel.send(Observe(metric="m", value=2.0, at=START))
    assert outcome(result) == (Status.SUPPRESSED, Reason.MUTED_HOURS)
    assert channel.mark() == (QuietedBy.MUTED_HOURS, "office", IN_AN_HOUR)
    assert channel.wait(3_600) == [EventKind.REPEATED]
    assert channel.wait(4 * 3_600) == [EventKind.QUIETED]


def test_other_hours_of_a_rule_are_looked_at_at_once() -> None:
    channel = Channel()
    channel.send(Observe(metric="m", value=2.0, at=START))
    channel.orders = Orders(rules=(replace(OFFICE, schedule=None),))
    channel.send()
    assert EventKind.REPEATED in {event.kind for event in channel.events}


def test_a_silence_that_is_made_longer_is_told_with_its_new_end() -> None:
    channel = Channel()
    channel.ring()
    channel.quiet(silence())
    assert channel.quiet(silence(end=7_200)) == [EventKind.QUIETED]
    assert channel.mark() == (QuietedBy.SILENCED, "s1", rfc3339(START + 7_200 * SECOND))


def test_a_maintenance_window_that_is_taken_back_quiets_no_more() -> None:
    channel = Channel()
    channel.ring()
    planned = Maintenance(id="m", title="", starts_at=rfc3339(START), ends_at=IN_AN_HOUR)
    assert channel.quiet(maintenance=(planned,)) == [EventKind.QUIETED]
    assert channel.quiet() == [EventKind.REPEATED]


def test_a_restart_changes_no_mark() -> None:
    channel = Channel()
    channel.quiet(silence())
    channel.ring()
    channel.build()
    assert channel.wait(3_599) == []
    assert channel.wait(1) == [EventKind.REPEATED]


def test_an_acknowledged_alert_keeps_its_mark() -> None:
    channel = Channel()
    channel.quiet(silence())
    result = channel.ring()
    channel.send(acknowledging(alert_id=result.alert_id or "", by="ann"))
    assert channel.mark()[0] is QuietedBy.SILENCED


FLAPPY = {"flapping": Flapping(), "suppression_s": 0.0}


def test_an_alert_that_comes_and_goes_is_flapping_from_the_fourth_time_on() -> None:
    channel = Channel(**FLAPPY)
    reasons = [result.reason for result in come_and_go(channel, 5)]
    assert reasons == [Reason.FIRED] * 3 + [Reason.FLAPPING] * 2


def test_what_flapped_rings_when_it_has_been_open_for_long_enough() -> None:
    channel = Channel(**FLAPPY)
    come_and_go(channel, 4)
    channel.ring()
    assert channel.mark() == (QuietedBy.FLAPPING, None, None)
    assert channel.wait(600) == []
    assert channel.wait(600) == [EventKind.REPEATED]


def test_coming_and_going_survives_a_restart() -> None:
    channel = Channel(**FLAPPY)
    for number in range(5):
        channel.build()
        result = channel.ring()
        assert result.reason is (Reason.FIRED if number < 3 else Reason.FLAPPING)
        channel.build()
        channel.resolve(result)


def test_inside_its_window_it_comes_and_goes_as_well() -> None:
    channel = Channel(flapping=Flapping())
    first = channel.ring()
    channel.resolve(first)
    for _ in range(3):
        assert channel.ring().reason is Reason.COOLDOWN
        channel.resolve(first)
    channel.wait(300)
    assert channel.ring().reason is Reason.FLAPPING


def test_readings_make_a_rules_alert_come_and_go() -> None:
    channel = Channel(flapping=Flapping())
    channel.orders = Orders(rules=(replace(OFFICE, schedule=None),))
    for number in range(8):
        channel.send(Observe(metric="m", value=2.0 * (number % 2), at=channel.now))
        channel.wait(1)
    channel.wait(300)
    (result,) = channel.send(Observe(metric="m", value=2.0, at=channel.now))
    assert result.reason is Reason.FLAPPING


def test_what_came_and_went_once_is_forgotten_a_few_minutes_later() -> None:
    channel = Channel(**FLAPPY)
    come_and_go(channel, 1)
    assert channel.machine.next_due() is not None
    channel.wait(200)
    assert channel.machine.next_due() is None


def test_the_begin_and_end_of_silences_and_maintenance_is_all_that_is_due_and_not_owed() -> None:
    channel = Channel()
    channel.ring()
    assert not channel.machine.owes()
    channel.quiet(
        silence(start=60),
        maintenance=(
            Maintenance(id="m", title="Sunday", weekly=ActiveHours(days=("sun",), start="02:00", end="04:00")),
        ),
    )
    assert channel.machine.next_due() == START + 60 * SECOND
    assert not channel.machine.owes()
    channel.wait(61)
    assert channel.mark()[0] is QuietedBy.SILENCED
    assert not channel.machine.owes()


def test_a_receipt_is_owed() -> None:
    channel = Channel()
    channel.ring()
    channel.ring()
    assert channel.machine.owes()
    channel.wait(10)
    assert channel.machine.owes()
    channel.wait(300)
    assert not channel.machine.owes()


def test_what_swallowed_nothing_is_forgotten_in_its_time_and_that_is_owed() -> None:
    channel = Channel()
    channel.resolve(channel.ring())
    channel.quiet(silence())
    assert channel.machine.owes()
    channel.wait(300)
    assert not channel.machine.owes()


def test_the_end_of_muted_hours_is_owed() -> None:
    channel = Channel()
    channel.ring(rule_id="office")
    assert channel.mark()[0] is QuietedBy.MUTED_HOURS
    assert channel.machine.owes()


def test_the_end_of_coming_and_going_is_owed() -> None:
    channel = Channel(**FLAPPY)
    come_and_go(channel, 4)
    channel.ring()
    assert channel.mark()[0] is QuietedBy.FLAPPING
    assert channel.machine.owes()


@pytest.mark.parametrize("kind", [EventKind.QUIETED, EventKind.REPEATED])
def test_an_event_of_quiet_is_no_occurrence(kind: EventKind) -> None:
    channel = Channel()
    channel.ring()
    channel.quiet(silence())
    channel.wait(3_600)
    (event,) = [event for event in channel.events if event.kind is kind]
    assert event.alert.occurrences == 1
