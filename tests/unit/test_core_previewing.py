"""Previews in the channel's machine: the same answer as the real thing, every reason, and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.flapping import Flapping
from protocol.commands import Observe, Preview, Ring
from protocol.model import Reason, Severity, Status
from protocol.orders import Orders
from protocol.previews import Previewed
from protocol.rules import MilestoneRule, NoData, ThresholdRule
from tests.support.quieted import OFFICE, START, Channel, come_and_go, silence

CPU = ThresholdRule(id="cpu", framework="f", metric="cpu", threshold=90.0)
OFF = ThresholdRule(id="off", framework="f", metric="cpu", threshold=1.0, enabled=False)
LONG = ThresholdRule(id="long", framework="f", metric="slow", threshold=1.0, for_s=60.0, no_data=NoData.OK)
GOAL = MilestoneRule(id="goal", framework="f", metric="sold", goals=(100.0,), progress=(50.0,))


def channel_of(**policy: Any) -> Channel:
    channel = Channel(**policy)
    channel.orders = Orders(rules=(CPU, OFF, LONG, GOAL, OFFICE))
    channel.build()
    return channel


def preview(channel: Channel, command: Ring | Observe) -> Previewed:
    """Asked twice, stored and told nothing."""
    before = channel.machine.next_due()
    ((first,), (again,)) = [channel.send(Preview(commands=(command,))) for _ in range(2)]
    assert first == again
    assert isinstance(first, Previewed)
    assert (channel.decision.rows, channel.decision.events, channel.decision.is_durable) == ((), (), False)
    assert channel.machine.next_due() == before
    return first


def foresees(channel: Channel, command: Ring | Observe) -> Previewed:
    """A preview, and then the real thing, which must be the same."""
    foreseen = preview(channel, command)
    (real,) = channel.send(command)
    assert (foreseen.status, foreseen.reason) == (real.status, real.reason)
    assert foreseen.alert_id in (None, real.alert_id)
    return foreseen


def holding(previewed: Previewed) -> list[Reason]:
    return [check.reason for check in previewed.checks if check.holds]


DISK = Ring(title="disk")


def test_every_reason_is_there_in_its_order_and_none_holds_when_it_would_ring() -> None:
    previewed = foresees(channel_of(), DISK)
    assert [check.reason.value for check in previewed.checks] == [
        "unknown_rule", "disabled", "below_threshold", "duplicate", "maintenance", "silenced", "muted_hours",
        "flapping", "storm",
    ]  # fmt: skip
    assert (previewed.status, holding(previewed)) == (Status.FIRED, [])


def test_a_rule_that_does_not_exist_is_said_at_once() -> None:
    assert holding(foresees(channel_of(), Ring(rule_id="nobody"))) == [Reason.UNKNOWN_RULE]


def test_a_disabled_rule_is_the_answer_whatever_else_holds() -> None:
    channel = channel_of()
    channel.quiet(silence(alertname="off"))
    assert holding(foresees(channel, Ring(rule_id="off"))) == [Reason.DISABLED, Reason.SILENCED]


def test_a_value_below_the_threshold_is_said_with_both() -> None:
    previewed = foresees(channel_of(), Ring(rule_id="cpu", current_value=50.0))
    assert (previewed.status, previewed.rule_id) == (Status.BELOW_THRESHOLD, "cpu")
    assert previewed.checks[2].text == "50 > 90: no"


def test_a_duplicate_names_the_alert_and_its_window() -> None:
    channel = channel_of()
    alert_id = channel.ring().alert_id
    previewed = foresees(channel, DISK)
    assert (previewed.reason, previewed.alert_id) == (Reason.DUPLICATE, alert_id)
    assert previewed.checks[3].text == f"alert {alert_id} is open, its window ends at 2026-01-05T12:05:00.000000Z"


def test_a_cooldown_a_repetition_and_a_raise_are_foreseen() -> None:
    channel = channel_of()
    result = channel.ring()
    assert foresees(channel, replace(DISK, severity=Severity.ERROR)).reason is Reason.RAISED
    channel.wait(300)
    assert foresees(channel, DISK).reason is Reason.REPEATED
    channel.resolve(result)
    assert foresees(channel, DISK).reason is Reason.COOLDOWN


def test_a_silence_is_named_with_its_end() -> None:
    channel = channel_of()
    channel.quiet(silence())
    previewed = foresees(channel, DISK)
    assert previewed.reason is Reason.SILENCED
    (check,) = [check for check in previewed.checks if check.holds]
    assert "silence s1 matches, until 2026-01-05T13:00:00" in check.text


def test_flapping_is_foreseen_before_it_begins() -> None:
    channel = channel_of(flapping=Flapping(start_percent=25.0), suppression_s=0.0)
    come_and_go(channel, 2)
    assert foresees(channel, DISK).reason is Reason.FLAPPING


def test_a_storm_is_foreseen_and_costs_nothing() -> None:
    channel = channel_of(storm_per_minute=1)
    assert foresees(channel, replace(DISK, dedup_key="1")).reason is Reason.FIRED
    assert foresees(channel, replace(DISK, dedup_key="2")).reason is Reason.STORM
    assert foresees(channel, replace(DISK, dedup_key="3", severity=Severity.CRITICAL)).reason is Reason.FIRED


def test_what_rings_already_needs_no_budget() -> None:
    channel = channel_of(storm_per_minute=1)
    channel.ring(dedup_key="1")
    channel.now += 1
    channel.ring(dedup_key="2")
    assert foresees(channel, replace(DISK, dedup_key="1", severity=Severity.ERROR)).reason is Reason.RAISED


@pytest.mark.parametrize(
    ("metric", "values"),
    [("cpu", [50.0, 95.0, 96.0, 40.0, 39.0]), ("slow", [2.0, 2.0, 0.0]), ("sold", [20.0, 60.0, 120.0]), ("m", [2.0])],
)
def test_a_reading_is_foreseen_by_copies_of_what_hears_it(metric: str, values: list[float]) -> None:
    channel = channel_of()
    for value in values:
        previewed = foresees(channel, Observe(metric=metric, value=value, at=channel.now))
        assert [rule.rule_id for rule in previewed.rules] == [previewed.rule_id]
        channel.wait(40)


def test_a_reading_that_no_rule_watches_says_so_and_a_late_one_too() -> None:
    channel = channel_of()
    assert foresees(channel, Observe(metric="none", value=1.0, at=START)).rules == ()
    channel.send(Observe(metric="cpu", value=50.0, at=START))
    assert foresees(channel, Observe(metric="cpu", value=95.0, at=START - 10**12)).reason is Reason.LATE


def test_a_preview_waits_for_nothing_that_time_has_brought_meanwhile() -> None:
    channel = channel_of()
    channel.send(Observe(metric="slow", value=2.0, at=START))
    channel.now += 61_000_000
    (previewed,) = channel.send(Preview(commands=(Observe(metric="slow", value=2.0, at=channel.now),)))
    assert previewed.status is Status.FIRED
