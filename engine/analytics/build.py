"""What analytics has running: made from the store and from what holds; the stages of the engine take it whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.analytics.counting import Counting
from engine.analytics.daily_alerts import AlertDays
from engine.analytics.news import FindingNews
from engine.analytics.pattern_runs import PatternRuns
from engine.analytics.patterns import PatternVerbs
from engine.analytics.predicting import AT_ONCE, Predictor
from engine.analytics.prediction_jobs import prediction_schedules
from engine.analytics.prediction_scoring import PredictionScorer
from engine.computing.asking import Asking
from engine.computing.processes import Processes
from engine.jobs.kinds import Kind
from engine.jobs.scheduler import Schedule
from engine.orders import StandingOrders
from engine.stores import Store


@dataclass(frozen=True)
class Analytics:
    """Its parts, what is done by the clock, and kinds of jobs besides those."""

    predictor: Predictor
    scorer: PredictionScorer
    pattern_runs: PatternRuns
    patterns: PatternVerbs
    schedules: Sequence[Schedule]
    kinds: Sequence[Kind[Any]]

    def statistics(self) -> Mapping[str, int]:
        """Predictions since the start, by what became of them, and the processes that computed them."""
        processes = {f"processes_{name}": count for name, count in self.predictor.asking.processes.statistics().items()}
        return {**self.predictor.counts, **self.scorer.counts, **processes}

    def pattern_statistics(self) -> Mapping[str, int]:
        """Patterns since the start, found, told, and what people said of them; and the processes."""
        processes = self.pattern_runs.processes.statistics()
        return {**self.pattern_runs.statistics(), **self.patterns.statistics(), **processes}


def build_analytics(
    store: Store,
    place: str | None,
    orders: StandingOrders,
    clock: Clock,
    trail: AuditTrail,
    news: FindingNews,
    counting: Counting,
) -> Analytics:
    """All of it. `place`: as for `engine.computing.asking`. Nothing runs yet."""
    asking = Asking(store, place, Processes(AT_ONCE))
    predictor = Predictor(store, orders.rules, asking, clock)
    scorer = PredictionScorer(store, AlertDays(store), clock)
    runs = PatternRuns(store, place, news.tell)
    return Analytics(
        predictor,
        scorer,
        runs,
        PatternVerbs(store, trail, clock),
        [*prediction_schedules(predictor, scorer, counting.catch_up), runs.schedule()],
        [runs.kind],
    )
