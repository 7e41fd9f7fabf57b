"""The channel machine: triggers, windows, receipts, people. Bounds, sources and readings have files of their own."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Command, Ring
from protocol.effects import Decision, Recalled
from protocol.items import ItemResult
from protocol.model import AlertState, ChannelKey, Comparison, Event, EventKind, Reason, Severity, Status
from protocol.orders import Orders
from protocol.rows import Row
from protocol.rules import ThresholdRule
from protocol.times import rfc3339
from tests.support.acts import acknowledging, resolving

KEY = ChannelKey("w", "f")
START_US = 1_700_000_000_000_000
CPU = ThresholdRule(id="cpu", framework="f", metric="cpu_percent", threshold=90.0, severity=Severity.ERROR)
BRIEF = ThresholdRule(id="brief", framework="f", metric="m", threshold=0.0, suppression_s=10.0)
OFF = ThresholdRule(id="off", framework="f", metric="cpu_percent", threshold=1.0, enabled=False)
ORDERS = Orders(rules=(CPU, BRIEF, OFF))


class Channel:
    """A machine, what it has written, and a clock that moves when told."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(**policy)
        self.now = START_US
        self.batches = 0
        self.orders = ORDERS
        self.rows: dict[str, Row] = {}
        self.events: list[Event] = []
        self.decision = Decision(results=(), offset=0)
        self.machine = self.build()

    def build(self) -> ChannelMachine:
        recalled = Recalled(epoch="e", offset=len(self.events), rows=tuple(self.rows.values()))
        return ChannelMachine(KEY, recalled, self.orders, self.policy)

    def send(self, *commands: Command) -> tuple[ItemResult, ...]:
        self.batches += 1
        self.decision = self.machine.decide(
            Batch(f"0190a0a0-0000-7000-8000-{self.batches:05x}0000000", self.now, commands, self.orders)
        )
        self.rows |= {row.alert.id: row for row in self.decision.rows}
        self.events += self.decision.events
        assert [event.offset for event in self.events] == list(range(1, len(self.events) + 1))
        assert self.decision.offset == len(self.events)
        return self.decision.results

    def ring(self, after: float = 0.0, **fields: Any) -> ItemResult:
        self.now += int(after * 1e6)
        (result,) = self.send(Ring(**({"title": "disk"} | fields)))
        return result

    def wait(self, seconds: float) -> list[EventKind]:
        """What happens while nobody says anything: the machine is woken when it asked to be, and only then."""
        until, before = self.now + int(seconds * 1e6), len(self.events)
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.send()
        self.now = until
        return [event.kind for event in self.events[before:]]

    def last(self) -> Event:
        return self.events[-1]


def outcome(result: ItemResult) -> tuple[Status, Reason]:
    return result.status, result.reason


FIRED = (Status.FIRED, Reason.FIRED)
RAISED = (Status.FIRED, Reason.RAISED)
REPEATED = (Status.REPEATED, Reason.REPEATED)
DUPLICATE = (Status.SUPPRESSED, Reason.DUPLICATE)
COOLDOWN = (Status.SUPPRESSED, Reason.COOLDOWN)
BUSY = (Status.REJECTED, Reason.BUSY)


def test_a_first_trigger_fires_a_new_alert_with_event_and_row() -> None:
    channel = Channel()
    result = channel.ring(current_value=3.0, labels={"host": "h1"})
    assert outcome(result) == FIRED
    event, row = channel.last(), channel.rows[result.alert_id or ""]
    assert (event.kind, event.offset, event.at) == (EventKind.FIRED, result.offset, rfc3339(START_US))
    assert event.alert == row.alert
    assert (event.alert.id, event.alert.framework_id, event.alert.state) == (result.alert_id, "f", AlertState.ACTIVE)
    assert row.window.until == START_US + 300_000_000


def test_the_same_batch_decided_again_gives_the_same_decision() -> None:
    batch = Batch(
        "0190a0a0-0000-7000-8000-000000000000", START_US, (Ring(title="a"), Ring(title="b"), Ring(title="a")), ORDERS
    )
    assert Channel().machine.decide(batch) == Channel().machine.decide(batch)


