"""A storm in the channel's machine: who waits, in which order, and who rings in any storm."""

from __future__ import annotations

from engine.core.turn import Policy
from protocol.effects import StormNotice
from protocol.model import EventKind, QuietedBy, Reason, Severity, Status
from tests.support.quieted import SECOND, START, Channel, outcome, silence


def test_beyond_the_budget_new_alerts_wait_their_turn_oldest_first() -> None:
    channel = Channel(storm_per_minute=2)
    results = [channel.ring(dedup_key=str(number)) for number in range(5)]
    assert [result.reason for result in results] == [Reason.FIRED] * 2 + [Reason.STORM] * 3
    assert channel.storms == [StormNotice(at=START, since=START)]
    assert channel.wait(29) == []
    assert channel.wait(1) == [EventKind.REPEATED]
    assert channel.events[-1].alert.id == results[2].alert_id
    assert channel.wait(60) == [EventKind.REPEATED] * 2
    end = StormNotice(at=START + 90 * SECOND, since=START, held=3, rang=3, is_over=True)
    assert channel.storms[1:] == [end]


def test_who_comes_while_others_wait_goes_behind_them() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    held = channel.ring(dedup_key="1")
    channel.now += 60 * SECOND
    late = channel.ring(dedup_key="2")
    assert late.reason is Reason.STORM
    assert channel.events[-1].kind is EventKind.REPEATED
    assert channel.events[-1].alert.id == held.alert_id


def test_a_critical_alert_rings_in_any_storm_and_one_that_becomes_critical_too() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    assert channel.ring(dedup_key="2", severity=Severity.CRITICAL).reason is Reason.FIRED
    assert outcome(channel.ring(dedup_key="1", severity=Severity.CRITICAL)) == (Status.FIRED, Reason.RAISED)
    assert channel.machine.next_due() is None
    assert channel.storms[-1].is_over


def test_what_rings_already_may_be_raised_and_repeated_in_a_storm() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    assert outcome(channel.ring(dedup_key="0", severity=Severity.ERROR)) == (Status.FIRED, Reason.RAISED)


def test_what_is_over_while_it_waits_is_passed_over() -> None:
    channel = Channel(storm_per_minute=1)
    results = [channel.ring(dedup_key=str(number)) for number in range(3)]
    channel.resolve(results[1])
    channel.wait(60)
    assert channel.events[-1].alert.id == results[2].alert_id
    assert channel.storms[-1].rang == 1


def test_what_waits_and_is_silenced_gives_its_turn_away_and_waits_again_later() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    channel.ring("other", dedup_key="2")
    assert channel.quiet(silence(alertname="other", end=61)) == [EventKind.QUIETED]
    assert channel.wait(60) == [EventKind.REPEATED]
    assert channel.wait(2) == [EventKind.QUIETED]
    assert channel.mark()[0] is QuietedBy.STORM
    assert channel.wait(60) == [EventKind.REPEATED]


def test_what_is_silenced_and_back_before_its_turn_keeps_its_place() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    channel.quiet(silence())
    assert channel.quiet()[-1] is EventKind.QUIETED
    assert channel.storms[-1].is_over is False
    assert channel.wait(60) == [EventKind.REPEATED]


def test_one_in_the_middle_that_is_silenced_and_back_waits_once() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    channel.ring("other", dedup_key="2")
    channel.quiet(silence(alertname="other"))
    channel.quiet()
    assert channel.wait(180) == [EventKind.REPEATED] * 2


def test_a_storm_and_its_budget_survive_a_restart() -> None:
    channel = Channel(storm_per_minute=2)
    for number in range(5):
        channel.build()
        channel.ring(dedup_key=str(number))
    channel.build()
    assert channel.wait(90) == [EventKind.REPEATED] * 3
    assert channel.storms[-1] == StormNotice(at=START + 90 * SECOND, since=START, held=3, rang=3, is_over=True)


def test_a_budget_that_is_taken_away_lets_all_ring() -> None:
    channel = Channel(storm_per_minute=1)
    for number in range(3):
        channel.ring(dedup_key=str(number))
    channel.policy = Policy()
    channel.build()
    assert channel.wait(0) == [EventKind.REPEATED] * 2
    assert channel.storms[-1].is_over


def test_two_that_begin_to_wait_at_once_wait_in_the_order_of_their_age() -> None:
    channel = Channel(storm_per_minute=1)
    channel.quiet(silence(end=30))
    old = channel.ring()
    channel.ring("other")
    young = channel.ring("another")
    assert channel.wait(59) == [EventKind.QUIETED]
    assert channel.wait(1) == [EventKind.REPEATED]
    assert channel.events[-1].alert.id == old.alert_id
    assert channel.wait(60) == [EventKind.REPEATED]
    assert channel.events[-1].alert.id == young.alert_id


def test_a_budget_that_a_clock_set_back_has_spent_ahead_is_no_storm_for_ever() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.now -= 3_600 * SECOND
    channel.ring(dedup_key="1")
    assert channel.wait(60) == [EventKind.REPEATED]


def test_a_storm_is_owed_its_end() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    assert channel.machine.owes()
