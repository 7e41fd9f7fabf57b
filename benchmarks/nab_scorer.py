"""The score of the Numenta Anomaly Benchmark, our own implementation. Pure.

Rules (Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms"; numenta/NAB, version 1.1):
- A detector gives each record a score; a record is a detection where its score is at least the threshold, which is the
  same for all files and is the one that serves the profile best.
- The first detection inside a window counts, the more the earlier: a scaled sigmoid from 1 at the window's left edge to
  nearly 0 at its right one. A window without a detection costs the profile's weight of a miss.
- Every detection outside costs: up to the weight of a false alarm, less right behind a window (the same sigmoid).
- The first 15 % of a file, at most 750 records, are probation and count neither way.
- 0 is what a detector gets that detects nothing, 100 what one gets that detects each window at its first record.

`Sheet` knows what each record would be worth; it knows no detector.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

PROBATION_SHARE = 0.15
PROBATION_MAX = 750
# Behind a window, in widths of it: from here on a false alarm costs all of its weight.
FAR = 3.0


class Profile(NamedTuple):
    """What an application pays for a detection, a false alarm and a miss."""

    hit: float
    false_alarm: float
    miss: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}


class Window(NamedTuple):
    """The first and the last record of a labelled anomaly (indices)."""

    first: int
    last: int


class Outcome(NamedTuple):
    """What a threshold comes to. `false_alarms`: records that are detections outside of windows."""

    score: float
    threshold: float
    found: int
    false_alarms: int


class Record(NamedTuple):
    """A record's worth if it is a detection: for its window (an id), or outside (-1)."""

    window: int
    worth: float


def probation(records: int) -> int:
    """How many of a file's records count neither way."""
    return min(math.floor(PROBATION_SHARE * records), PROBATION_MAX)


def sigmoid(position: float) -> float:
    """1 far left of a window's right edge (position 0), -1 far right of it."""
    return -1.0 if position >= FAR else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


class Sheet:
    """What every record of all files is worth, and how many windows there are to find."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.windows = 0

    def add(self, records: int, windows: Sequence[Window]) -> None:
        """A file with so many records and these windows, in order. Its scores are the next ones."""
        ahead, width, edge, begin = list(windows), 0, 0, probation(records)
        inside: Window | None = None
        for index in range(records):
            if inside is None and ahead and index == ahead[0].first:
                inside = ahead.pop(0)
                width, edge = inside.last - inside.first + 1, inside.last
                self.windows += 1
            if inside is not None:
                record = Record(self.windows - 1, sigmoid((index - edge - 1) / width) / sigmoid(-1.0))
                inside = None if index == edge else inside
            else:
                record = Record(-1, sigmoid((index - edge) / max(1, width - 1)) if width else -1.0)
            self.records.append(record if index >= begin else _NOTHING)

    @property
    def counted(self) -> int:
        """Records outside of probation."""
        return sum(record is not _NOTHING for record in self.records)

    def best(self, scores: Sequence[float], profile: Profile) -> Outcome:
        """The outcome with the threshold that serves the profile best (a detector that never detects gets 0)."""
        return max(self._sweep(scores, profile), key=lambda outcome: outcome.score)

    def at(self, scores: Sequence[float], profile: Profile, threshold: float) -> Outcome:
        """The outcome with this threshold."""
        *_, last = self._sweep([score if score >= threshold else -math.inf for score in scores], profile)
        return last._replace(threshold=threshold)

    def _sweep(self, scores: Sequence[float], profile: Profile) -> Iterable[Outcome]:
        """From the highest threshold down: what each comes to."""
        ranked = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        full = max(1, self.windows) * (profile.hit + profile.miss)
        best: dict[int, float] = {}
        gain, false_alarms = 0.0, 0
        yield Outcome(0.0, math.inf, 0, 0)
        for threshold, equals in groupby(ranked, key=scores.__getitem__):
            if threshold == -math.inf:
                return
            for index in equals:
                window, worth = self.records[index]
                if window >= 0:
                    # Relative to detecting nothing, which costs every window's miss.
                    gain += (0.0 if window in best else profile.miss) + profile.hit * max(
                        0.0, worth - best.get(window, 0.0)
                    )
                    best[window] = max(best.get(window, 0.0), worth)
                elif worth:
                    gain += profile.false_alarm * worth
                    false_alarms += 1
            yield Outcome(100.0 * gain / full, threshold, len(best), false_alarms)


_NOTHING = Record(-1, 0.0)
