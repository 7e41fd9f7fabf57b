"""Quiet alerts in the channel's machine: marked, told, answered with the reason, and ringing when that is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.channel import ChannelMachine
from engine.core.flapping import Flapping
from engine.core.quieting import QuietWindow
from engine.core.turn import ROWS_MAX, TESTS_MAX, Policy
from protocol.commands import Batch, Command, Observe, Ring
from protocol.effects import Decision, Recalled, StormNotice, StormState
from protocol.items import ItemResult
from protocol.model import ChannelKey, Event, EventKind, QuietedBy, Reason, Severity, Status
from protocol.orders import Orders
from protocol.quieting import Maintenance, Matcher, Operator, Quieting, Silence
from protocol.rows import Row
from protocol.rules import ActiveHours, ThresholdRule
from protocol.times import parse_rfc3339, rfc3339
from tests.support.acts import acknowledging, resolving

KEY = ChannelKey("w", "f")
START = parse_rfc3339("2026-01-05T12:00:00Z")  # a Monday
SECOND = 1_000_000
OFFICE = ThresholdRule(
    id="office", framework="f", metric="m", threshold=1.0, schedule=ActiveHours(start="13:00", end="17:00")
)


class Channel:
    """A machine, what the store would have, and a clock. It can be built anew at any step."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(**policy)
        self.now, self.batches = START, 0
        self.orders = Orders(rules=(OFFICE,))
        self.rows: dict[str, Row] = {}
        self.events: list[Event] = []
        self.storms: list[StormNotice] = []
        self.storm = StormState()
        self.decision = Decision(results=(), offset=0)
        self.build()

    def build(self) -> None:
        recalled = Recalled(epoch="e", offset=len(self.events), rows=tuple(self.rows.values()), storm=self.storm)
        self.machine = ChannelMachine(KEY, recalled, self.orders, self.policy)

    def send(self, *commands: Command) -> tuple[ItemResult, ...]:
        self.batches += 1
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:05x}0000000", self.now, commands, self.orders)
        self.decision = decision = self.machine.decide(batch)
        self.rows |= {row.alert.id: row for row in decision.rows}
        self.events += decision.events
        self.storms += decision.storms
        self.storm = decision.storm or self.storm
        return decision.results

    def ring(self, title: str = "disk", **fields: Any) -> ItemResult:
        return self.send(Ring(title=title, **fields))[0]

    def resolve(self, result: ItemResult) -> None:
        self.send(resolving(alert_id=result.alert_id or "", by="ann"))

    def quiet(self, *silences: Silence, maintenance: tuple[Maintenance, ...] = ()) -> list[EventKind]:
        """Other orders hold; what the woken machine tells."""
        self.orders = Orders(rules=self.orders.rules, quieting=Quieting(silences=silences, maintenance=maintenance))
        before = len(self.events)
        self.send()
        return [event.kind for event in self.events[before:]]

    def wait(self, seconds: float) -> list[EventKind]:
        """What happens while nobody says anything: the machine is woken when it asked to be, and only then."""
        until, before = self.now + int(seconds * SECOND), len(self.events)
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.send()
        self.now = until
        return [event.kind for event in self.events[before:]]

    def mark(self) -> tuple[QuietedBy | None, str | None, str | None]:
        alert = self.events[-1].alert
        return alert.quieted_by, alert.quieted_ref, alert.quieted_until


def silence(name: str = "s1", start: int = 0, end: int = 3_600, **labels: str) -> Silence:
    """From and until so many seconds after START."""
    return Silence(
        id=name,
        matchers=tuple(Matcher(name=label, value=value) for label, value in (labels or {"alertname": "disk"}).items()),
        starts_at=rfc3339(START + start * SECOND),
        ends_at=rfc3339(START + end * SECOND),
        author="ann",
        comment="on it",
    )


def outcome(result: ItemResult) -> tuple[Status, Reason]:
    return result.status, result.reason


NO_MARK = (None, None, None)
IN_AN_HOUR = rfc3339(START + 3_600 * SECOND)


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


def test_under_new_orders_many_alerts_are_looked_at_as_decisions_have_room() -> None:
    channel = Channel(events_max=10)
    for number in range(25):
        channel.ring(dedup_key=str(number))
    assert len(channel.quiet(silence())) == 10
    assert channel.wait(0) == [EventKind.QUIETED] * 15


def test_no_decision_looks_at_more_than_it_has_time_for() -> None:
    channel = Channel(events_max=10_000)
    channel.send(*(Ring(title="other", dedup_key=str(number)) for number in range(ROWS_MAX + 1)))
    channel.quiet(silence())
    assert channel.machine.next_due() == 0
    channel.send()
    assert channel.machine.next_due() != 0


def many(channel: Channel, count: int) -> None:
    """So many open alerts, that no matcher of these tests means."""
    channel.send(*(Ring(title="other", dedup_key=str(number)) for number in range(count)))


def expression(name: str, value: str) -> Silence:
    return replace(silence(name), matchers=(Matcher(name="alertname", operator=Operator.MATCHES, value=value),))


