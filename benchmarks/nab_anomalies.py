"""The anomalies that are put into our own labelled series (`nab_series`): what goes wrong, and how plainly.

Each changes a course from its onset on. Sizes are drawn on a logarithmic scale from hardly to plainly visible, because
people also label what is hardly visible; a detector that is only ever shown plain ones learns to be deaf.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

_LONG = 10_000


class Place(NamedTuple):
    """Where an anomaly goes: its onset, how large a deviation is not worth mentioning, how many readings a day has."""

    onset: int
    spread: float
    day: int


Anomaly = Callable[[random.Random, list[float], Place], None]


def _size(chance: random.Random, low: float, high: float) -> float:
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def _stretch(values: Sequence[float], place: Place, length: float) -> range:
    return range(place.onset, min(len(values), place.onset + max(1, round(length))))


def spike(chance: random.Random, values: list[float], place: Place) -> None:
    """One to four readings far away."""
    size = chance.choice((1, 1, 1, -1)) * _size(chance, 2.5, 20) * place.spread
    for index in _stretch(values, place, chance.randint(1, 4)):
        values[index] += size


def surge(chance: random.Random, values: list[float], place: Place) -> None:
    """Several times as much as ever, for a quarter of an hour or for hours."""
    factor, length = _size(chance, 1.4, 6), _size(chance, 3, 60)
    for index in _stretch(values, place, length):
        values[index] = values[index] * factor + chance.gauss(0, 0.5 * place.spread)


def outage(chance: random.Random, values: list[float], place: Place) -> None:
    """Next to nothing, or a small share of it, for a while."""
    share, length = chance.choice((0.0, 0.1, 0.4)), _size(chance, 2, 80)
    for index in _stretch(values, place, length):
        values[index] *= share


def shift(chance: random.Random, values: list[float], place: Place) -> None:
    """Another level, for a while or for good."""
    size = chance.choice((1, 1, -1)) * _size(chance, 1.2, 8) * place.spread
    for index in _stretch(values, place, chance.choice((40, 150, _LONG))):
        values[index] += size


def stuck(chance: random.Random, values: list[float], place: Place) -> None:
    """The same value again and again, or nothing at all."""
    value = chance.choice((values[place.onset], 0.0))
    for index in _stretch(values, place, _size(chance, 15, 250)):
        values[index] = value


def unrest(chance: random.Random, values: list[float], place: Place) -> None:
    """More noise, for a while."""
    size = _size(chance, 1.2, 5) * place.spread
    for index in _stretch(values, place, _size(chance, 20, 200)):
        values[index] += chance.gauss(0, size)


def drift(chance: random.Random, values: list[float], place: Place) -> None:
    """Away, slowly, and back at once, or down to nothing."""
    length, size = _size(chance, 40, 400), chance.choice((1, -1)) * _size(chance, 2, 10) * place.spread
    stretch = _stretch(values, place, length)
    for index in stretch:
        values[index] += size * (index - place.onset) / length
    if chance.random() < 0.3:
        outage(chance, values, place._replace(onset=stretch[-1]))


def calm(chance: random.Random, values: list[float], place: Place) -> None:
    """A stretch as calm as its first reading, with a little noise: the day that is no day."""
    value, noise = values[place.onset], place.spread * _size(chance, 0.05, 0.5)
    for index in _stretch(values, place, _size(chance, 40, 300)):
        values[index] = value + chance.gauss(0, noise)


def crowd(chance: random.Random, values: list[float], place: Place) -> None:
    """Spikes as ever, but many of them."""
    share, height = _size(chance, 0.05, 0.4), _size(chance, 2, 6)
    for index in _stretch(values, place, _size(chance, 40, 200)):
        values[index] += chance.uniform(0.7, 1.3) * height * place.spread if chance.random() < share else 0.0


def holiday(chance: random.Random, values: list[float], place: Place) -> None:
    """A day that is less, or more, than such a day is."""
    share = chance.choice((0.3, 0.5, 0.65, 0.8, 1.3, 1.6))
    for index in _stretch(values, place, place.day * chance.choice((0.4, 1, 2))):
        values[index] *= share


def out_of_step(chance: random.Random, values: list[float], place: Place) -> None:
    """What belongs to another time of the day."""
    offset = round(place.day * chance.uniform(0.2, 0.6))
    before = list(values)
    for index in _stretch(values, place, place.day * chance.choice((0.5, 1, 2))):
        values[index] = before[max(0, index - offset)]


ANOMALIES: Sequence[Anomaly] = (
    *(spike, spike, spike, surge, surge, outage, outage, shift, shift, shift, stuck, unrest, unrest),
    *(drift, drift, calm, crowd, holiday, out_of_step),
)
