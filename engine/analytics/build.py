"""What analytics has running: made from the store and from what holds; the stages of the engine take it whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.ports import Clock
from engine.analytics.daily_alerts import AlertDays
from engine.analytics.predicting import AT_ONCE, Predictor
from engine.analytics.prediction_jobs import prediction_schedules
from engine.analytics.prediction_scoring import PredictionScorer
from engine.computing.processes import Processes
from engine.jobs.scheduler import Schedule
from engine.orders import StandingOrders
from engine.stores import Store


@dataclass(frozen=True)
class Analytics:
    """Its parts, and what is done by the clock."""

    predictor: Predictor
    scorer: PredictionScorer
    schedules: Sequence[Schedule]

    def statistics(self) -> Mapping[str, int]:
        """Predictions since the start, by what became of them, and the processes that computed them."""
        processes = {f"processes_{name}": count for name, count in self.predictor.processes.statistics().items()}
        return {**self.predictor.counts, **self.scorer.counts, **processes}


def build_analytics(store: Store, orders: StandingOrders, clock: Clock) -> Analytics:
    """All of it. Nothing runs yet."""
    daily = AlertDays(store)
    predictor = Predictor(store, orders.rules, daily, Processes(AT_ONCE), clock)
    scorer = PredictionScorer(store, daily, clock)
    return Analytics(predictor, scorer, prediction_schedules(predictor, scorer))
