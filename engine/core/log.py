"""The log of one channel's readings: what is accepted is stored with the decision that it led to.

Owns the numbers of the channel's series and of its log for one run; the store owns them between runs. What rules
remember is always a snapshot, and the log after it: `replay`. The number of series is bounded: labels that somebody
makes up without end are refused, and those that are known go on.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.core.turn import Turn, rejected
from protocol.commands import Observe
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import Reason
from protocol.readings import Logged, LoggedSeries

LabelSet = frozenset[tuple[str, str]]
_Name = tuple[str, LabelSet]


class ReadingLog:
    """Numbers readings, and gathers those of a decision."""

    def __init__(self, recalled: Recalled, series_max: int) -> None:
        # The last row of the log; which row is being heard now, live or again; and what it costs to hear again all
        # that came so far: a reading counts for each rule that it was held against, and at least once.
        self.seq = recalled.seq
        self.hearing = recalled.seq + 1
        self.heard = 0
        self._series_max = series_max
        # Series that count towards the limit and are not here: a copy holds only some of a channel's.
        self.others = 0
        # In the order of the numbers.
        series = sorted(recalled.series, key=lambda each: each.number)
        self._numbers: dict[_Name, int] = {_name(each.metric, each.labels): each.number for each in series}

    @property
    def used(self) -> int:
        """How many series count towards the limit."""
        return len(self._numbers) + self.others

    def number(self, turn: Turn, reading: Observe) -> int | None:
        """The number of a reading's series, which may be a new one; None: it would be one too many."""
        name = _name(reading.metric, reading.labels)
        number = self._numbers.get(name)
        if number is None and self.used < self._series_max:
            number = self._numbers[name] = len(self._numbers) + 1
            turn.series.append(LoggedSeries(number, reading.metric, reading.labels))
        return number

    def numbered(self, after: int) -> Iterator[tuple[int, str, LabelSet]]:
        """All series behind a number: number, metric and labels, in order."""
        for (metric, labels), number in self._numbers.items():
            if number > after:
                yield number, metric, labels

    def known(self, metric: str, labels: LabelSet) -> int | None:
        """The number of a series, if it has one."""
        return self._numbers.get((metric, labels))

    def refusal(self, turn: Turn) -> ItemResult:
        """The answer to a reading that would be of one series too many. It is no use to try again."""
        turn.refusals.append(Limit.READING_SERIES)
        return rejected(
            Reason.INVALID,
            f"{Limit.READING_SERIES.value}: {self.used} series (metric and labels) in this channel, limit "
            f"{self._series_max}; leave out labels that are different for every reading",
        )

    def note(self, turn: Turn, number: int, reading: Observe) -> None:
        """A reading is stored with this decision."""
        turn.numbers.append(number)
        turn.times.append(reading.at)
        turn.values.append(reading.value)

    def close(self, turn: Turn) -> Logged | None:
        """The row of the log that this decision adds, if it has any readings."""
        if not turn.values:
            return None
        self.seq += 1
        self.hearing = self.seq + 1
        self.heard += max(turn.heard, len(turn.values))
        return Logged(self.seq, turn.now, turn.numbers, turn.times, turn.values)

    def replay(self, recalled: Recalled) -> Iterator[tuple[Logged, int, Observe]]:
        """The readings that not all stored rule states have heard, in order: row, number of the series, reading.

        A state that has heard `row.seq` ignores it. Whoever lets them be heard counts them (`heard`).
        """
        series = {each.number: each for each in recalled.series}
        for row in recalled.readings:
            self.hearing = row.seq
            for number, at, value in zip(row.series, row.times, row.values, strict=True):
                known = series[number]
                yield row, number, Observe(metric=known.metric, value=value, at=at, labels=known.labels)
        self.hearing = self.seq + 1


def _name(metric: str, labels: dict[str, str]) -> _Name:
    return metric, frozenset(labels.items())
