"""The log of readings: every accepted reading is part of the decision, and a restart can see it again."""

from __future__ import annotations

from engine.core.channel import ChannelMachine
from engine.core.log import ReadingLog
from engine.core.turn import Policy
from protocol.commands import Batch, Observe
from protocol.effects import Decision, Recalled
from protocol.limits import Limit
from protocol.model import ChannelKey, Reason, Status
from protocol.orders import NO_ORDERS
from protocol.readings import Logged, LoggedSeries
from protocol.times import SECOND_US

KEY = ChannelKey("acme", "web")
NOW = 1_700_000_000 * SECOND_US


def machine(recalled: Recalled | None = None, **policy: int) -> ChannelMachine:
    return ChannelMachine(KEY, recalled or Recalled(epoch="e", offset=0), NO_ORDERS, Policy(**policy))


def read(one: ChannelMachine, *readings: Observe) -> Decision:
    return one.decide(Batch("0190a0a0-0000-7000-8000-000000000000", NOW, readings))


def cpu(value: float, at: int = NOW, **labels: str) -> Observe:
    return Observe(metric="cpu", value=value, at=at, labels=labels)


def test_readings_are_logged_in_columns_with_the_decision_whether_a_rule_minds_or_not() -> None:
    decision = read(machine(), cpu(1.5, NOW - 7, host="a"), cpu(2.5), cpu(3.5, host="a"))
    assert decision.readings == Logged(1, NOW, [1, 2, 1], [NOW - 7, NOW, NOW], [1.5, 2.5, 3.5])
    assert decision.series == (LoggedSeries(1, "cpu", {"host": "a"}), LoggedSeries(2, "cpu"))
    assert decision.is_durable


def test_the_log_and_the_series_are_numbered_on_and_a_decision_without_readings_adds_nothing() -> None:
    one = machine(Recalled(epoch="e", offset=0, seq=41, series=(LoggedSeries(1, "cpu", {"host": "a"}),)))
    first, nothing, second = read(one, cpu(1.0, host="a")), read(one), read(one, cpu(2.0))
    assert (first.readings, first.series) == (Logged(42, NOW, [1], [NOW], [1.0]), ())
    assert (nothing.readings, nothing.is_durable) == (None, False)
    assert (second.readings, second.series) == (Logged(43, NOW, [2], [NOW], [2.0]), (LoggedSeries(2, "cpu"),))


def test_labels_without_end_are_refused_and_known_series_go_on() -> None:
    one = machine(reading_series_max=2)
    read(one, cpu(1.0, host="a"), cpu(1.0, host="b"))
    decision = read(one, cpu(1.0, host="c"), cpu(2.0, host="b"))
    refused, taken = decision.results
    assert (refused.status, refused.reason) == (Status.REJECTED, Reason.INVALID)
    assert "reading_series: 2 series (metric and labels) in this channel, limit 2" in (refused.message or "")
    assert decision.refusals == (Limit.READING_SERIES,)
    assert taken.status is Status.BELOW_THRESHOLD
    assert decision.readings == Logged(2, NOW, [2], [NOW], [2.0])


def test_what_is_replayed_is_what_was_read() -> None:
    readings = (cpu(1.5, NOW - 7, host="a"), Observe(metric="mem", value=2.0, at=NOW), cpu(3.5, host="a"))
    decision = read(machine(), *readings)
    assert decision.readings is not None
    recalled = Recalled(epoch="e", offset=0, seq=1, series=decision.series, readings=(decision.readings,))
    log = ReadingLog(recalled, 10)
    assert [(row.seq, log.hearing, number, again) for row, number, again in log.replay(recalled)] == [
        (1, 1, 1, readings[0]),
        (1, 1, 2, readings[1]),
        (1, 1, 1, readings[2]),
    ]
    assert (log.hearing, log.heard) == (2, 0)
