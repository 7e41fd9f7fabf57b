"""Series of our own with known anomalies, for choosing the detector's parameters: never on what is scored later.

Each is drawn from a seed: an ordinary course as monitoring has it (`nab_courses`), then up to four anomalies put in
(`nab_anomalies`). Labelled as the Numenta Anomaly Benchmark labels: windows around the onsets, together a tenth of the
series, none within its first 15 %. People do not see an onset to the reading: the windows' middles are a little off.
Some readings are missing.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from benchmarks.nab_anomalies import ANOMALIES, Place
from benchmarks.nab_courses import COURSES, DAY_S, Maker
from benchmarks.nab_scorer import Window

WINDOWS_SHARE = 0.1
# Later than probation; early enough for its window.
FIRST_ONSET, LAST_ONSET = 0.25, 0.93
# So much of a window its middle is off the onset, mostly and at most.
OFF, OFF_MAX = 0.15, 0.4
MISSING = 0.005
_START_S = 1_700_000_000


class Labelled(NamedTuple):
    """A series (microseconds since 1970, values) and where its anomalies are."""

    name: str
    at_us: list[int]
    values: list[float]
    windows: list[Window]


def series(seed: int, each: int = 4) -> list[Labelled]:
    """So many of each course, drawn from a seed."""
    return [
        # Chance for series, not for secrets.
        labelled(f"{make.__name__}-{place}-{number}", make, random.Random(f"{seed}/{place}/{number}"))  # noqa: S311
        for place, make in enumerate(COURSES)
        for number in range(each)
    ]


def labelled(name: str, make: Maker, chance: random.Random) -> Labelled:
    """One series: a course, with none to four anomalies in it."""
    count, interval_s = (
        chance.choice((1_600, 2_500, 4_000, 4_000, 4_000, 8_000, 16_000)),
        chance.choice((300, 300, 300, 300, 900, 1_800, 3_600)),
    )
    at_s = [_START_S + interval_s * number for number in range(count)]
    course = make(chance, at_s)
    onsets = _onsets(chance, count)
    for onset in onsets:
        chance.choice(ANOMALIES)(chance, course.values, Place(onset, course.spread, DAY_S // interval_s))
    kept = [number for number in range(count) if number in onsets or chance.random() >= MISSING]
    width = round(WINDOWS_SHARE * len(kept) / max(1, len(onsets)))
    windows = [_around(kept.index(onset) + _off(chance, width), width, len(kept)) for onset in onsets]
    at_us = [at_s[number] * 1_000_000 for number in kept]
    return Labelled(name, at_us, [round(course.values[number], 4) for number in kept], windows)


def _onsets(chance: random.Random, count: int) -> list[int]:
    """Where anomalies begin, in order, no two in one window."""
    how_many = chance.choice((0, 1, 1, 2, 2, 2, 3, 4))
    room = (LAST_ONSET - FIRST_ONSET) * count / max(1, how_many)
    return [int(FIRST_ONSET * count + room * (number + 0.5 * chance.random())) for number in range(how_many)]


def _off(chance: random.Random, width: int) -> int:
    return round(width * max(-OFF_MAX, min(OFF_MAX, chance.gauss(0, OFF))))


def _around(middle: int, width: int, count: int) -> Window:
    return Window(max(0, middle - width // 2), min(count - 1, middle + width // 2))
