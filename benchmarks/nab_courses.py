"""What is ordinary in our own labelled series (`nab_series`): courses as monitoring has them.

Each comes with its spread: how large a deviation is not worth mentioning. What is ordinary for its course is no
anomaly: a nightly job's spike belongs to it, and so do bursts and levels that come and go, which no label mentions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

DAY_S = 86_400


class Course(NamedTuple):
    """What is ordinary: its values, and how large a deviation is not worth mentioning."""

    values: list[float]
    spread: float


Maker = Callable[[random.Random, Sequence[int]], Course]


def _turn(at: float) -> float:
    return 2 * math.pi * (at / DAY_S)


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
        turn = 2 * math.pi * (at / DAY_S + phase)
        course = 1 + swing * (0.8 * math.sin(turn) + 0.2 * math.sin(2 * turn))
        scale = weekend if at // DAY_S % 7 in (2, 3) else 1.0
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
        mean = rate * (1 + swing * math.sin(2 * math.pi * at / DAY_S)) * chance.gammavariate(3.0, 1 / 3.0)
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
        [(high if begin < at % DAY_S / DAY_S < end else low) + chance.gauss(0, noise) for at in at_s],
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


def busy(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A processor's share: each value close to the one before, a little by the hour, at most 100, seldom a spike."""
    level, noise, keeps = chance.uniform(3, 70), chance.uniform(0.02, 0.25), chance.uniform(0.0, 0.9)
    swing, spikes = chance.choice((0.0, 0.1, 0.4)), chance.choice((0.0, 0.001, 0.003))
    values, now = [], 0.0
    for at in at_s:
        now = keeps * now + chance.gauss(0, noise * math.sqrt(1 - keeps * keeps))
        spike = chance.uniform(0.3, 1.5) if chance.random() < spikes else 0.0
        values.append(min(100.0, max(0.0, level * (1 + swing * math.sin(_turn(at)) + now + spike))))
    return Course(values, level * (noise + 0.3 * swing))


