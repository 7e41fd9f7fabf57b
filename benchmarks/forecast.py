"""`forecast`: how well a day ahead is told, beside what anybody could say: last week's, and the median of four weeks.

`--data DIR` (or TOCSIN_NAB_DATA) is a checkout of numenta/NAB, of which the taxi rides of New York are forecast: each
day the 48 half-hours of the next one, with all that was known at midnight. Told are the two stretches of 14 days whose
seasonal median is off by 3.96 %, and every day from the seventh week on, storms and holidays included. Without it
series of our own are forecast (`forecast_series`), of the kind that the method was chosen on.

WAPE: the sum of what a forecast is off, per cent of the sum of what came. Coverage: of the 80 % interval.
`python benchmarks/forecast.py --data DIR` is the same as `tocsin bench forecast --data DIR`.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from benchmarks.control import BenchmarkError
from benchmarks.forecast_series import Course, courses
from benchmarks.machine import machine_card
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from engine.core.analytics.forecast import COVERAGE, Forecast, forecast
from engine.core.analytics.forecast_past import Past

TAXI = Path("data/realKnownCause/nyc_taxi.csv")
TAXI_BEGAN, TAXI_PER_DAY = date(2014, 7, 1), 48
# Both give the seasonal median 3.96 %; fixed before the first forecast was scored.
STRETCH_DAYS = 14
STRETCHES = {"autumn": date(2014, 11, 8), "september": date(2014, 9, 29)}
# Every day of the rest of the file: from the seventh week on there is something to learn from.
ALL_FROM = date(2014, 8, 12)
OWN_SEED, OWN_EACH, OWN_DAYS, SHORT_OWN_DAYS = 1, 2, 14, 2
WEEKS_BACK = 5

CHECKS = [
    Goal("share_of_median", "WAPE, per cent of the seasonal median's, the worst stretch", 100.0),
    Goal("autumn_coverage", "coverage of the 80 % interval, 14 days", 75.0, at_least=True),
    Goal("autumn_coverage", "the same", 85.0),
    Goal("all_coverage", "coverage of the 80 % interval, all days", 75.0, at_least=True),
    Goal("all_coverage", "the same", 85.0),
]

OWN_CHECKS = [
    Goal("share_of_median", "WAPE, per cent of the seasonal median's, on average", 100.0),
    Goal("coverage_off", "the 80 % interval holds 80 %, give or take", 5.0),
]


class Told(NamedTuple):
    """A day as it was forecast: values, and their interval if there is one."""

    expected: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


Forecaster = Callable[[Sequence[float | None], int, int], Told]


class Day(NamedTuple):
    """What a day's forecast was off, what came, and how many of its values were in their interval."""

    off: float
    total: float
    inside: int
    values: int


