"""What a series will be: a value for each step ahead, an interval, and courses that it may take.

The series is on a grid of equal steps with holes where nothing was measured. Its baseline is what people would say
(the median of the same slot in the last four weeks); how far the next days will be from it is learnt from how far the
last ones were (`forecast_past`, `forecast_weights`). So it is never much worse than the baseline, and better where the
level moves, weeks do not matter, or a day goes on as it began.

Intervals are conformal: the forecast is made again for each of the last days, each by weights learnt without it, and
what it was off then says how far off it is now (`forecast_spread`). Nothing about the noise is assumed but that the
last weeks' is the next day's as well.

How the numbers here were chosen, and on what: docs/decisions/0023-forecasts.md. Plain Python: about 0.2 s for three
months of hours, so it belongs into a process.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.core.analytics.forecast_past import BASE_WEEKS, WEEK_DAYS, Past, Row
from engine.core.analytics.forecast_spread import spread_of
from engine.core.analytics.forecast_weights import Learnt, dot, learn

# Weeks that weights and intervals are learnt on; older ones were another company.
LEARN_WEEKS = 8
KEEP_DAYS = (LEARN_WEEKS + BASE_WEEKS) * WEEK_DAYS
# Two weeks: the second is what was learnt from the first.
NEEDED_DAYS = 14
# Days are left out together in so many parts, so that neighbours do not tell on each other.
PARTS = 4
COVERAGE = 0.8
# Squares of squares of larger ones are no numbers any more, and neither would be what is told.
VALUE_MAX = 1e60

Values = Sequence[float | None]


class TooLittle(msgspec.Struct, frozen=True):
    """Nothing can be said, and why: `needs 14 days, has 3`."""

    reason: str


class Forecast(msgspec.Struct, frozen=True):
    """Lists of one value a step ahead: expected, and the interval; the first step is the one after the last value.

    `courses`: what the series would do if it went as far off as it went on each day of the past (some steps may be
    None). `offs`: the same for each step alone, every difference of the past. `days`: how many it was learnt on.
    """

    expected: list[float]
    low: list[float]
    high: list[float]
    courses: list[list[float | None]]
    spread: list[float]
    offs: list[float]
    days: int


def forecast(values: Values, per_day: int, ahead: int, coverage: float = COVERAGE) -> Forecast | TooLittle:
    """`ahead` steps after the last of `values`, of which `per_day` make a day (None: not measured). Never negative
    if the past was never. `coverage`: the share of values that the interval is to hold."""
    kept = values[-KEEP_DAYS * per_day :]
    if (reason := _lacks(kept, per_day)) is not None:
        return TooLittle(reason)
    past = Past(kept, per_day, ahead)
    rows = _rows(past, ahead)
    if not rows:
        return TooLittle("the same hours of the last weeks have no readings")
    learnt = learn(rows, [row.origin for row in rows], PARTS)
    return _told(past, learnt, rows, ahead, coverage)


def is_sane(value: float) -> bool:
    """Whether a value can be reckoned with: no infinity, and not nearly."""
    return abs(value) <= VALUE_MAX


def _lacks(kept: Values, per_day: int) -> str | None:
    days = len(kept) // per_day
    measured = sum(value is not None for value in kept)
    if days < NEEDED_DAYS:
        return f"needs {NEEDED_DAYS} days, has {days}"
    if any(value is not None and not is_sane(value) for value in kept):
        return f"values beyond {VALUE_MAX:g} are not predicted"
    if measured < NEEDED_DAYS * per_day // 2:
        return f"needs readings in half of {NEEDED_DAYS} days, has {measured} of {NEEDED_DAYS * per_day} slots"
    return None


def _rows(past: Past, ahead: int) -> list[Row]:
    """What each day of the past would have been told, with what came."""
    newest = past.count - past.per_day
    oldest = max(past.week + 1, newest - (LEARN_WEEKS * WEEK_DAYS - 1) * past.per_day)
    rows = []
    for origin in range(newest, oldest - 1, -past.per_day):
        for at in range(origin, min(origin + ahead, past.count)):
            off = past.off[at]
            if off is not None:
                rows.append(Row(origin, at, past.clues(origin, at), off))
    return rows


def _told(past: Past, learnt: Learnt, rows: Sequence[Row], ahead: int, coverage: float) -> Forecast:
    start, floor = past.count, 0.0 if past.is_positive else float("-inf")
    steps = range(start, start + ahead)
    expected = [past.base(at) + dot(learnt.weights, past.clues(start, at)) for at in steps]
    spread = spread_of(rows, learnt.errors, past.per_day, coverage)
    widths = [spread.scale[at % past.per_day] for at in steps]

    def held(value: float) -> float:
        return max(floor, value)

    return Forecast(
        expected=[held(value) for value in expected],
        low=[held(value + spread.low * width) for value, width in zip(expected, widths, strict=True)],
        high=[held(value + spread.high * width) for value, width in zip(expected, widths, strict=True)],
        courses=[
            [None if off is None else held(value + off * width)
             for value, width, off in zip(expected, widths, path, strict=True)]
            for path in spread.paths(ahead)
        ],
        spread=widths,
        offs=spread.offs,
        days=len({row.origin for row in rows}),
    )  # fmt: skip
