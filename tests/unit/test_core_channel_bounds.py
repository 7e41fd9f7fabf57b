"""The channel machine at its limits, after a restart, and as the factory builds it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.core.channel import machine_factory
from engine.core.turn import HEARD_MAX, ROWS_MAX, Policy
from engine.orders import StandingOrders
from protocol.commands import Batch, Observe, Ring
from protocol.effects import Recalled
from protocol.limits import Limit
from protocol.model import ChannelKey, EventKind, Reason, Severity, Status
from protocol.orders import Orders
from protocol.rules import ThresholdRule
from tests.support.acts import acknowledging, resolving
from tests.unit.test_core_channel import (
    BUSY,
    CPU,
    DUPLICATE,
    FIRED,
    RAISED,
    REPEATED,
    START_US,
    Channel,
    outcome,
)


def test_a_full_channel_is_busy_for_new_alerts_only_and_names_the_limit() -> None:
    channel = Channel(windows_max=1)
    channel.ring(title="a")
    refused = channel.ring(title="b")
    assert outcome(refused) == BUSY
    assert channel.decision.refusals == (Limit.CHANNEL_WINDOWS,)
    assert str(refused.message).startswith("channel_windows: 1 open alerts and windows in this channel, limit 1;")
    assert outcome(channel.ring(title="a", severity=Severity.CRITICAL)) == RAISED


def test_a_resolved_alert_makes_room_when_its_window_is_over() -> None:
    channel = Channel(windows_max=1)
    alert_id = channel.ring(title="a").alert_id or ""
    channel.send(resolving(alert_id=alert_id, by="ann"))
    assert outcome(channel.ring(title="b")) == BUSY
    channel.wait(300)
    assert outcome(channel.ring(title="b")) == FIRED


def test_commands_beyond_the_events_of_one_commit_wait_for_the_next_one_whatever_they_are() -> None:
    channel = Channel(events_max=3)
    alert_id = channel.ring(title="a").alert_id or ""
    commands = (
        *(Ring(title=title) for title in ("b", "c", "d", "a")),
        resolving(alert_id=alert_id, by="ann"),
        Observe(metric="temp", value=1.0, at=channel.now),
    )
    results = channel.send(*commands)
    assert [outcome(result) for result in results] == [FIRED, FIRED]
    assert (channel.decision.refusals, channel.decision.audits) == ((), ())
    assert [outcome(result) for result in channel.send(*commands[2:])] == [
        FIRED,
        DUPLICATE,
        (Status.RESOLVED, Reason.RESOLVED),
    ]


def test_a_command_that_may_tell_two_events_does_not_start_with_room_for_one() -> None:
    channel = Channel(events_max=2)
    channel.ring(title="a")
    channel.ring(title="a")
    channel.now += 300_000_000
    results = channel.send(Ring(title="b"), Ring(title="a"))
    assert [outcome(result) for result in results] == [FIRED]
    assert [event.kind for event in channel.decision.events] == [EventKind.FIRED, EventKind.RECEIPT]
    assert outcome(channel.ring(title="a")) == REPEATED


def test_a_reading_that_was_begun_is_finished_and_one_that_finds_no_room_waits_for_the_next_decision() -> None:
    rules = tuple(ThresholdRule(id=f"r{n}", framework="f", metric="up", threshold=float(n)) for n in range(3))
    channel = Channel(events_max=5)
    channel.orders = Orders(rules=rules)
    readings = [Observe(metric="up", value=9.0, at=channel.now, labels={"host": str(n)}) for n in range(4)]
    heard = 0
    while heard < 4:
        channel.now += 1
        results = channel.send(*readings[heard:])
        assert [outcome(result) for result in results] == [FIRED] * min(2, 4 - heard)
        heard += len(results)
    assert len(channel.events) == 12
    assert channel.decision.refusals == ()


def test_a_decision_holds_readings_against_so_many_rules_and_leaves_the_rest_to_the_next() -> None:
    channel = Channel()
    channel.orders = Orders(
        rules=tuple(ThresholdRule(id=f"r{n}", framework="f", metric="up", threshold=9.0) for n in range(300))
    )
    readings = [Observe(metric="up", value=1.0, at=channel.now + n) for n in range(20)]
    answered = []
    while sum(answered) < len(readings):
        answered.append(len(channel.send(*readings[sum(answered) :])))
    assert answered == [7, 7, 6]
    assert 6 * 300 < HEARD_MAX <= 7 * 300


def test_receipts_that_find_no_room_come_with_the_next_decision() -> None:
    channel = Channel(events_max=3)
    for title in ("a", "b", "c", "d"):
        channel.ring(title=title)
        channel.ring(title=title)
    channel.now += 300_000_000
    channel.send(Ring(title="e"))
    assert len(channel.decision.events) == 3
    due = channel.machine.next_due()
    assert due is not None
    assert due <= channel.now
    channel.send()
    assert [event.kind for event in channel.decision.events] == [EventKind.RECEIPT, EventKind.RECEIPT]
    assert channel.machine.next_due() is None


def test_a_restarted_machine_goes_on_where_the_store_stands() -> None:
    channel = Channel()
    fired = channel.ring()
    channel.ring(after=0.5)
    channel.wait(1)
    channel.machine = channel.build()
    assert outcome(channel.ring()) == DUPLICATE
    channel.send(acknowledging(alert_id=fired.alert_id or "", by="ann"))
    assert (channel.last().offset, channel.last().alert.occurrences) == (2, 3)
    assert channel.wait(300) == [EventKind.RECEIPT]


def test_what_fell_due_while_the_machine_was_away_happens_at_once() -> None:
    channel = Channel()
    channel.ring()
    channel.ring()
    channel.wait(2)
    channel.now += 1_000_000_000
    channel.machine = channel.build()
    assert channel.wait(0) == [EventKind.RECEIPT]


def test_of_two_recalled_alerts_of_one_identity_the_open_one_stands() -> None:
    channel = Channel()
    old = channel.ring()
    channel.send(resolving(alert_id=old.alert_id or "", by="ann"))
    new = channel.ring(severity=Severity.CRITICAL)
    channel.rows = dict(reversed(channel.rows.items()))
    channel.machine = channel.build()
    assert channel.ring().alert_id == new.alert_id
    (result,) = channel.send(resolving(alert_id=old.alert_id or "", by="ann"))
    assert result.reason is Reason.BUSY, "the older one is forgotten"


def test_ids_of_one_batch_differ_and_sort_in_its_order() -> None:
    channel = Channel()
    ids = [result.alert_id or "" for result in channel.send(*(Ring(title=str(n)) for n in range(200)))]
    assert all(one < other for one, other in pairwise(ids))


def test_a_factory_gives_each_channel_its_own_rules() -> None:
    elsewhere = ThresholdRule(id="theirs", framework="f", metric="m", threshold=0.0, workspace="other")
    orders, build = StandingOrders([CPU, elsewhere], "w"), machine_factory(Policy())
    empty = Recalled(epoch="e", offset=0)
    rings = (Ring(rule_id="cpu"), Ring(rule_id="theirs"))

    def reasons(workspace: str, framework: str) -> list[Reason]:
        those = orders.of(key := ChannelKey(workspace, framework))
        decision = build(key, empty, those).decide(
            Batch("0190a0a0-0000-7000-8000-000000000000", START_US, rings, those)
        )
        return [result.reason for result in decision.results]

    assert reasons("w", "f") == [Reason.FIRED, Reason.UNKNOWN_RULE]
    assert reasons("other", "f") == [Reason.UNKNOWN_RULE, Reason.FIRED]
    assert reasons("w", "g") == [Reason.UNKNOWN_RULE, Reason.UNKNOWN_RULE]


def test_a_rule_without_any_workspace_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="rule 'cpu' names no workspace"):
        StandingOrders([CPU], "")


def test_all_counters_are_written_together_and_at_most_a_thousand_at_once() -> None:
    channel = Channel(events_max=ROWS_MAX + 101)
    rings = [Ring(title=str(n)) for n in range(ROWS_MAX + 100)]
    channel.send(*rings)
    channel.send(*rings)
    channel.now += 500_000
    channel.send(Ring(title="late"))
    channel.send(Ring(title="late"))
    channel.now += 500_000
    channel.send()
    assert len(channel.decision.rows) == ROWS_MAX
    assert channel.machine.next_due() == channel.now
    channel.send()
    assert len(channel.decision.rows) == 101
    assert channel.machine.next_due() == START_US + 300_000_000
