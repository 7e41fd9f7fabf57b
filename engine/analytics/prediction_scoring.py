"""Scores predictions whose time has passed, and keeps the sums of each day: the hourly job.

Of a breach the readings of its time are read, by the hour; of a count the alerts of its day, and whether the engine was
up then. Each is written over the version that was read, then the sums of the days that something happened to are made
anew, so an interrupted run is finished by the next one. Rule: who cannot be read is put off, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import structlog

from actors.ports import Clock
from engine.analytics.daily_alerts import DailyAlerts, Row
from engine.analytics.hours import pages_of_hours
from engine.analytics.keeping import keep
from engine.analytics.prediction_findings import PREDICTION, finding_of, prediction_of, tally_finding
from engine.analytics.readable import pages_of, readable
from engine.analytics.uptime import days_unwatched
from engine.core.analytics.accuracy import Tallies, Tally, tallies_of
from engine.core.analytics.breach import Hour
from engine.core.analytics.calendar import DAY_US, HOUR_US
from engine.core.analytics.prediction_scores import score_breach, score_count
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from protocol.predictions import Breach, Prediction, PredictionKind, PredictionState
from protocol.times import parse_rfc3339

log = structlog.get_logger()

# Read at once, and decoded on the loop: about 2 ms.
PAGE = 100
# Of one run: the rest is the next hour's.
SCORED_MAX = 20_000
# Decoded on the loop, too: about 2 ms. Of all series whose labels hold those that are asked for.
READINGS_AT_ONCE = 500

Place = tuple[str | None, str | None]


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: predictions scored, and those that nothing was measured for."""

    scored: int
    unscored: int


class _Read:
    """What was read for a page of predictions: the alerts of days, and how much of them the engine was up."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, int], list[Row] | None] = {}
        self.up: dict[int, float] = {}


class PredictionScorer:
    """Scores predictions. Counts since the start of the engine."""

    def __init__(self, store: Store, daily: DailyAlerts, clock: Clock) -> None:
        self._store = store
        self._daily = daily
        self._clock = clock
        self.counts: Counter[str] = Counter({"scored": 0, "unscored": 0})

    async def score(self) -> Scored:
        """Everything that is due. Raises StoreUnavailable."""
        before = Counter(self.counts)
        done = 0
        while done < SCORED_MAX and (due := await self._store.due_findings(PREDICTION, self._clock(), PAGE)):
            read = _Read()
            for finding in due:
                await self._score(finding, read)
            for workspace, day in read.days:
                await self._sum_up(workspace, day)
            done += len(due)
        return Scored(**{name: self.counts[name] - before[name] for name in self.counts})

    async def _score(self, finding: Finding, read: _Read) -> None:
        now = self._clock()
        try:
            prediction = prediction_of(finding)
        except msgspec.DecodeError:
            # Of another release, or broken: it must not hold up everybody's.
            log.exception("prediction_unreadable", workspace=finding.workspace, prediction=finding.key)
            await self._store.settle_finding(msgspec.structs.replace(finding, due=now + HOUR_US, updated_at=now))
            return
        place = finding.workspace, finding.at // DAY_US
        read.days.setdefault(place, None)
        if prediction.kind is PredictionKind.BREACH:
            scored = score_breach(prediction, await self._hours(finding.workspace, prediction), now)
        else:
            known = await self._counts(*place, read)
            if known is None:
                await self._store.settle_finding(msgspec.structs.replace(finding, due=now + HOUR_US, updated_at=now))
                return
            scored = score_count(prediction, count_of(known, prediction), now, await self._up(place[1], read))
        self.counts[scored.state.value] += 1
        kept = finding_of(finding.workspace, scored, now)
        await self._store.settle_finding(msgspec.structs.replace(kept, version=finding.version))

    async def _counts(self, workspace: str, day: int, read: _Read) -> list[Row] | None:
        """The alerts of a day; None: they are not counted yet."""
        if (known := read.days[workspace, day]) is None:
            known = read.days[workspace, day] = await self._daily.counts(workspace, day, day + 1)
        return known

    async def _up(self, day: int, read: _Read) -> float:
        """How much of a day the engine was up, 0 to 1."""
        if day not in read.up:
            read.up[day] = (await days_unwatched(self._store, day, day + 1)).get(day, 1.0)
        return read.up[day]

    async def _hours(self, workspace: str, prediction: Prediction) -> list[Hour | None]:
        forecast = prediction.forecast
        if not isinstance(forecast, Breach):
            return []
        since = parse_rfc3339(prediction.since)
        place = prediction.framework_id or "", forecast.metric
        span = since, since + len(forecast.hours) * HOUR_US
        found: dict[int, Hour] = {}
        read = pages_of_hours(self._store, workspace, place, span, forecast.labels, at_once=READINGS_AT_ONCE)
        async for page in read:
            for point in page.items:
                if point.labels == forecast.labels:
                    step = (parse_rfc3339(point.at) - since) // HOUR_US
                    found[step] = Hour(point.count, point.min, point.max, point.sum)
        return [found.get(step) for step in range(len(forecast.hours))]

    async def _sum_up(self, workspace: str, day: int) -> None:
        """Makes a day's sums anew from its predictions."""
        sums: dict[Place, Tallies] = {}
        query = FindingQuery(
            workspace=workspace,
            kind=PREDICTION,
            states=(PredictionState.SCORED.value, PredictionState.UNSCORED.value),
            since_us=day * DAY_US,
            until_us=(day + 1) * DAY_US,
            limit=PAGE,
        )
        async for page in pages_of(self._store, query):
            add_all(sums, readable(page, prediction_of))
        now = self._clock()
        findings = [tally_finding(workspace, day * DAY_US, *place, tallies, now) for place, tallies in sums.items()]
        await keep(self._store, findings)


def count_of(rows: Sequence[Row], prediction: Prediction) -> int:
    """The alerts that a prediction was about."""
    framework, rule_id = prediction.framework_id, prediction.rule_id
    return sum(count for place, rule, _, count in rows if framework in (None, place) and rule_id in (None, rule))


def add_all(sums: dict[Place, Tallies], predictions: Sequence[Prediction]) -> None:
    """Adds predictions to the sums of everything, of their frameworks, and of their rules."""
    for prediction in predictions:
        own: Place = (prediction.framework_id, prediction.rule_id)
        for place in dict.fromkeys([(None, None), (own[0], None), own]):
            tallies = sums.setdefault(place, {})
            for kind, tally in tallies_of([prediction]).items():
                tallies.setdefault(kind, Tally()).add(tally)
