"""Series of our own with known anomalies, for choosing the detector's parameters: never on what is scored later.

Each is drawn from a seed: an ordinary course as monitoring has it (noise, days, weeks, counts, latencies with long
tails, jobs that run every so often, switching loads, slow wandering, long silence), then up to three anomalies put in
(spikes, level shifts, stuck values, other noise, a day that is missing, drift). What is ordinary for its course is no
anomaly: a nightly job's spike belongs to it. Labelled as the Numenta Anomaly Benchmark labels: windows around the
onsets, together a tenth of the series, none within its first 15 %. Some readings are missing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.nab_scorer import Window

WINDOWS_SHARE = 0.1
# Later than probation; early enough for its window.
FIRST_ONSET, LAST_ONSET = 0.22, 0.93
MISSING = 0.005
_DAY_S = 86_400
_START_S = 1_700_000_000


class Labelled(NamedTuple):
    """A series (microseconds since 1970, values) and where its anomalies are."""

    name: str
    at_us: list[int]
    values: list[float]
    windows: list[Window]


class Course(NamedTuple):
    """What is ordinary: its values, and how large a deviation is not worth mentioning."""

    values: list[float]
    spread: float


Maker = Callable[[random.Random, Sequence[int]], Course]
Anomaly = Callable[[random.Random, list[float], int, float], None]


def series(seed: int, each: int = 4) -> list[Labelled]:
    """So many of each course, drawn from a seed."""
    return [
        # Chance for series, not for secrets.
        labelled(f"{make.__name__}-{number}", make, random.Random(f"{seed}/{make.__name__}/{number}"))  # noqa: S311
        for make in COURSES
        for number in range(each)
    ]


def labelled(name: str, make: Maker, chance: random.Random) -> Labelled:
    """One series: a course, with none to three anomalies in it."""
    count, interval_s = chance.choice((1_600, 2_500, 4_000)), chance.choice((300, 300, 300, 900, 3_600))
    at_s = [_START_S + interval_s * number for number in range(count)]
    course = make(chance, at_s)
    onsets = _onsets(chance, count)
    for onset in onsets:
        chance.choice(ANOMALIES)(chance, course.values, onset, course.spread)
    kept = [number for number in range(count) if number in onsets or chance.random() >= MISSING]
    width = round(WINDOWS_SHARE * len(kept) / max(1, len(onsets)))
    windows = [_around(kept.index(onset), width, len(kept)) for onset in onsets]
    at_us = [at_s[number] * 1_000_000 for number in kept]
    return Labelled(name, at_us, [round(course.values[number], 4) for number in kept], windows)


def _onsets(chance: random.Random, count: int) -> list[int]:
    """Where anomalies begin, in order, no two in one window."""
    how_many = chance.choice((0, 1, 1, 2, 2, 3))
    room = (LAST_ONSET - FIRST_ONSET) * count / max(1, how_many)
    return [int(FIRST_ONSET * count + room * (number + 0.7 * chance.random())) for number in range(how_many)]


def _around(onset: int, width: int, count: int) -> Window:
    return Window(max(0, onset - width // 2), min(count - 1, onset + width // 2))


def steady(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A level with noise."""
    level, noise = chance.uniform(10, 1_000), chance.uniform(0.005, 0.15)
    return Course([level * (1 + chance.gauss(0, noise)) for _ in at_s], level * noise)


