"""A rule over readings of the past: what it would have told, in the order and at the times of a real channel."""

from __future__ import annotations

from engine.core.rules.backtest import EVENTS_MAX, backtest
from protocol.commands import Observe
from protocol.model import EventKind, QuietedBy, Reason
from protocol.rules import ActiveHours, MilestoneRule, ThresholdRule
from protocol.times import SECOND_US, rfc3339

START = 1_700_000_000 * SECOND_US
RULE = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0, for_s=60.0, enabled=False)


def reading(after_s: float, value: float, **labels: str) -> Observe:
    return Observe(metric="temp", value=value, at=START + int(after_s * SECOND_US), labels=labels)


def test_a_backtest_tells_what_would_have_been_told_and_when() -> None:
    found = backtest(RULE, [reading(0, 60.0), reading(100, 60.0), reading(110, 40.0), reading(120, 40.0)], 300.0)
    assert [(event.event, event.at) for event in found.events] == [
        (EventKind.FIRED, rfc3339(START + 60 * SECOND_US)),
        (EventKind.RESOLVED, rfc3339(START + 110 * SECOND_US)),
    ]
    assert found.reasons == {"pending": 1, "duplicate": 1, "resolved": 1, "below_threshold": 1}
    assert (found.readings, found.told, found.more) == (4, {"fired": 1, "resolved": 1}, 0)
    assert (found.notified, [event.notifies for event in found.events]) == (2, [True, True])
    assert (found.events[0].title, found.events[0].value, found.events[0].threshold) == ("temp > 50", 60.0, 50.0)


def test_readings_are_heard_in_the_order_in_which_they_came() -> None:
    found = backtest(RULE, [reading(10, 40.0), reading(5, 60.0)], 300.0)
    assert found.reasons == {"below_threshold": 1, "late": 1}


def test_what_windows_swallow_is_in_their_receipts() -> None:
    rule = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0)
    found = backtest(rule, [reading(after, 60.0) for after in range(5)], 10.0, until=START + 60 * SECOND_US)
    assert [(event.event, event.swallowed) for event in found.events] == [
        (EventKind.FIRED, 0),
        (EventKind.RECEIPT, 4),
    ]


def test_what_was_worth_ringing_and_did_not_ring_is_told_by_reason_and_time() -> None:
    rule = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0)
    values = {0: 60.0, 1: 60.0, 2: 60.0, 3: 40.0, 4: 60.0, 12: 60.0, 13: 60.0}
    found = backtest(rule, [reading(after, value) for after, value in values.items()], 10.0)
    at = {after: rfc3339(START + after * SECOND_US) for after in values}
    assert [(each.reason, each.first_at, each.last_at, each.count) for each in found.suppressed] == [
        (Reason.DUPLICATE, at[1], at[2], 2),
        (Reason.COOLDOWN, at[4], at[4], 1),
        (Reason.DUPLICATE, at[13], at[13], 1),
    ]
    assert found.told == {"fired": 2, "resolved": 1, "receipt": 1}
    # Nobody is notified of a receipt.
    assert found.notified == 3


def test_what_would_have_been_quiet_says_why() -> None:
    never = ActiveHours(start="00:00", end="00:01", days=("mon",))
    rule = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0, schedule=never)
    found = backtest(rule, [reading(0, 60.0)], 300.0)
    assert [(event.event, event.quieted_by) for event in found.events] == [(EventKind.FIRED, QuietedBy.MUTED_HOURS)]
    assert [each.reason for each in found.suppressed] == [Reason.MUTED_HOURS]


def test_suppressed_ones_past_a_thousand_stretches_are_only_counted() -> None:
    rule = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0)
    each_twice = [reading(host, 60.0, host=str(host)) for host in range(EVENTS_MAX + 2) for _ in range(2)]
    found = backtest(rule, each_twice, 1e6)
    assert (len(found.suppressed), found.reasons["duplicate"]) == (EVENTS_MAX, EVENTS_MAX + 2)


def test_time_goes_on_after_the_last_reading_if_that_is_asked_for() -> None:
    readings = [reading(0, 60.0)]
    assert backtest(RULE, readings, 300.0).told == {}
    assert backtest(RULE, readings, 300.0, until=START + 60 * SECOND_US).told == {"fired": 1}


def test_events_past_a_thousand_are_only_counted() -> None:
    rule = MilestoneRule(id="m", framework="f", metric="temp", goals=tuple(float(n) for n in range(1, 51)))
    found = backtest(rule, [reading(number, 50.0, host=str(number)) for number in range(30)], 300.0)
    assert (len(found.events), found.more, found.told) == (EVENTS_MAX, 500, {"fired": 1_500})