@pytest.fixture
def tests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The label values that were held against a window, one entry for each window."""
    seen: list[str] = []
    really = QuietWindow.means

    def means(window: QuietWindow, labels: Mapping[str, str]) -> bool:
        seen.append(labels["alertname"])
        return really(window, labels)

    monkeypatch.setattr(QuietWindow, "means", means)
    return seen


def test_one_more_silence_costs_each_open_alert_one_test_however_many_there_are(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 100)
    former = [expression(f"s{number}", f"web-{number}-.*") for number in range(50)]
    channel.quiet(*former)
    channel.wait(0)
    tests.clear()
    assert channel.quiet(*former, expression("more", "web-x-.*")) == []
    channel.wait(0)
    assert len(tests) == 100


def test_the_end_of_a_silence_that_meant_nothing_costs_no_test(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 100)
    stays = expression("stays", "web-.*")
    channel.quiet(stays, expression("goes", "api-.*"))
    channel.wait(0)
    tests.clear()
    assert channel.quiet(stays) == []
    assert (tests, channel.machine.next_due()) == ([], None)


def test_only_what_a_silence_meant_is_looked_at_when_it_is_taken_back(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 10)
    channel.ring()
    stays = expression("stays", "web-.*")
    assert channel.quiet(stays, silence()) == [EventKind.QUIETED]
    tests.clear()
    assert channel.quiet(stays) == [EventKind.REPEATED]
    assert tests == ["disk"]


def test_a_silence_that_is_made_longer_is_told_with_its_new_end() -> None:
    channel = Channel()
    channel.ring()
    channel.quiet(silence())
    assert channel.quiet(silence(end=7_200)) == [EventKind.QUIETED]
    assert channel.mark() == (QuietedBy.SILENCED, "s1", rfc3339(START + 7_200 * SECOND))


def test_a_silence_that_comes_and_goes_before_everybody_was_looked_at_leaves_no_mark() -> None:
    channel = Channel(events_max=2)
    for number in range(5):
        channel.ring(dedup_key=str(number))
    channel.quiet(silence())
    channel.quiet()
    channel.wait(0)
    assert [row.alert.quieted_by for row in channel.rows.values()] == [None] * 5


def test_who_waits_to_be_looked_at_goes_before_those_who_were() -> None:
    channel = Channel(events_max=1)
    for number in range(3):
        channel.ring(dedup_key=str(number))
    for number in range(3):
        channel.quiet(silence(end=3_600 + number))
    assert {row.alert.quieted_by for row in channel.rows.values()} == {QuietedBy.SILENCED}


def test_a_maintenance_window_that_is_taken_back_quiets_no_more() -> None:
    channel = Channel()
    channel.ring()
    planned = Maintenance(id="m", title="", starts_at=rfc3339(START), ends_at=IN_AN_HOUR)
    assert channel.quiet(maintenance=(planned,)) == [EventKind.QUIETED]
    assert channel.quiet() == [EventKind.REPEATED]


def test_no_decision_holds_more_matchers_against_alerts_than_it_has_time_for(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 500)
    channel.quiet(*(expression(f"s{number}", f"web-{number}-.*") for number in range(50)))
    assert len(tests) == TESTS_MAX
    assert channel.machine.next_due() == 0
    channel.wait(0)
    assert len(tests) == 500 * 50


def test_many_alerts_that_time_may_let_ring_are_looked_at_as_decisions_have_time(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    channel.quiet(silence(), *(expression(f"s{number}", f"web-{number}-.*") for number in range(99)))
    channel.send(*(Ring(title="disk", dedup_key=str(number)) for number in range(100)))
    channel.now += 3_600 * SECOND
    tests.clear()
    channel.send()
    assert len(tests) == TESTS_MAX
    assert len(channel.wait(0)) == 80


def test_one_that_is_over_before_it_was_looked_at_is_passed_over() -> None:
    channel = Channel(events_max=1)
    first, second = channel.ring(dedup_key="1"), channel.ring(dedup_key="2")
    assert channel.quiet(silence()) == [EventKind.QUIETED]
    channel.resolve(second if channel.events[-1].alert.id == first.alert_id else first)
    assert channel.wait(0) == []


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


def come_and_go(channel: Channel, times: int) -> list[ItemResult]:
    results = []
    for _ in range(times):
        results.append(channel.ring())
        channel.resolve(results[-1])
        channel.wait(1)
    return results


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


def test_a_storm_is_owed_its_end() -> None:
    channel = Channel(storm_per_minute=1)
    channel.ring(dedup_key="0")
    channel.ring(dedup_key="1")
    assert channel.machine.owes()


@pytest.mark.parametrize("kind", [EventKind.QUIETED, EventKind.REPEATED])
def test_an_event_of_quiet_is_no_occurrence(kind: EventKind) -> None:
    channel = Channel()
    channel.ring()
    channel.quiet(silence())
    channel.wait(3_600)
    (event,) = [event for event in channel.events if event.kind is kind]
    assert event.alert.occurrences == 1