class Score(NamedTuple):
    """Over some days: WAPE and coverage, both in per cent (coverage 0 without intervals)."""

    wape: float
    coverage: float


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if the data are not there or not what they should be."""
    folder = options.data or (Path(given) if (given := os.environ.get("TOCSIN_NAB_DATA")) else None)
    figures = Figures(delivers=False)
    stretches = _own(options.short) if folder is None else _taxi(read(folder), options.short)
    ratios, covered = [], []
    for name, course, days in stretches:
        began = time.perf_counter()
        by_day = {peer: scored(course, days, told) for peer, told in PEERS.items()}
        scores = {peer: score(those) for peer, those in by_day.items()}
        figures.add(f"{name}_s_per_forecast", (time.perf_counter() - began) / max(1, len(days)))
        for peer, found in scores.items():
            figures.add(f"{name}_{peer}_wape", found.wape)
        figures.add(f"{name}_coverage", scores["ours"].coverage)
        off, base = (scores[peer].wape for peer in ("ours", "median"))
        ratios.append(100 * off / base)
        covered.append(scores["ours"].coverage)
        if name == "all":
            figures.add("stretches_better_percent", better(by_day["ours"], by_day["median"]))
    figures.add("share_of_median", max(ratios) if folder is not None else fmean(ratios))
    figures.add("coverage_off", abs(fmean(covered) - 100 * COVERAGE))
    conditions = {
        "data": "our own series" if folder is None else "NYC taxi (Numenta Anomaly Benchmark)",
        "ahead": "one day, each day anew",
        "stretches": {name: len(days) for name, _, days in stretches},
        "machine": machine_card(Path.cwd()),
    }
    plotted = [(f"{stretches[0][0]}_{peer}_wape", peer) for peer in PEERS]
    return make_report("forecast", conditions, figures, CHECKS if folder is not None else OWN_CHECKS, plotted)


def scored(course: Course, days: Sequence[int], told: Forecaster) -> list[Day]:
    """Forecasts each of these days (numbers of days since the first) with what was known before it."""
    found = []
    for day in days:
        start = day * course.per_day
        came = course.values[start : start + course.per_day]
        said = told(course.values[:start], course.per_day, len(came))
        known = [(step, value) for step, value in enumerate(came) if value is not None]
        inside = sum(said.low[step] <= value <= said.high[step] for step, value in known) if said.low else 0
        off = sum(abs(value - said.expected[step]) for step, value in known)
        found.append(Day(off, sum(abs(value) for _, value in known), inside, len(known)))
    return found


def score(days: Sequence[Day]) -> Score:
    """All of them together."""
    off, total, inside, count = (sum(column) for column in zip(*days, strict=True))
    return Score(100 * off / (total or 1.0), 100 * inside / max(1, count))


def better(ours: Sequence[Day], theirs: Sequence[Day]) -> float:
    """Of all stretches of 14 days, per cent in which we are off by less."""
    starts = range(max(1, len(ours) - STRETCH_DAYS + 1))
    wins = sum(
        score(ours[start : start + STRETCH_DAYS]).wape < score(theirs[start : start + STRETCH_DAYS]).wape
        for start in starts
    )
    return 100 * wins / len(starts)


def seasonal_naive(values: Sequence[float | None], per_day: int, ahead: int) -> Told:
    """The same as a week ago."""
    week = values[-7 * per_day :]
    return Told([week[step % len(week)] or 0.0 for step in range(ahead)])


def seasonal_median(values: Sequence[float | None], per_day: int, ahead: int) -> Told:
    """The median of the same slot in the last four weeks."""
    past = Past(values[-WEEKS_BACK * 7 * per_day :], per_day, ahead)
    return Told([past.base(past.count + step) for step in range(ahead)])


def ours(values: Sequence[float | None], per_day: int, ahead: int) -> Told:
    """What the engine forecasts. Raises BenchmarkError if that is nothing."""
    found = forecast(values, per_day, ahead, COVERAGE)
    if not isinstance(found, Forecast):
        raise BenchmarkError(f"nothing is forecast: {found.reason}")
    return Told(found.expected, found.low, found.high)


PEERS: dict[str, Forecaster] = {"naive": seasonal_naive, "median": seasonal_median, "ours": ours}
Stretch = tuple[str, Course, list[int]]


def _own(is_short: bool) -> list[Stretch]:
    days = SHORT_OWN_DAYS if is_short else OWN_DAYS
    return [
        (course.name, course, list(range(84 - days, 84))) for course in courses(OWN_SEED, 1 if is_short else OWN_EACH)
    ]


def _taxi(course: Course, is_short: bool) -> list[Stretch]:
    found = []
    for name, first in STRETCHES.items():
        begins = (first - TAXI_BEGAN).days
        found.append((name, course, list(range(begins, begins + (1 if is_short else STRETCH_DAYS)))))
    begins = (ALL_FROM - TAXI_BEGAN).days
    every = list(range(begins, len(course.values) // course.per_day))
    return [*found, ("all", course, every[:1] if is_short else every)]


def read(folder: Path) -> Course:
    """The taxi rides: half-hours without a hole. Raises BenchmarkError."""
    try:
        with (folder / TAXI).open(newline="") as lines:
            values: list[float | None] = [float(row["value"]) for row in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError) as fault:
        raise BenchmarkError(
            f"{folder / TAXI} cannot be read ({fault}): --data is a checkout of github.com/numenta/NAB"
        ) from fault
    return Course("nyc_taxi", TAXI_PER_DAY, values)


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(["forecast", *sys.argv[1:]]))
