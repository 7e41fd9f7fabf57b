"""Counts as people are shown them, and the hours of a week in a time zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US
from engine.core.analytics.counts import ENDED, FIGURES, NONE, Counts
from engine.core.analytics.durations import RELATIVE_ERROR, bin_of
from engine.core.analytics.figures import JUDGED_NEEDED, figures_of, quality_of, watched_us
from engine.core.analytics.heatmap import heat_map
from protocol.analytics import Took
from protocol.times import parse_rfc3339


def a_count(times: dict[int, int] | None = None, **figures: int) -> Counts:
    return Counts(tuple(figures.get(name, 0) for name in FIGURES), times or {})


def test_of_nothing_nothing_is_said() -> None:
    figures = figures_of(NONE)
    assert (figures.alerts, figures.noise_ratio, figures.precision) == (0, None, None)
    assert figures.to_acknowledge == figures.to_resolve == Took(count=0)


def test_means_are_exact_and_percentiles_are_those_of_the_bins() -> None:
    times = {bin_of(1_000): 9, bin_of(60_000): 1, ENDED + bin_of(5): 2}
    counts = a_count(times, alerts=20, noisy=5, confirmed=6, false_alarms=2, taken=10, taken_ms=69_000, ended=2)
    figures = figures_of(counts)
    assert (figures.noise_ratio, figures.precision) == (0.25, 0.75)
    assert (figures.to_acknowledge.count, figures.to_acknowledge.mean_s) == (10, 6.9)
    assert figures.to_acknowledge.p50_s is not None
    assert figures.to_acknowledge.p95_s is not None
    assert abs(figures.to_acknowledge.p50_s - 1) <= RELATIVE_ERROR
    assert abs(figures.to_acknowledge.p95_s - 60) <= 60 * RELATIVE_ERROR
    assert figures.to_resolve == Took(count=2, mean_s=0.0, p50_s=0.005, p95_s=0.005)


def test_a_rule_is_judged_by_its_alerts_once_there_are_enough() -> None:
    few = quality_of("cpu", "web", a_count(alerts=9, confirmed=5, false_alarms=4), 2 * WEEK_US)
    assert (few.judged, few.judged_needed, few.precision) == (9, JUDGED_NEEDED, None)
    assert few.false_alarms_per_week == 2.0
    many = quality_of("cpu", "web", a_count(alerts=20, confirmed=15, false_alarms=5), WEEK_US)
    assert (many.judged, many.precision, many.false_alarms_per_week) == (20, 0.75, 5.0)
    assert (many.rule_id, many.framework_id, many.lead_s) == ("cpu", "web", None)
    foreseen = quality_of("cpu", "web", a_count(alerts=1), WEEK_US, [0, 1, 2] + [0] * 45)
    assert foreseen.lead_s == 2.5 * 3_600


def test_a_week_is_one_that_somebody_watched() -> None:
    since, until = 10 * WEEK_US, 14 * WEEK_US
    assert watched_us(since, until, None) == watched_us(since, until, 0) == 4 * WEEK_US
    assert watched_us(since, until, 12 * WEEK_US) == 2 * WEEK_US
    assert watched_us(since, until, until - 1) == watched_us(until - WEEK_US, until, until - 1) == WEEK_US
    assert watched_us(until - 2, until, until - 1) == 2


def test_a_week_has_each_hour_once_and_alerts_are_where_they_came() -> None:
    since = parse_rfc3339("2026-01-05T00:00:00Z")
    monday_at_7, sunday_at_23 = since + 7 * HOUR_US, since + 6 * DAY_US + 23 * HOUR_US
    alerts, hours = heat_map({monday_at_7: 3, sunday_at_23: 2}, since, since + WEEK_US, ZoneInfo("UTC"))
    assert hours == [[1] * 24] * 7
    assert (alerts[0][7], alerts[6][23], sum(map(sum, alerts))) == (3, 2, 5)


def test_the_hours_are_those_of_the_zone() -> None:
    since = parse_rfc3339("2026-01-05T00:00:00Z")
    alerts, _ = heat_map({since: 1}, since, since + HOUR_US, ZoneInfo("America/New_York"))
    assert alerts[6][19] == 1
    # Half past five there: the hour of UTC counts where it begins.
    alerts, _ = heat_map({since: 1}, since, since + HOUR_US, ZoneInfo("Asia/Kolkata"))
    assert alerts[0][5] == 1


def test_a_night_in_which_clocks_are_set_back_has_an_hour_twice_and_one_in_spring_an_hour_less() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn, spring = parse_rfc3339("2026-10-24T22:00:00Z"), parse_rfc3339("2026-03-28T23:00:00Z")
    assert heat_map({}, autumn, autumn + 25 * HOUR_US, berlin)[1][6] == [1, 1, 2, *[1] * 21]
    assert heat_map({}, spring, spring + 23 * HOUR_US, berlin)[1][6] == [1, 1, 0, *[1] * 21]
