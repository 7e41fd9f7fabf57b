"""When predictions are made and scored: at 3 AM UTC, as the reference has it, and at half past each hour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.analytics.predicting import Predictor
from engine.analytics.prediction_scoring import PredictionScorer
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from protocol.jobs import PRIO_HIGH, PRIO_LOW, Claimed, Queue

# A thousand rules on a busy core.
DEADLINE_S = 3_600


def prediction_schedules(
    predictor: Predictor, scorer: PredictionScorer, count: Callable[[], Awaitable[object]]
) -> list[Schedule]:
    """Both of them. `count`: has what rang counted; before that, days would look calmer than they were."""

    async def predict(claimed: Claimed, args: RunArgs) -> Result:
        await count()
        return Done(result=await predictor.predict())

    async def score(claimed: Claimed, args: RunArgs) -> Result:
        await count()
        return Done(result=await scorer.score())

    make = Kind(name="prediction_generation", queue=Queue.PREDICTION, args=RunArgs, run=predict, deadline_s=DEADLINE_S)
    judge = Kind(name="prediction_scoring", queue=Queue.PREDICTION, args=RunArgs, run=score, deadline_s=DEADLINE_S)
    return [
        Schedule(name="prediction-generation", cron=Cron("0 3 * * *"), kind=make, prio=PRIO_HIGH),
        Schedule(name="prediction-scoring", cron=Cron("30 * * * *"), kind=judge, prio=PRIO_LOW),
    ]
