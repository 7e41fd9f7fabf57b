"""The channel machine with triggers that a source sends again and again (Prometheus), and with readings."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Command, Observe, Ring
from protocol.effects import Decision, Recalled
from protocol.items import ItemResult
from protocol.model import AlertState, ChannelKey, Event, EventKind, Reason, Severity, Status
from protocol.orders import Orders
from protocol.rows import Row, SourceReport
from protocol.rules import SuppressBy, ThresholdRule
from tests.support.acts import acknowledging, resolving

KEY = ChannelKey("w", "f")
START_US = 1_700_000_000_000_000
MINUTE_US = 60_000_000
WARM = ThresholdRule(id="warm", framework="f", metric="temp", threshold=50.0)
HOT = ThresholdRule(id="hot", framework="f", metric="temp", threshold=80.0, severity=Severity.CRITICAL)
COLD = ThresholdRule(id="cold", framework="f", metric="temp", threshold=0.0, enabled=False)
SHARED = ThresholdRule(id="shared", framework="f", metric="load", threshold=0.0, suppress_by=SuppressBy.RULE)
ORDERS = Orders(rules=(WARM, HOT, COLD, SHARED))


class Channel:
    """A machine, what it has written, and a clock that moves when told."""

    def __init__(self, **policy: Any) -> None:
        self.now = START_US
        self.rows: dict[str, Row] = {}
        self.batches = 0
        self.decision = Decision(results=(), offset=0)
        self.machine = ChannelMachine(KEY, Recalled(epoch="e", offset=0), ORDERS, Policy(**policy))

    def send(self, *commands: Command, after_us: int = 0) -> tuple[ItemResult, ...]:
        self.now += after_us
        self.batches += 1
        self.decision = self.machine.decide(
            Batch(f"0190a0a0-0000-7000-8000-{self.batches:05x}0000000", self.now, commands, ORDERS)
        )
        self.rows |= {row.alert.id: row for row in self.decision.rows}
        return self.decision.results

    def report(self, severity: str = "warning", minutes: float = 4.0, after_us: int = 0, **fields: Any) -> ItemResult:
        """Prometheus says that it is so, until so many minutes from now."""
        self.now += after_us
        return self.send(self.reported(severity, self.now + int(minutes * MINUTE_US), **fields))[0]

    def end(self, severity: str = "warning", after_us: int = 0) -> ItemResult:
        """Prometheus says that it is over."""
        self.now += after_us
        return self.send(self.reported(severity, self.now, explicit_end=True))[0]

    def reported(self, severity: str, ends_at: int, **fields: Any) -> Ring:
        labels = {"alertname": "DiskFull", "severity": severity}
        source = SourceReport(labels=labels, annotations={}, starts_at=START_US, ends_at=ends_at, **fields)
        return Ring(title="disk", labels=labels, severity=Severity(severity), source=source)

    def only_event(self) -> Event:
        (event,) = self.decision.events
        return event


def outcome(result: ItemResult) -> tuple[Status, Reason]:
    return result.status, result.reason


FIRED = (Status.FIRED, Reason.FIRED)
RAISED = (Status.FIRED, Reason.RAISED)
REFRESHED = (Status.SUPPRESSED, Reason.REFRESHED)
DUPLICATE = (Status.SUPPRESSED, Reason.DUPLICATE)
ALREADY = (Status.SUPPRESSED, Reason.ALREADY)
RESOLVED = (Status.RESOLVED, Reason.RESOLVED)
UNWATCHED = (Status.BELOW_THRESHOLD, Reason.NO_RULE)
BELOW = (Status.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD)
BUSY = (Status.REJECTED, Reason.BUSY)


def test_a_re_send_refreshes_inside_and_after_the_window_and_does_not_ring() -> None:
    channel = Channel()
    fired = channel.report()
    for _ in range(10):
        again = channel.report(after_us=MINUTE_US)
        assert (outcome(again), again.alert_id) == (REFRESHED, fired.alert_id)
        assert channel.decision.events == ()
    channel.send(after_us=MINUTE_US)
    row = channel.rows[fired.alert_id or ""]
    assert (row.alert.occurrences, row.window.count) == (1, 0)
    assert row.sources[0].ends_at == START_US + 14 * MINUTE_US


def test_a_new_quieter_label_set_is_a_duplicate_and_is_written_at_once() -> None:
    channel = Channel()
    fired = channel.report("critical")
    assert outcome(channel.report("warning")) == DUPLICATE
    assert [len(row.sources) for row in channel.decision.rows] == [2]
    assert outcome(channel.report("warning")) == REFRESHED
    assert not channel.decision.is_durable
    assert channel.rows[fired.alert_id or ""].alert.severity is Severity.CRITICAL


def test_a_new_louder_label_set_raises_the_alert() -> None:
    channel = Channel()
    fired = channel.report("warning")
    raised = channel.report("critical")
    assert (outcome(raised), raised.alert_id) == (RAISED, fired.alert_id)
    assert channel.only_event().alert.labels["severity"] == "critical"
    assert len(channel.rows[fired.alert_id or ""].sources) == 2


def test_a_new_label_set_after_the_window_repeats_the_alert() -> None:
    channel = Channel()
    channel.report("critical", minutes=20)
    assert channel.report("warning", after_us=5 * MINUTE_US).status is Status.REPEATED


def test_the_alert_resolves_when_the_last_label_set_ends() -> None:
    channel = Channel()
    channel.report("warning")
    fired = channel.report("critical")
    assert outcome(channel.end("critical")) == REFRESHED
    assert channel.decision.events == ()
    assert len(channel.rows[fired.alert_id or ""].sources) == 1
    result = channel.end("warning")
    assert (outcome(result), result.alert_id, result.offset) == (RESOLVED, fired.alert_id, 3)
    event = channel.only_event()
    assert (event.kind, event.by, event.alert.resolved_by) == (EventKind.RESOLVED, "source", "source")
    assert event.alert.severity is Severity.CRITICAL


def test_a_late_repeat_of_an_end_is_known_already() -> None:
    channel = Channel()
    fired = channel.report()
    channel.end()
    again = channel.end(after_us=MINUTE_US)
    assert (outcome(again), again.alert_id) == (ALREADY, fired.alert_id)
    assert not channel.decision.is_durable


def test_the_end_of_something_unknown_is_an_unknown_alert() -> None:
    assert outcome(Channel().end()) == (Status.REJECTED, Reason.UNKNOWN_ALERT)


def test_the_end_of_another_label_set_changes_nothing() -> None:
    channel = Channel()
    channel.report("warning")
    assert outcome(channel.end("critical")) == ALREADY


def test_an_alert_that_stands_for_all_of_a_rule_is_over_with_the_end_of_its_last_label_set() -> None:
    def said(host: str, *, is_over: bool = False) -> tuple[Status, Reason]:
        source = SourceReport(
            labels={"host": host},
            annotations={},
            starts_at=START_US,
            ends_at=channel.now if is_over else channel.now + MINUTE_US,
            explicit_end=is_over,
        )
        return outcome(channel.send(Ring(rule_id="shared", labels={"host": host}, source=source))[0])

    channel = Channel()
    assert [said("a"), said("b")] == [FIRED, DUPLICATE]
    assert [said("a", is_over=True), said("b", is_over=True)] == [REFRESHED, RESOLVED]


def test_an_end_is_heard_although_its_rule_is_disabled_or_gone() -> None:
    channel = Channel()
    source = SourceReport(labels={"a": "1"}, annotations={}, starts_at=0, ends_at=START_US, explicit_end=True)
    (result,) = channel.send(Ring(rule_id="gone", source=source))
    assert result.reason is Reason.UNKNOWN_ALERT


def test_an_alert_without_news_expires_when_its_label_sets_time_out() -> None:
    channel = Channel()
    fired = channel.report("warning", minutes=4)
    channel.report("critical", minutes=10)
    channel.send(after_us=2_000_000)
    assert channel.machine.next_due() == START_US + 4 * MINUTE_US
    channel.send(after_us=4 * MINUTE_US - 2_000_000)
    assert channel.decision.events == ()
    assert [len(row.sources) for row in channel.decision.rows] == [1]
    assert channel.machine.next_due() == START_US + 10 * MINUTE_US
    channel.send(after_us=6 * MINUTE_US)
    event = channel.only_event()
    assert (event.kind, event.alert.id, event.alert.state) == (EventKind.EXPIRED, fired.alert_id, AlertState.EXPIRED)
    assert channel.machine.next_due() is None
    assert outcome(channel.report()) == FIRED


def test_an_expired_alert_cools_down_and_cannot_be_acknowledged() -> None:
    channel = Channel()
    fired = channel.report(minutes=1)
    channel.send(after_us=MINUTE_US)
    assert channel.only_event().kind is EventKind.EXPIRED
    assert outcome(channel.report()) == (Status.SUPPRESSED, Reason.COOLDOWN)
    (refused,) = channel.send(acknowledging(alert_id=fired.alert_id or "", by="ann"))
    assert outcome(refused) == (Status.REJECTED, Reason.ALREADY)
    assert "expired" in str(refused.message)


def test_expiry_and_receipt_that_are_due_together_both_come() -> None:
    channel = Channel()
    channel.report("critical", minutes=5)
    channel.report("warning", minutes=5)
    channel.send(after_us=5 * MINUTE_US)
    assert [event.kind for event in channel.decision.events] == [EventKind.EXPIRED, EventKind.RECEIPT]
    assert channel.machine.next_due() is None


def test_news_that_arrives_before_a_late_timer_keeps_the_alert() -> None:
    channel = Channel()
    channel.report(minutes=4)
    assert outcome(channel.report(after_us=6 * MINUTE_US)) == REFRESHED
    assert channel.decision.events == ()


def test_an_alert_rung_by_hand_takes_on_the_label_set_of_a_source() -> None:
    channel = Channel()
    channel.send(Ring(title="disk", labels={"alertname": "DiskFull"}))
    assert outcome(channel.report()) == DUPLICATE
    assert outcome(channel.end()) == RESOLVED


def test_somebody_who_resolves_a_source_s_alert_lets_it_cool_down() -> None:
    channel = Channel()
    fired = channel.report()
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    assert outcome(channel.report(after_us=MINUTE_US)) == (Status.SUPPRESSED, Reason.COOLDOWN)
    assert outcome(channel.end(after_us=MINUTE_US)) == ALREADY


def test_an_alert_has_a_bounded_number_of_label_sets() -> None:
    channel = Channel(sources_max=2)
    channel.report("info")
    channel.report("warning")
    refused = channel.report("error")
    assert outcome(refused) == (Status.REJECTED, Reason.INVALID)
    assert "2 label sets, sources_max (2)" in str(refused.message)
    assert outcome(channel.report("info")) == REFRESHED


def test_an_end_that_finds_no_room_waits_and_changes_nothing() -> None:
    channel = Channel(events_max=1)
    channel.report()
    results = channel.send(Ring(title="other"), channel.reported("warning", channel.now, explicit_end=True))
    assert [outcome(result) for result in results] == [FIRED]
    assert outcome(channel.end()) == RESOLVED


def read(value: float, metric: str = "temp", **labels: str) -> Observe:
    return Observe(metric=metric, value=value, at=START_US, labels=labels)


def test_a_reading_that_crosses_a_rule_fires_and_the_next_one_is_swallowed() -> None:
    channel = Channel()
    (fired,) = channel.send(read(60.0, host="h1"))
    alert = channel.only_event().alert
    assert outcome(fired) == FIRED
    assert (alert.rule_id, alert.title, alert.labels) == ("warm", "temp > 50", {"host": "h1"})
    assert (alert.current_value, alert.threshold_value) == (60.0, 50.0)
    (again,) = channel.send(read(61.0, host="h1"))
    assert (outcome(again), again.alert_id) == (DUPLICATE, fired.alert_id)


def test_each_set_of_labels_is_an_alert_of_its_own() -> None:
    channel = Channel()
    one, other = channel.send(read(60.0, host="h1"), read(60.0, host="h2"))
    assert one.alert_id != other.alert_id


def test_a_reading_that_is_fine_resolves_what_its_rule_had_fired() -> None:
    channel = Channel()
    (fired,) = channel.send(read(60.0))
    (fine,) = channel.send(read(50.0))
    assert (outcome(fine), fine.alert_id) == (RESOLVED, fired.alert_id)
    event = channel.only_event()
    assert (event.kind, event.by, event.alert.resolved_by) == (EventKind.RESOLVED, "rule", "rule")
    assert outcome(channel.send(read(50.0))[0]) == BELOW
    assert outcome(channel.send(read(60.0))[0]) == (Status.SUPPRESSED, Reason.COOLDOWN)


def test_a_reading_is_not_a_reason_to_resolve_what_somebody_titled_like_the_rule() -> None:
    channel = Channel()
    channel.send(Ring(title="warm"))
    assert outcome(channel.send(read(10.0))[0]) == BELOW


def test_the_loudest_of_several_rules_is_the_answer() -> None:
    channel = Channel()
    (both,) = channel.send(read(90.0))
    assert outcome(both) == FIRED
    assert [event.alert.rule_id for event in channel.decision.events] == ["warm", "hot"]
    (mixed,) = channel.send(read(60.0))
    assert outcome(mixed) == RESOLVED
    (quiet,) = channel.send(read(60.0))
    assert outcome(quiet) == DUPLICATE


@pytest.mark.parametrize(
    ("reading", "expected"), [(read(-5.0), BELOW), (read(50.0), BELOW), (read(1e9, metric="unwatched"), UNWATCHED)]
)
def test_a_reading_that_no_rule_minds_is_below_and_says_if_there_is_none(
    reading: Observe, expected: tuple[Status, Reason]
) -> None:
    channel = Channel()
    assert outcome(channel.send(reading)[0]) == expected
    assert channel.decision.events == channel.decision.rows == ()


def test_a_reading_that_was_begun_is_finished_and_what_comes_after_it_waits() -> None:
    channel = Channel(events_max=2)
    readings = read(90.0, host="h1"), read(1.0, metric="unwatched"), read(90.0, host="h2"), read(1.0, metric="none")
    results = channel.send(*readings)
    assert [outcome(result) for result in results] == [FIRED]
    assert len(channel.decision.events) == 2
    assert [outcome(result) for result in channel.send(*readings[1:])] == [UNWATCHED, FIRED]


def test_a_refusal_is_not_hidden_by_what_is_silent() -> None:
    channel = Channel(windows_max=1)
    channel.send(read(60.0))
    assert outcome(channel.send(read(90.0))[0]) == BUSY
