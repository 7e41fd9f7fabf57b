"""What counts are made of: stretches of time, bins of durations, and sums of figures."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.analytics.calendar import Width, end_of, start_of
from engine.core.analytics.counts import ENDED, FIGURES, NONE, Counts, total
from engine.core.analytics.durations import DURATION_MAX_MS, RELATIVE_ERROR, bin_of, middle_of, percentile
from engine.stores.tables.aggregate_counts import _bin
from protocol.times import SECOND_US, TIME_MAX_US, parse_rfc3339, rfc3339

MOMENTS = st.integers(0, TIME_MAX_US - 366 * 86_400 * SECOND_US)
DURATIONS = st.integers(0, DURATION_MAX_MS) | st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("width", "start", "end"),
    [
        (Width.HOUR, "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
        (Width.DAY, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        (Width.WEEK, "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"),
        (Width.MONTH, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    ],
)
def test_a_moment_is_in_its_hour_day_week_and_month(width: Width, start: str, end: str) -> None:
    at = parse_rfc3339("2024-02-29T23:59:59.999999Z")
    assert (start_of(width, at), end_of(width, at)) == (parse_rfc3339(start), parse_rfc3339(end))
    assert start_of(width, end_of(width, at)) == end_of(width, at)


@given(MOMENTS, st.sampled_from(Width))
def test_each_moment_is_in_one_stretch_of_each_width(at: int, width: Width) -> None:
    start, end = start_of(width, at), end_of(width, at)
    assert start <= at < end
    assert start_of(width, start) == start == start_of(width, end - 1)
    day = datetime.fromisoformat(rfc3339(start)).astimezone(UTC)
    assert width is not Width.WEEK or day.isoweekday() == 1
    assert width is not Width.MONTH or day.day == 1


@given(DURATIONS)
def test_the_middle_of_a_bin_is_close_to_each_duration_in_it(duration: int) -> None:
    assert abs(middle_of(bin_of(duration)) - duration) <= duration * RELATIVE_ERROR


@given(DURATIONS, DURATIONS)
def test_bins_are_in_the_order_of_their_durations(one: int, other: int) -> None:
    assert (bin_of(one) <= bin_of(other)) == (one <= other or bin_of(one) == bin_of(other))


def test_what_is_too_long_or_negative_is_in_the_last_bin_or_the_first() -> None:
    assert bin_of(-5) == bin_of(0) == 0
    assert bin_of(DURATION_MAX_MS + 1) == bin_of(DURATION_MAX_MS) < ENDED


def test_sql_sorts_durations_into_the_same_bins() -> None:
    draw = random.Random(3)
    durations = [*range(5_000), *(draw.randrange(DURATION_MAX_MS + 1) >> draw.randrange(40) for _ in range(5_000))]
    with closing(sqlite3.connect(":memory:")) as connection:
        for duration in [*durations, DURATION_MAX_MS]:
            assert connection.execute(f"SELECT {_bin('d')} FROM (SELECT ? AS d)", (duration,)).fetchone() == (
                bin_of(duration),
            )


@given(st.lists(DURATIONS, min_size=1), st.sampled_from((50.0, 95.0)))
def test_a_percentile_is_that_of_the_durations_but_for_the_width_of_a_bin(durations: list[int], percent: float) -> None:
    bins: dict[int, int] = {}
    for duration in durations:
        bins[bin_of(duration)] = bins.get(bin_of(duration), 0) + 1
    exact = sorted(durations)[-(-len(durations) * int(percent) // 100) - 1]
    found = percentile(bins, percent)
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 50) is None


FIGURED = st.builds(
    Counts,
    st.tuples(*(st.integers(0, 10**12) for _ in FIGURES)),
    st.dictionaries(st.integers(0, 1_600), st.integers(1, 10**9), max_size=9),
)


@given(st.lists(FIGURED), st.randoms(use_true_random=False))
def test_counts_add_up_in_any_order_and_can_be_taken_away_again(parts: list[Counts], shuffled: random.Random) -> None:
    whole = total(parts)
    shuffled.shuffle(parts)
    summed = NONE
    for part in parts:
        summed = summed.plus(part)
    assert summed == whole
    for part in parts:
        summed = summed.minus(part)
    assert summed == NONE


def test_counts_know_their_figures_by_name_and_whose_times_are_whose() -> None:
    counts = Counts(tuple(range(1, 16)), {3: 1, ENDED + 4: 2})
    assert (counts.alerts, counts.of("ended_ms")) == (1, 15)
    assert (counts.taken_times(), counts.ended_times()) == ({3: 1}, {4: 2})


@pytest.mark.parametrize(("least", "notified"), [(0, 2), (1, 2), (4, 4), (9, 5)])
def test_who_was_notified_once_stays_so_among_those_that_there_are(least: int, notified: int) -> None:
    counts = Counts(tuple({"alerts": 5, "notified": 2}.get(name, 0) for name in FIGURES))
    assert counts.with_notified(least).of("notified") == notified