def daily(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Days with two humps, weekends lower, and noise."""
    level, swing, noise = chance.uniform(50, 500), chance.uniform(0.3, 0.8), chance.uniform(0.01, 0.1)
    phase, weekend = chance.random(), chance.choice((1.0, 1.0, 0.7))
    values = []
    for at in at_s:
        turn = 2 * math.pi * (at / _DAY_S + phase)
        course = 1 + swing * (0.8 * math.sin(turn) + 0.2 * math.sin(2 * turn))
        scale = weekend if at // _DAY_S % 7 in (2, 3) else 1.0
        values.append(level * scale * course * (1 + chance.gauss(0, noise)))
    return Course(values, level * (noise + 0.1 * swing))


def wandering(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A temperature: slow, each value close to the one before."""
    level, pull, step = chance.uniform(20, 100), chance.uniform(0.005, 0.05), chance.uniform(0.1, 0.6)
    values, now = [], 0.0
    for _ in at_s:
        now += chance.gauss(0, step) - pull * now
        values.append(level + now)
    return Course(values, step / math.sqrt(2 * pull))


def counts(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Mentions or requests in each interval: by the hour of the day, in bursts, now and then many."""
    rate, swing = chance.choice((1.5, 8.0, 40.0)), chance.uniform(0.2, 0.8)
    values = []
    for at in at_s:
        mean = rate * (1 + swing * math.sin(2 * math.pi * at / _DAY_S)) * chance.gammavariate(3.0, 1 / 3.0)
        mean *= chance.uniform(3, 8) if chance.random() < 0.004 else 1.0
        values.append(float(max(0, round(chance.gauss(mean, math.sqrt(mean))))))
    return Course(values, 2.0 * rate)


def latency(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A long tail to one side."""
    level, tail = chance.uniform(5, 200), chance.uniform(0.15, 0.6)
    return Course([level * chance.lognormvariate(0, tail) for _ in at_s], level * (math.exp(2 * tail) - 1) / 2)


def jobs(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Nearly idle, with a job every so often, for a few readings."""
    idle, height, every = chance.uniform(0.5, 5), chance.uniform(10, 60), chance.choice((12, 48, 96, 288))
    values = []
    for number, _ in enumerate(at_s):
        is_running = number % every < chance.choice((1, 2, 3))
        values.append(
            abs(idle * (1 + chance.gauss(0, 0.1))) + (height * chance.uniform(0.8, 1.2) if is_running else 0.0)
        )
    return Course(values, height / 3)


def switching(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Two levels, by the hour of the day."""
    low, high, noise = chance.uniform(5, 30), chance.uniform(40, 90), chance.uniform(0.2, 3)
    begin, end = chance.uniform(0.2, 0.4), chance.uniform(0.6, 0.9)
    return Course(
        [(high if begin < at % _DAY_S / _DAY_S < end else low) + chance.gauss(0, noise) for at in at_s],
        (high - low) / 4,
    )


def bursty(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A machine's load: quiet and busy spells of any length, spikes that belong to it."""
    values, level, spread = [], 20.0, chance.uniform(1, 4)
    for _ in at_s:
        if chance.random() < 0.01:
            level = chance.uniform(10, 45)
        spike = chance.uniform(15, 40) if chance.random() < 0.015 else 0.0
        values.append(max(0.0, level + chance.gauss(0, spread) + spike))
    return Course(values, 18.0)


def steps(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Few different values: used slots, queue lengths, a disk's percentage."""
    level = chance.uniform(2, 60)
    return Course([float(round(level + chance.gauss(0, 0.6))) for _ in at_s], 1.0)


def sparse(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Nothing, and now and then something: errors, retries, bytes written by what is mostly idle."""
    share, size = chance.choice((0.003, 0.01, 0.03, 0.1)), chance.choice((1.0, 10.0, 1e6))
    values = [size * chance.lognormvariate(0, 0.8) if chance.random() < share else 0.0 for _ in at_s]
    return Course(values, size * 2)


def plateaus(chance: random.Random, at_s: Sequence[int]) -> Course:
    """The same value for a long time, then another: a setting, a size, a number of machines."""
    values, level = [], chance.uniform(5, 100)
    for _ in at_s:
        if chance.random() < 0.004:
            level += chance.choice((-1, 1)) * chance.uniform(0.5, 3)
        values.append(round(level, 1))
    return Course(values, 8.0)


def flat(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Always the same, or so nearly that only rounding is left."""
    level, rounding = chance.choice((0.0, 20.0, 4096.0)), chance.choice((0.0, 1e-4))
    return Course([level * (1 + chance.choice((-1, 0, 1)) * rounding) for _ in at_s], max(1.0, level * 0.1))


def traffic(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Bytes or requests over several orders of magnitude, in bursts that belong to it."""
    level, tail = 10 ** chance.uniform(2, 6), chance.uniform(0.3, 1.0)
    values, burst = [], 0
    for _ in at_s:
        burst = chance.randint(1, 6) if not burst and chance.random() < 0.01 else max(0, burst - 1)
        values.append(level * chance.lognormvariate(0, tail) * (chance.uniform(5, 30) if burst else 1.0))
    return Course(values, level * 15)


COURSES: Sequence[Maker] = (
    *(steady, daily, daily, wandering, counts, latency, jobs, switching, bursty, bursty, steps),
    *(sparse, sparse, plateaus, flat, traffic, traffic),
)


def spike(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """One to four readings far away."""
    size = chance.choice((1, 1, 1, -1)) * chance.uniform(5, 15) * spread
    for index in range(onset, min(len(values), onset + chance.randint(1, 4))):
        values[index] += size


def shift(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """Another level, for a while or for good."""
    size = chance.choice((1, 1, -1)) * chance.uniform(2, 8) * spread
    for index in range(onset, min(len(values), onset + chance.choice((40, 150, 10_000)))):
        values[index] += size


def stuck(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """The same value again and again, or nothing at all."""
    value = chance.choice((values[onset], 0.0))
    for index in range(onset, min(len(values), onset + chance.randint(60, 200))):
        values[index] = value


def unrest(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """Far more noise, for a while."""
    for index in range(onset, min(len(values), onset + chance.randint(40, 150))):
        values[index] += chance.gauss(0, spread * 4)


def drift(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """Away, slowly, and back at once."""
    length, size = chance.randint(80, 250), chance.uniform(4, 10) * spread
    for index in range(onset, min(len(values), onset + length)):
        values[index] += size * (index - onset) / length


def missing_day(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """A stretch as calm as its first reading, with a little noise: the day that is no day."""
    for index in range(onset, min(len(values), onset + chance.randint(100, 300))):
        values[index] = values[onset] + chance.gauss(0, spread * 0.2)


def crowd(chance: random.Random, values: list[float], onset: int, spread: float) -> None:
    """Spikes as ever, but many of them."""
    for index in range(onset, min(len(values), onset + 100)):
        values[index] += chance.uniform(3, 6) * spread if chance.random() < 0.3 else 0.0


ANOMALIES: Sequence[Anomaly] = (spike, spike, spike, shift, shift, stuck, unrest, drift, missing_day, crowd)
