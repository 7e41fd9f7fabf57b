"""How good predictions were: sums that any number of days, rules and frameworks add up to, and what they say.

A day's sums are made anew from that day's scored predictions, so that doing it twice counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from protocol.predictions import (
    Accuracy,
    Breach,
    CalibrationBin,
    Count,
    Outcome,
    Prediction,
    PredictionKind,
    PredictionState,
)

BINS = 10
# What counts as a warning.
WARNING = 0.5
LEAD_HOURS = 48
HOUR_S = 3_600.0


class Tally(msgspec.Struct, kw_only=True):
    """Sums over scored predictions of one kind. Lists: by tenth of probability; lead times by the hour."""

    scored: int = 0
    unscored: int = 0
    brier: float = 0.0
    off: float = 0.0
    total: float = 0.0
    inside: int = 0
    points: int = 0
    warned: int = 0
    missed: int = 0
    false_alarms: int = 0
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    said: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    came: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    leads: list[int] = msgspec.field(default_factory=lambda: [0] * LEAD_HOURS)

    def count(self, prediction: Prediction) -> None:
        """One more, if it is scored."""
        if prediction.state is PredictionState.UNSCORED:
            self.unscored += 1
        elif prediction.outcome is not None and prediction.forecast is not None:
            self._score(prediction.forecast, prediction.outcome)

    def _score(self, forecast: Breach | Count, outcome: Outcome) -> None:
        said, came = forecast.probability, outcome.happened
        place = min(BINS - 1, int(said * BINS))
        self.scored += 1
        self.brier += (said - came) ** 2
        self.counts[place] += 1
        self.said[place] += said
        self.came[place] += came
        self.off, self.total = self.off + outcome.off, self.total + outcome.total
        self.inside, self.points = self.inside + outcome.inside, self.points + outcome.points
        is_warning = said >= WARNING
        self.warned += is_warning and came
        self.missed += came and not is_warning
        self.false_alarms += is_warning and not came
        if outcome.lead_s is not None:
            self.leads[min(LEAD_HOURS - 1, max(0, int(outcome.lead_s / HOUR_S)))] += 1

    def add(self, other: Tally) -> None:
        """All that the other one has counted."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            both = [a + b for a, b in zip(mine, theirs, strict=True)] if isinstance(mine, list) else mine + theirs
            setattr(self, name, both)

    def accuracy(self, kind: PredictionKind) -> Accuracy:
        """What the sums say."""
        return Accuracy(
            kind=kind,
            scored=self.scored,
            brier=self.brier / self.scored if self.scored else None,
            wape_percent=100 * self.off / self.total if self.total > 0.0 else None,
            coverage_percent=100 * self.inside / self.points if self.points else None,
            warned=self.warned,
            missed=self.missed,
            false_alarms=self.false_alarms,
            lead_s=lead_s(self.leads),
            calibration=[self._bin(place) for place in range(BINS)],
        )

    def _bin(self, place: int) -> CalibrationBin:
        count = self.counts[place]
        return CalibrationBin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=count,
            said=self.said[place] / count if count else None,
            came=self.came[place] / count if count else None,
        )


def lead_s(leads: Sequence[int]) -> float | None:
    """The median of warnings counted by the hour that they came before what they warned of, in seconds."""
    left = (sum(leads) + 1) // 2
    for hours, count in enumerate(leads):
        left -= count
        if count and left <= 0:
            return (hours + 0.5) * HOUR_S
    return None


Tallies = dict[PredictionKind, Tally]


def tallies_of(predictions: Iterable[Prediction]) -> Tallies:
    """The sums of some predictions, by kind."""
    found: Tallies = {}
    for prediction in predictions:
        if prediction.state in (PredictionState.SCORED, PredictionState.UNSCORED):
            found.setdefault(prediction.kind, Tally()).count(prediction)
    return found
