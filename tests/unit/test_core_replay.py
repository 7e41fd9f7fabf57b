"""Roll-ups heard again by each kind of rule: what fires is what fired over the readings, and what cannot be is said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.core.rules import replay as module
from engine.core.rules.backtest import Backtest, backtest
from engine.core.rules.replay import Stretch, replay
from protocol.model import Comparison
from protocol.readings import ReadingPoint
from protocol.rules import (
    Aggregate,
    AnomalyRule,
    MilestoneRule,
    NoData,
    Objective,
    PerformanceRule,
    Rule,
    ThresholdRule,
)
from protocol.times import SECOND_US, rfc3339

# On the hour.
START_S = 1_700_000_000 // 3_600 * 3_600
HOUR_S = 3_600
Series = Sequence[tuple[int, float]]


def rolled(metric: str, series: Series, width_s: int) -> Stretch:
    """What is kept of readings (seconds after START_S, values): each, or by so many seconds."""
    buckets: dict[int, list[float]] = {}
    for place, (after, value) in enumerate(series):
        buckets.setdefault(after // width_s * width_s if width_s else place, []).append(value)
    points = [
        ReadingPoint(
            at=rfc3339((START_S + (start if width_s else series[start][0])) * SECOND_US),
            labels={},
            value=sum(values) / len(values),
            count=len(values),
            min=min(values),
            max=max(values),
            sum=sum(values),
            last=values[-1],
        )
        for start, values in buckets.items()
    ]
    return Stretch(metric, width_s, points)


def run(rule: Rule, width_s: int, **series: Series) -> tuple[Backtest, str | None]:
    """What becomes of a rule over such readings, until two hours after the last one."""
    until = (START_S + max(after for each in series.values() for after, _ in each) + 2 * HOUR_S) * SECOND_US
    rule, readings, note = replay(rule, [rolled(metric, each, width_s) for metric, each in series.items()], until)
    return backtest(rule, readings, 300.0, until), note


def threshold(aggregate: str = "last", above: float = 90.0, comparison: str = ">", **fields: float) -> ThresholdRule:
    return ThresholdRule(
        id="r", framework="f", metric="m", threshold=above, aggregate=Aggregate(aggregate),
        comparison=Comparison(comparison), **fields,
    )  # fmt: skip


def performance(objective: str, above: float, **fields: float) -> PerformanceRule:
    return PerformanceRule(
        id="r", framework="f", metric="m", objective=Objective(objective), threshold=above,
        total_metric=None if objective == "percentile" else "total", **fields,
    )  # fmt: skip


def every(step_s: int, *values: float, hours: int = 1) -> Series:
    """Hours with a reading each so many seconds: that of each hour, or the same one in all."""
    each = values if len(values) > 1 else values * hours
    return [(HOUR_S * hour + after, value) for hour, value in enumerate(each) for after in range(0, HOUR_S, step_s)]


SPIKE = [*every(20, 50.0), (HOUR_S, 95.0), (HOUR_S + 20, 50.0), *[(2 * HOUR_S + t, 50.0) for t in range(0, 600, 20)]]
DIP = [(after, 100.0 - value) for after, value in SPIKE]
CALM, BUSY = every(20, 10.0), every(20, 10.0, 30.0, 30.0, 10.0)
HOURS_2 = 2 * HOUR_S
# The rule, its readings, and whether it fires.
CASES: list[tuple[str, Rule, dict[str, Series], bool]] = [
    ("last above", threshold(), {"m": SPIKE}, True),
    ("last not above", threshold(above=96), {"m": SPIKE}, False),
    ("last below", threshold(above=10, comparison="<"), {"m": DIP}, True),
    ("last not below", threshold(above=4, comparison="<="), {"m": DIP}, False),
    ("outside", threshold(above=20, upper=80, comparison="outside"), {"m": SPIKE}, True),
    ("not outside", threshold(above=20, upper=96, comparison="outside"), {"m": SPIKE}, False),
    ("different", threshold(above=50, comparison="!="), {"m": SPIKE}, True),
    ("between", threshold(above=90, upper=99, comparison="between"), {"m": SPIKE}, True),
    ("held for long", threshold(above=20, for_s=HOURS_2 - 100), {"m": BUSY}, True),
    ("not held for long", threshold(above=20, for_s=3 * HOUR_S), {"m": BUSY}, False),
    ("avg", threshold("avg", above=29, window_s=HOURS_2), {"m": BUSY}, True),
    ("not avg", threshold("avg", above=30, window_s=HOURS_2), {"m": BUSY}, False),
    ("avg of few and many", threshold("avg", 40, window_s=HOURS_2), {"m": [*CALM, (HOUR_S, 90.0)]}, False),
    ("min", threshold("min", above=29, window_s=HOURS_2), {"m": BUSY}, True),
    ("not min", threshold("min", above=29, window_s=3 * HOUR_S), {"m": BUSY}, False),
    ("max", threshold("max", above=90, window_s=HOUR_S), {"m": SPIKE}, True),
    ("not max below", threshold("max", above=50, comparison="<", window_s=HOUR_S), {"m": SPIKE}, False),
    ("sum", threshold("sum", above=1_700, window_s=HOUR_S), {"m": CALM}, True),
    ("not sum", threshold("sum", above=1_800, window_s=HOUR_S), {"m": CALM}, False),
    ("sum of a narrow window", threshold("sum", above=140, window_s=300), {"m": CALM}, True),
    ("not sum of a narrow window", threshold("sum", above=160, window_s=300), {"m": CALM}, False),
    ("count", threshold("count", above=170, window_s=HOUR_S), {"m": CALM}, True),
    ("not count", threshold("count", above=180, window_s=HOUR_S), {"m": CALM}, False),
    ("rate", threshold("rate", above=0.001, window_s=3 * HOUR_S), {"m": BUSY}, True),
    ("not rate", threshold("rate", above=1.0, window_s=3 * HOUR_S), {"m": BUSY}, False),
    ("goal", MilestoneRule(id="r", framework="f", metric="m", goals=(95.0,)), {"m": SPIKE}, True),
    ("no goal", MilestoneRule(id="r", framework="f", metric="m", goals=(96.0,)), {"m": SPIKE}, False),
    ("sum reached", MilestoneRule(id="r", framework="f", metric="m", goals=(1_800.0,), is_cumulative=True),
     {"m": CALM}, True),
    ("sum not reached", MilestoneRule(id="r", framework="f", metric="m", goals=(1_801.0,), is_cumulative=True),
     {"m": CALM}, False),
    ("error rate", performance("error_rate", 0.4, window_s=HOUR_S), {"m": every(20, 5.0), "total": CALM}, True),
    ("no error rate", performance("error_rate", 0.6, window_s=HOUR_S, at_least=100.0),
     {"m": every(20, 5.0, hours=4), "total": every(20, 10.0, hours=4)}, False),
    ("a total too small", performance("error_rate", 0.4, at_least=200.0), {"m": every(20, 5.0), "total": CALM}, False),
    ("burn rate", performance("burn_rate", 14.4, window_s=HOUR_S, short_window_s=300.0),
     {"m": every(20, 0.5), "total": CALM}, True),
    ("no burn rate", performance("burn_rate", 60.0, window_s=HOUR_S, short_window_s=300.0),
     {"m": every(20, 0.5), "total": CALM}, False),
    ("percentile", performance("percentile", 25.0, window_s=HOURS_2, at_least=100.0), {"m": BUSY}, True),
    ("no percentile", performance("percentile", 90.0, window_s=HOURS_2, at_least=100.0), {"m": SPIKE}, False),
    ("percentile of one an hour", performance("percentile", 25.0), {"m": every(HOUR_S, 10.0, 30.0)}, True),
    ("too few for a percentile", performance("percentile", 25.0, window_s=HOUR_S, at_least=181.0), {"m": BUSY}, False),
    ("anomaly", AnomalyRule(id="r", framework="f", metric="m", warm_up=10),
     {"m": [*every(600, *(10.0 + hour % 2 for hour in range(40))), *((40 * HOUR_S + t, 90.0) for t in (0, 20))]}, True),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "series", "fires"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_rule_says_the_same_to_readings_by_the_minute_and_by_the_hour(
    rule: Rule, series: dict[str, Series], fires: bool
) -> None:
    for width_s in (0, 60, HOUR_S):
        found, _ = run(rule, width_s, **series)
        assert ("fired" in found.told) is fires, (width_s, found)


@pytest.mark.parametrize("width_s", [60, HOUR_S])
@pytest.mark.parametrize("window_s", [300.0, HOUR_S, 6 * HOUR_S])
def test_a_rate_that_goes_on_does_not_end_between_totals_and_errors(width_s: int, window_s: float) -> None:
    rule = performance("error_rate", 0.39, window_s=window_s)
    series = {"m": every(20, *[1.0] * 8, *[4.0] * 8), "total": every(20, 10.0, hours=16)}
    found, _ = run(rule, width_s, **series)
    assert (found.told["fired"], found.told.get("resolved", 0)) == (1, 0)


@pytest.mark.parametrize("width_s", [0, 60, HOUR_S])
def test_a_count_keeps_its_name_and_its_number(width_s: int) -> None:
    found, _ = run(threshold("count", above=170, window_s=HOUR_S), width_s, m=CALM)
    assert (found.events[0].title, found.events[0].threshold) == ("count of m over 3600 s > 170", 170)


def test_what_was_over_within_an_hour_ends_with_its_last_reading() -> None:
    found, _ = run(threshold(), HOUR_S, m=SPIKE)
    assert [(each.event.value, each.at) for each in found.events if each.event.value != "receipt"] == [
        ("fired", rfc3339((START_S + HOUR_S) * SECOND_US)),
        ("resolved", rfc3339((START_S + 2 * HOUR_S) * SECOND_US - 1)),
    ]


NOTES = [
    (threshold(), None),
    (threshold("sum", window_s=HOUR_S), None),
    (threshold(for_s=60.0), "readings are averages of 1 h; shorter breaches are not seen"),
    (threshold(comparison="==", above=1), "only the least, the greatest and the last reading of each 1 h"),
    (threshold("rate", window_s=HOURS_2), "rates are reckoned from the last reading of each 1 h"),
    (threshold("sum", window_s=300.0), "the window is shorter than 1 h"),
    (threshold("max", window_s=HOUR_S, for_s=60.0), "for_s is shorter than 1 h"),
    (performance("percentile", 1.0, window_s=HOUR_S), "percentiles are estimated from the least, the greatest"),
    (performance("burn_rate", 1.0, window_s=HOUR_S, short_window_s=300.0), "the window is shorter than 1 h"),
    (AnomalyRule(id="r", framework="f", metric="m"), "readings are averages of 1 h: what is usual is learned from"),
    (ThresholdRule(id="r", framework="f", metric="m", threshold=1, no_data=NoData.ALERT), "silence shorter than twice"),
    (MilestoneRule(id="r", framework="f", metric="m", goals=(1.0,)), None),
]


@pytest.mark.parametrize(("rule", "note"), NOTES)
def test_what_hours_cannot_tell_a_rule_is_said(rule: Rule, note: str | None) -> None:
    _, said = run(rule, HOUR_S, m=CALM)
    assert (note is None and said is None) or (note is not None and said is not None and note in said)
    assert run(rule, 0, m=CALM)[1] is None, "readings tell everything"


def test_a_series_that_never_was_silent_is_not_silent_by_the_hour() -> None:
    rule = ThresholdRule(id="r", framework="f", metric="m", threshold=99, no_data=NoData.ALERT, no_data_s=300.0)
    until = (START_S + 4 * HOUR_S) * SECOND_US
    asked, readings, _ = replay(rule, [rolled("m", BUSY, HOUR_S)], until)
    assert backtest(asked, readings, 300.0, until).told == {}


def test_forms_are_mixed_and_only_the_coarsest_that_held_something_is_noted() -> None:
    rule = threshold("sum", above=3_500, window_s=HOURS_2)
    minutes = [(HOUR_S + after, value) for after, value in CALM]
    stretches = [rolled("m", minutes, 60), rolled("m", CALM, HOUR_S)]
    asked, readings, note = replay(rule, stretches, (START_S + HOURS_2) * SECOND_US)
    assert "fired" in backtest(asked, readings, 300.0).told
    assert note is None
    assert replay(threshold("sum", window_s=60.0), [rolled("m", CALM, 60), Stretch("m", HOUR_S, [])], 0).note is None


def test_no_more_is_made_of_roll_ups_than_can_be_run_and_what_counts_is_scaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REPLAYED_MAX", 72)
    percentile = performance("percentile", 25.0, window_s=HOURS_2, at_least=100.0)
    found, _ = run(percentile, HOUR_S, m=BUSY)
    assert (found.readings, "fired" in found.told) == (72, True)
    found, _ = run(threshold("sum", above=160, window_s=10.0), HOUR_S, m=BUSY)
    assert found.readings == 72


def test_a_last_reading_of_an_hour_that_is_not_over_is_not_in_the_future() -> None:
    until = (START_S + 600) * SECOND_US
    _, readings, _ = replay(threshold(), [rolled("m", CALM, HOUR_S)], until)
    assert [reading.at for reading in readings] == [START_S * SECOND_US, until]