def test_a_duplicate_inside_its_window_is_counted_not_told() -> None:
    channel = Channel()
    fired = channel.ring()
    duplicate = channel.ring(after=299.999)
    assert outcome(duplicate) == DUPLICATE
    assert (duplicate.alert_id, duplicate.offset) == (fired.alert_id, None)
    assert not channel.decision.is_durable


def test_counters_are_written_a_second_after_they_changed() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    for _ in range(3):
        channel.ring(after=0.3)
    assert channel.machine.next_due() == channel.now + 400_000
    assert channel.wait(0.5) == []
    row = channel.rows[alert_id]
    assert (row.alert.occurrences, row.alert.last_seen_at) == (4, rfc3339(START_US + 900_000))
    assert (row.window.count, row.window.first_at) == (3, START_US + 300_000)
    assert channel.machine.next_due() == START_US + 300_000_000


def test_counters_are_written_even_if_the_clock_was_set_back() -> None:
    channel = Channel()
    channel.ring()
    channel.ring()
    channel.ring(after=-3600)
    assert [row.alert.occurrences for row in channel.decision.rows] == [3]


def test_a_window_that_is_over_lets_the_same_alert_repeat() -> None:
    channel = Channel()
    fired = channel.ring(current_value=1.0)
    repeated = channel.ring(after=300, current_value=2.0)
    assert outcome(repeated) == REPEATED
    assert repeated.alert_id == fired.alert_id
    assert (channel.last().kind, channel.last().offset) == (EventKind.REPEATED, repeated.offset)
    assert (channel.last().alert.occurrences, channel.last().alert.current_value) == (2, 2.0)
    assert outcome(channel.ring(after=299)) == DUPLICATE


def test_an_acknowledged_alert_repeats_and_stays_acknowledged() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    channel.send(acknowledging(alert_id=alert_id, by="ann"))
    assert outcome(channel.ring(after=300)) == REPEATED
    assert channel.last().alert.state is AlertState.ACKNOWLEDGED


def test_a_higher_severity_raises_the_same_alert_and_its_window_starts_anew() -> None:
    channel = Channel()
    fired = channel.ring()
    raised = channel.ring(after=200, severity=Severity.CRITICAL)
    assert outcome(raised) == RAISED
    assert raised.alert_id == fired.alert_id
    assert (channel.last().kind, channel.last().alert.severity) == (EventKind.RAISED, Severity.CRITICAL)
    assert outcome(channel.ring(after=299, severity=Severity.CRITICAL)) == DUPLICATE
    assert channel.rows[fired.alert_id or ""].alert.severity is Severity.CRITICAL


def test_raising_an_acknowledged_alert_reopens_it() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    channel.send(acknowledging(alert_id=alert_id, by="ann"))
    assert outcome(channel.ring(severity=Severity.CRITICAL)) == RAISED
    event = channel.last()
    assert (event.kind, event.alert.state, event.alert.acknowledged_by) == (EventKind.REOPENED, AlertState.ACTIVE, None)


def test_a_severity_never_falls() -> None:
    channel = Channel()
    channel.ring(severity=Severity.CRITICAL)
    assert outcome(channel.ring(severity=Severity.INFO)) == DUPLICATE
    channel.ring(after=300, severity=Severity.INFO)
    assert channel.last().alert.severity is Severity.CRITICAL


def test_a_window_that_swallowed_something_ends_with_a_receipt() -> None:
    channel = Channel()
    alert_id = channel.ring(current_value=5.0).alert_id or ""
    for value in (7.0, 9.0, 6.0):
        channel.ring(after=10, current_value=value)
    assert channel.wait(300) == [EventKind.RECEIPT]
    event = channel.last()
    assert event.at == rfc3339(START_US + 300_000_000)
    assert event.suppressed is not None
    assert (event.suppressed.count, event.suppressed.worst_value) == (3, 9.0)
    assert event.suppressed.first_at == rfc3339(START_US + 10_000_000)
    assert event.suppressed.last_at == rfc3339(START_US + 30_000_000)
    assert (event.alert.occurrences, event.alert.current_value) == (4, 5.0)
    assert channel.rows[alert_id].window.count == 0
    assert channel.machine.next_due() is None


def test_the_worst_value_of_a_falling_measure_is_the_lowest() -> None:
    channel = Channel()
    for value in (5.0, 2.0, 3.0):
        channel.ring(current_value=value, threshold_value=9.0, comparison=Comparison.BELOW)
    channel.wait(300)
    assert channel.last().suppressed is not None
    assert channel.last().suppressed.worst_value == 2.0