def mentions(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Messages about something: few by night, and each that comes calls for others."""
    rate, swing, echo = chance.choice((0.7, 3.0, 15.0)), chance.uniform(0.3, 0.9), chance.uniform(0.2, 0.8)
    values, heat = [], 0.0
    for at in at_s:
        mean = rate * (1 - echo) * (1 + swing * math.sin(_turn(at))) + echo * heat
        mean *= chance.lognormvariate(0, 0.5)
        mean += rate * chance.paretovariate(1.3) if chance.random() < 0.003 else 0.0
        value = float(max(0, round(chance.gauss(mean, math.sqrt(mean + 0.1)))))
        heat = 0.6 * heat + 0.4 * value
        values.append(value)
    return Course(values, 3.0 * rate)


def road(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A speed or an occupied share: the same until it is the hour of the crowd, noisy, and some readings far off."""
    level, noise = chance.uniform(20, 90), chance.uniform(0.03, 0.12)
    depth, off = chance.choice((-0.5, -0.3, 0.8)), chance.choice((0.0, 0.005))
    values = []
    for at in at_s:
        hour = at % DAY_S / 3_600
        crowd = math.exp(-((hour - 8) ** 2) / 3) + math.exp(-((hour - 17.5) ** 2) / 5)
        crowd *= 0.2 if at // DAY_S % 7 in (2, 3) else chance.uniform(0.7, 1.3)
        value = level * (1 + depth * crowd + chance.gauss(0, noise))
        values.append(max(0.0, value * (chance.uniform(0.3, 1.8) if chance.random() < off else 1.0)))
    return Course(values, level * (noise + 0.15))


def price(chance: random.Random, at_s: Sequence[int]) -> Course:
    """What something costs by the hour: around a floor, dearer by day, with a tail upwards."""
    level, tail, swing = chance.uniform(0.05, 5), chance.uniform(0.1, 0.5), chance.uniform(0.0, 0.3)
    values = []
    for at in at_s:
        dear = chance.paretovariate(2.0) if chance.random() < 0.008 else 1.0
        values.append(level * (1 + swing * math.sin(_turn(at))) * chance.lognormvariate(0, tail) * dear)
    return Course(values, 2 * level * (tail + swing))


def filling(chance: random.Random, at_s: Sequence[int]) -> Course:
    """A disk or a heap: it fills, and is emptied when it is full enough."""
    rate, full, noise = _of(chance, 0.02, 1.0), chance.uniform(60, 95), chance.uniform(0.0, 0.5)
    values, now = [], chance.uniform(5, 50)
    for _ in at_s:
        now += rate * chance.uniform(0.5, 1.5)
        now = chance.uniform(3, 10) if now > full else now
        values.append(now + chance.gauss(0, noise))
    return Course(values, 8.0)


def clockwork(chance: random.Random, at_s: Sequence[int]) -> Course:
    """The same day again and again, as a machine makes it: hardly any noise."""
    low, high, noise = chance.uniform(0, 30), chance.uniform(50, 120), chance.choice((0.0, 0.1, 1.5))
    begin, is_square = chance.uniform(0.1, 0.5), chance.random() < 0.6
    values = []
    for at in at_s:
        share = at % DAY_S / DAY_S
        up = float(begin < share < begin + 0.4) if is_square else max(0.0, math.sin(_turn(at)))
        values.append(low + (high - low) * up + noise * chance.random())
    return Course(values, (high - low) / 5)


def growing(chance: random.Random, at_s: Sequence[int]) -> Course:
    """More every day, with noise: users, rows, memory that nobody gives back."""
    level, noise = chance.uniform(10, 1_000), chance.uniform(0.003, 0.05)
    slope = chance.uniform(0.2, 2.0) / len(at_s)
    values = [level * (1 + slope * number + chance.gauss(0, noise)) for number, _ in enumerate(at_s)]
    return Course(values, level * (noise + 0.03))


def replicas(chance: random.Random, at_s: Sequence[int]) -> Course:
    """How many there are: added and taken away as the day needs it, a step now and then."""
    level, swing = chance.uniform(3, 40), chance.choice((0.0, 0.3, 0.6))
    values, now = [], round(level)
    for at in at_s:
        wanted = level * (1 + swing * math.sin(_turn(at)))
        if abs(wanted - now) > 1 and chance.random() < 0.3:
            now += 1 if wanted > now else -1
        values.append(float(now + (chance.choice((-1, 1)) if chance.random() < 0.01 else 0)))
    return Course(values, max(1.5, level * (0.1 + swing / 2)))


def regimes(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Settings that come and go for days: each has its own level and its own noise."""
    settings = [(chance.uniform(10, 100), _of(chance, 0.3, 8)) for _ in range(chance.choice((2, 3)))]
    values, (level, noise) = [], settings[0]
    for _ in at_s:
        if chance.random() < 0.006:
            level, noise = chance.choice(settings)
        values.append(max(0.0, level + chance.gauss(0, noise)))
    return Course(values, 15.0)


def writes(chance: random.Random, at_s: Sequence[int]) -> Course:
    """Bytes written: a trickle, and every so often a flush of any size."""
    trickle, size, share = _of(chance, 1, 1e4), _of(chance, 1e5, 1e7), chance.choice((0.01, 0.05, 0.2))
    values = [
        trickle * chance.lognormvariate(0, 0.5)
        + (size * chance.lognormvariate(0, 0.6) if chance.random() < share else 0)
        for _ in at_s
    ]
    return Course(values, size * 1.5)


def _of(chance: random.Random, low: float, high: float) -> float:
    """A number of any order of magnitude between two."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


COURSES: Sequence[Maker] = (
    *(steady, daily, daily, wandering, counts, latency, jobs, switching, bursty, bursty, steps),
    *(sparse, sparse, plateaus, flat, traffic, traffic),
    *(busy, busy, busy, mentions, mentions, road, road, price, filling, clockwork, clockwork),
    *(growing, replicas, regimes, writes),
)
