"""Histories of alerts with patterns planted in them, and without: what the miners are held against. From a seed.

Noise: sources that ring as a Poisson process, each at a rate of its own, somebody caring about every other alert; some
of what they send comes in storms of many hosts. A planted pattern holds on most occasions (`HOLDS`), jitters, and its
sources ring by themselves, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from engine.core.analytics.patterns.past import DAY_S, Occurrence, Past, past_of
from protocol.patterns import PatternKind, Source

DAYS = 56
# 2026-01-05, a Monday; far from any edge.
SINCE = 1_767_571_200.0
HOLDS = 0.9
_HOUR_S = 3_600.0

Truth = tuple[PatternKind, frozenset[str]]


@dataclass
class History:
    """Alerts as they are made, and what was planted among them: kind and names of rules."""

    random: Random
    days: int = DAYS
    alerts: list[Occurrence] = field(default_factory=list)
    truth: set[Truth] = field(default_factory=set)

    @property
    def until(self) -> float:
        """Its end."""
        return SINCE + self.days * DAY_S

    def past(self) -> Past:
        """What the miners are given."""
        return past_of(self.alerts, SINCE, self.until)

    def ring(
        self, rule: str, at: float, *, host: str = "h1", lasts_s: float | None = None, heeded: float = 0.5
    ) -> None:
        """One alert, if it is in time."""
        if SINCE <= at < self.until:
            lasts_s = self.random.expovariate(1 / _HOUR_S) if lasts_s is None else lasts_s
            ended = at + lasts_s if at + lasts_s < self.until else None
            is_heeded = self.random.random() < heeded
            name = f"{rule}:{len(self.alerts):06d}"
            self.alerts.append(Occurrence(name, Source("web", rule, rule), f"{rule}/{host}", at, ended, is_heeded))

    def noise(self, rule: str, per_day: float) -> None:
        """Comes at any time; one in twenty with many hosts at once."""
        at = SINCE
        while (at := at + self.random.expovariate(per_day / DAY_S)) < self.until:
            hosts = self.random.randint(5, 20) if self.random.random() < 0.05 else 1
            for _ in range(hosts):
                self.ring(rule, at + self.random.uniform(0, 60 * (hosts > 1)), host=f"h{self.random.randint(1, 40)}")

    def office(self, rule: str, per_day: float) -> None:
        """Comes at any time, six times as often on weekdays from 8 to 18 o'clock: what people do there, rings."""
        at = SINCE
        while (at := at + self.random.expovariate(2 * per_day / DAY_S)) < self.until:
            hour, is_weekday = (at % DAY_S) / _HOUR_S, int((at - SINCE) // DAY_S) % 7 < 5
            if (is_weekday and 8 <= hour < 18) or self.random.random() < 1 / 6:
                self.ring(rule, at, host=f"h{self.random.randint(1, 40)}")

    def plant(self, kind: PatternKind, *rules: str) -> None:
        """Plants one, and remembers it."""
        self.truth.add((kind, frozenset(rules)))
        _PLANTERS[kind](self, *rules)

    def moments(self, per_day: float) -> Iterator[float]:
        """Moments at any time, more than two hours apart."""
        at = SINCE
        while (at := at + 2 * _HOUR_S + self.random.expovariate(per_day / DAY_S)) < self.until:
            yield at

    def holds(self) -> bool:
        """Whether it does this time."""
        return self.random.random() < HOLDS


def _recurring(history: History, rule: str) -> None:
    minute = history.random.randrange(1440)
    for day in range(history.days):
        if history.holds():
            history.ring(rule, SINCE + day * DAY_S + minute * 60 + history.random.gauss(0, 240))
    history.noise(rule, 0.5)


def plant_weekly(history: History, rule: str) -> None:
    """On one weekday, at one time of it."""
    history.truth.add((PatternKind.RECURRING, frozenset((rule,))))
    minute, weekday = history.random.randrange(120, 1320), history.random.randrange(7)
    for day in range(weekday, history.days, 7):
        # Each week: eight of them are few.
        history.ring(rule, SINCE + day * DAY_S + minute * 60 + history.random.gauss(0, 600))
    history.noise(rule, 0.1)


def _together(history: History, one: str, two: str) -> None:
    for at in history.moments(0.8):
        history.ring(one, at)
        if history.holds():
            history.ring(two, at + history.random.gauss(0, 40))
    history.noise(two, 0.3)


def _sequence(history: History, one: str, two: str) -> None:
    lag_s = history.random.uniform(120, 1_200)
    for at in history.moments(0.8):
        history.ring(one, at)
        if history.holds():
            history.ring(two, at + max(30.0, history.random.gauss(lag_s, lag_s / 5)))
    history.noise(two, 0.3)


def _escalating(history: History, rule: str) -> None:
    for day in range(history.days):
        left = max(0, day - history.days + 28) / 28
        count = _poisson(history.random, 1.0 + 9.0 * left)
        for _ in range(count):
            history.ring(rule, SINCE + (day + history.random.random()) * DAY_S)


def _flapping(history: History, rule: str) -> None:
    for at in history.moments(0.3):
        begin = at
        for _ in range(history.random.randint(4, 9)):
            lasts_s = history.random.uniform(30, 400)
            history.ring(rule, begin, lasts_s=lasts_s, heeded=0.7)
            begin += lasts_s + history.random.uniform(310, 900)


def _noisy(history: History, rule: str) -> None:
    at = SINCE
    while (at := at + history.random.expovariate(30 / DAY_S)) < history.until:
        history.ring(rule, at, host=f"h{history.random.randint(1, 40)}", heeded=0.05)


def _poisson(random: Random, mean: float) -> int:
    count, left = 0, random.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + random.expovariate(1.0)
    return count


_PLANTERS: dict[PatternKind, Callable[..., None]] = {
    PatternKind.RECURRING: _recurring,
    PatternKind.CO_OCCURRENCE: _together,
    PatternKind.SEQUENCE: _sequence,
    PatternKind.ESCALATING: _escalating,
    PatternKind.FLAPPING: _flapping,
    PatternKind.NOISY: _noisy,
}


def noise(seed: int, sources: int = 40) -> History:
    """A history in which there is nothing to find."""
    history = History(Random(f"noise {seed}"), DAYS)  # noqa: S311  # a generator of tests
    for n in range(sources):
        history.noise(f"noise-{n}", history.random.uniform(0.1, 4.0))
    return history


def office(seed: int, sources: int = 40) -> History:
    """A history in which there is nothing to find but that people work by day."""
    history = History(Random(f"office {seed}"), DAYS)  # noqa: S311
    for n in range(sources):
        history.office(f"office-{n}", history.random.uniform(0.1, 4.0))
    return history


def planted(seed: int, each: int = 2, sources: int = 20) -> History:
    """A history with so many patterns of each kind, among as much noise."""
    history = noise(seed, sources)
    history.random = Random(f"planted {seed}")  # noqa: S311
    for kind in PatternKind:
        for n in range(each):
            names = [f"{kind.value}-{n}-{part}" for part in "ab"]
            is_pair = kind in (PatternKind.CO_OCCURRENCE, PatternKind.SEQUENCE)
            history.plant(kind, *names[: 2 if is_pair else 1])
    for n in range(each):
        plant_weekly(history, f"weekly-{n}")
    return history