def test_a_window_that_swallowed_nothing_ends_silently() -> None:
    channel = Channel()
    channel.ring()
    assert channel.machine.next_due() is None


@pytest.mark.parametrize(("severity", "kind"), [(None, EventKind.REPEATED), (Severity.ERROR, EventKind.RAISED)])
def test_a_receipt_comes_before_what_is_told_after_the_windows_end(severity: Severity | None, kind: EventKind) -> None:
    channel = Channel()
    channel.ring()
    channel.ring()
    channel.ring(after=300, severity=severity)
    assert [event.kind for event in channel.decision.events] == [EventKind.RECEIPT, kind]
    assert channel.wait(400) == []


def test_a_window_that_starts_anew_early_keeps_what_it_swallowed() -> None:
    channel = Channel()
    channel.ring()
    channel.ring(after=1)
    channel.ring(after=1, severity=Severity.ERROR)
    channel.ring(after=1)
    assert channel.wait(300) == [EventKind.RECEIPT]
    assert channel.last().suppressed is not None
    assert channel.last().suppressed.count == 2


def test_a_resolved_alert_cools_down_then_gets_its_receipt_and_is_forgotten() -> None:
    channel = Channel()
    fired = channel.ring()
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    cooled = channel.ring(after=1)
    assert outcome(cooled) == COOLDOWN
    assert (cooled.alert_id, cooled.offset) == (fired.alert_id, None)
    assert channel.wait(300) == [EventKind.RECEIPT]
    assert channel.last().alert.state is AlertState.RESOLVED
    assert channel.last().alert.occurrences == 1
    assert channel.machine.next_due() is None
    assert fired.alert_id not in channel.machine._ledger.by_id
    again = channel.ring()
    assert outcome(again) == FIRED
    assert again.alert_id != fired.alert_id


def test_a_louder_trigger_fires_through_a_cooldown_after_the_old_alerts_receipt() -> None:
    channel = Channel()
    fired = channel.ring()
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    channel.ring(after=1)
    louder = channel.ring(after=1, severity=Severity.CRITICAL)
    assert outcome(louder) == FIRED
    receipt, told = channel.decision.events
    assert (receipt.kind, receipt.alert.id) == (EventKind.RECEIPT, fired.alert_id)
    assert (told.kind, told.alert.id) == (EventKind.FIRED, louder.alert_id)
    old = channel.rows[fired.alert_id or ""].window
    assert (old.count, old.until) == (0, channel.now)
    assert channel.wait(1000) == []


def test_a_louder_trigger_ends_an_empty_cooldown_in_the_store_as_well() -> None:
    channel = Channel()
    fired = channel.ring()
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    channel.ring(after=1, severity=Severity.CRITICAL)
    assert channel.rows[fired.alert_id or ""].window.until == channel.now
    assert [row.alert.state.is_open for row in channel.decision.rows] == [False, True]


def test_a_late_trigger_after_an_unsettled_cooldown_fires_after_the_receipt() -> None:
    channel = Channel()
    fired = channel.ring()
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    channel.ring(after=1)
    assert outcome(channel.ring(after=400)) == FIRED
    assert [event.kind for event in channel.decision.events] == [EventKind.RECEIPT, EventKind.FIRED]


def test_an_unknown_rule_is_rejected_by_name() -> None:
    result = Channel().ring(rule_id="nope")
    assert outcome(result) == (Status.REJECTED, Reason.UNKNOWN_RULE)
    assert "'nope'" in str(result.message)


def test_a_disabled_rule_suppresses_also_what_is_not_open() -> None:
    result = Channel().ring(rule_id="off")
    assert (outcome(result), result.alert_id) == ((Status.SUPPRESSED, Reason.DISABLED), None)


def test_a_rule_that_was_disabled_names_the_alert_that_it_left_open() -> None:
    channel = Channel()
    enabled = ThresholdRule(id="off", framework="f", metric="m", threshold=1.0)
    channel.orders = Orders(rules=(enabled,))
    fired = channel.ring(rule_id="off")
    channel.orders = ORDERS
    result = channel.ring(rule_id="off")
    assert (result.reason, result.alert_id) == (Reason.DISABLED, fired.alert_id)


def test_a_rule_that_was_disabled_names_no_alert_that_is_over() -> None:
    channel = Channel()
    channel.orders = Orders(rules=(ThresholdRule(id="off", framework="f", metric="m", threshold=1.0),))
    fired = channel.ring(rule_id="off")
    channel.send(resolving(alert_id=fired.alert_id or "", by="ann"))
    channel.orders = ORDERS
    assert channel.ring(rule_id="off").alert_id is None


def test_values_that_do_not_hold_are_below_the_threshold() -> None:
    channel = Channel()
    result = channel.ring(rule_id="cpu", current_value=90.0)
    assert outcome(result) == (Status.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD)
    assert not channel.decision.is_durable


def test_a_rule_gives_its_alert_severity_threshold_and_window() -> None:
    channel = Channel()
    channel.ring(rule_id="cpu", current_value=90.1)
    alert = channel.last().alert
    assert (alert.severity, alert.threshold_value, alert.alert_rule_id) == (Severity.ERROR, 90.0, "cpu")
    channel.ring(rule_id="brief")
    assert outcome(channel.ring(rule_id="brief", after=10)) == REPEATED


def test_acknowledging_tells_writes_and_records_who_and_why() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    (result,) = channel.send(acknowledging(alert_id=alert_id, by="ann", notes="on it"))
    assert (outcome(result), result.offset) == ((Status.ACKNOWLEDGED, Reason.ACKNOWLEDGED), 2)
    event, (audit,) = channel.last(), channel.decision.audits
    assert (event.kind, event.by, event.alert.acknowledged_by) == (EventKind.ACKNOWLEDGED, "ann", "ann")
    assert (event.alert.notes, event.alert.acknowledged_at) == ("on it", rfc3339(START_US))
    assert (audit.verb, audit.by, audit.notes, audit.alert_id) == ("acknowledge", "ann", "on it", alert_id)
    assert channel.rows[alert_id].alert == event.alert


def test_acknowledge_and_resolve_are_idempotent() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    for verb, status in ((acknowledging, Status.ACKNOWLEDGED), (resolving, Status.RESOLVED)):
        assert channel.send(verb(alert_id=alert_id, by="ann"))[0].status is status
        (again,) = channel.send(verb(alert_id=alert_id, by="bob"))
        assert (outcome(again), again.alert_id) == ((status, Reason.ALREADY), alert_id)
        assert not channel.decision.is_durable


def test_acknowledging_a_resolved_alert_is_refused_with_a_reason() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    channel.send(resolving(alert_id=alert_id, by="ann"))
    (result,) = channel.send(acknowledging(alert_id=alert_id, by="bob"))
    assert outcome(result) == (Status.REJECTED, Reason.ALREADY)
    assert "resolved already" in str(result.message)


def test_an_alert_that_was_forgotten_since_somebody_looked_is_to_be_asked_for_again() -> None:
    (result,) = Channel().send(resolving(alert_id="nope", by="ann"))
    assert (outcome(result), "send it again" in (result.message or "")) == (BUSY, True)


def test_an_event_carries_the_counters_that_were_not_written_yet() -> None:
    channel = Channel()
    alert_id = channel.ring().alert_id or ""
    channel.ring(after=0.1)
    channel.send(resolving(alert_id=alert_id, by="ann"))
    assert channel.last().alert.occurrences == 2
    assert channel.machine.next_due() == START_US + 300_000_000


def test_one_alert_that_changes_twice_in_a_batch_is_written_once() -> None:
    channel = Channel()
    channel.send(Ring(title="disk"), Ring(title="disk", severity=Severity.CRITICAL))
    assert [event.kind for event in channel.events] == [EventKind.FIRED, EventKind.RAISED]
    assert [row.alert.severity for row in channel.decision.rows] == [Severity.CRITICAL]


def test_before_the_end_all_counters_are_given_though_none_is_due() -> None:
    channel = Channel()
    channel.ring()
    channel.ring()
    batch = Batch("0190a0a0-0000-7000-8000-000010000000", channel.now, (), ORDERS)
    flushed = channel.machine.flush(batch)
    (row,) = flushed.rows
    assert (row.alert.occurrences, row.window.count, flushed.offset, flushed.events) == (2, 1, 1, ())
    assert not channel.machine.flush(batch).is_durable
