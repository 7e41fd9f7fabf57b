"""What analytics has running: counts and patterns and predictions, insights, and the weekly report. Each is made from
what it stands on; the stages of the engine take it whole.

Whatever computes in processes is handed an `Asking` that shares one room with the others (`in_turn`): together they
have one process at a time, whichever schedules come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.analytics.counting import Counting
from engine.analytics.daily_alerts import AlertDays
from engine.analytics.explainer import Explainer
from engine.analytics.insight_runs import InsightRuns
from engine.analytics.news import FindingNews
from engine.analytics.pattern_runs import PatternRuns
from engine.analytics.predicting import Predictor
from engine.analytics.prediction_jobs import prediction_schedules
from engine.analytics.prediction_scoring import PredictionScorer
from engine.analytics.standing import Standing
from engine.analytics.uptime import Uptime
from engine.analytics.weekly import Weeks
from engine.cache.cache import Cache
from engine.computing.asking import Asking
from engine.computing.processes import Processes
from engine.configuration.config import Config
from engine.jobs.kinds import Kind
from engine.jobs.scheduler import Schedule
from engine.notify.facts import PREFERENCE
from engine.notify.mail import Mail
from engine.notify.notifications import Notifications
from engine.notify.weekly import WeeklyReports
from engine.orders import StandingOrders
from engine.shelf.live import readable
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.readings import KeptReadings
from engine.verbs.analytics import AnalyticsVerbs
from engine.verbs.deciding import Deciding
from engine.verbs.insights import InsightVerbs
from engine.verbs.patterns import PatternVerbs
from engine.verbs.predictions import PredictionVerbs
from engine.verbs.reports import ReportVerbs

# Of all of analytics, so one core at most besides the engine's own: nobody waits for it, and it may take its time.
AT_ONCE = 1


def in_turn(store: Store, place: str | None) -> Callable[[], Asking]:
    """Makes an `Asking` for each who computes, with counts of its own; `place` as there."""
    room = trio.CapacityLimiter(AT_ONCE)
    return lambda: Asking(store, place, Processes(room))


@dataclass(frozen=True)
class Analytics:
    """Its parts, what is done by the clock, and kinds of jobs besides those."""

    predictor: Predictor
    scorer: PredictionScorer
    pattern_runs: PatternRuns
    patterns: PatternVerbs
    uptime: Uptime
    schedules: Sequence[Schedule]
    kinds: Sequence[Kind[Any]]

    def statistics(self) -> Mapping[str, int]:
        """Predictions since the start, by what became of them, and the processes that computed them."""
        return {**self.predictor.counts, **self.scorer.counts, **_of(self.predictor.asking.processes)}

    def pattern_statistics(self) -> Mapping[str, int]:
        """Patterns since the start, found, told, and what people said of them; and the processes."""
        processes = self.pattern_runs.asking.processes.statistics()
        return {**self.pattern_runs.statistics(), **self.patterns.statistics(), **processes}


def build_analytics(
    store: Store,
    asking: Callable[[], Asking],
    orders: StandingOrders,
    clock: Clock,
    trail: AuditTrail,
    news: FindingNews,
    counting: Counting,
    cache: Cache,
) -> Analytics:
    """All of it. Nothing runs yet."""
    predictor = Predictor(store, orders.rules, asking(), clock)
    scorer = PredictionScorer(store, AlertDays(store), clock)
    runs = PatternRuns(store, asking(), cache, news.tell)
    return Analytics(
        predictor,
        scorer,
        runs,
        PatternVerbs(store, trail, clock, cache),
        Uptime(store, clock, counting.is_ours),
        [*prediction_schedules(predictor, scorer, counting.catch_up), runs.schedule()],
        [runs.kind],
    )


@dataclass(frozen=True)
class Insights:
    """The job, what people ask, and what they decide."""

    runs: InsightRuns
    verbs: InsightVerbs
    deciding: Deciding
    explainer: Explainer

    def statistics(self) -> Mapping[str, int]:
        """What its parts count, and the processes that computed."""
        people = {**self.deciding.statistics(), **self.explainer.statistics()}
        return {**self.runs.statistics(), **people, **_of(self.runs.asking.processes)}


def build_insights(
    store: Store,
    asking: Callable[[], Asking],
    shelves: Shelves,
    trail: AuditTrail,
    kept: KeptReadings,
    clock: Clock,
    config: Config,
) -> Insights:
    """All of it. Nothing runs yet."""
    standing = Standing(shelves.rules, shelves.archived)
    verbs = InsightVerbs(store, standing)
    explainer = Explainer(config.explainer, config.notify, clock)
    runs = InsightRuns(store, asking(), shelves, kept, explainer, clock, config.suppression.window_s)
    return Insights(runs, verbs, Deciding(store, shelves, verbs, standing, trail, clock), explainer)


@dataclass(frozen=True)
class WeeklyParts:
    """The jobs, and the verbs."""

    reports: WeeklyReports
    verbs: ReportVerbs

    def follow(self, shelves: Shelves) -> None:
        """Keeps in memory who wants a report. Before `LiveObjects.load`."""
        read = partial(readable, shelves.preferences.kind, figures=shelves.figures)
        shelves.live.follow(PREFERENCE, self.reports.follow(read))


def build_weekly(
    store: Store,
    cache: Cache,
    found: tuple[PatternVerbs, InsightVerbs],
    mail: Mail,
    notifications: Notifications,
    clock: Clock,
    site: str,
) -> WeeklyParts:
    """All of it. Nothing runs yet."""
    patterns, insights = found
    counts, predictions = AnalyticsVerbs(store, cache, clock), PredictionVerbs(store, clock)
    weeks = Weeks(store, counts, patterns, predictions, insights, site)
    reports = WeeklyReports(store, mail.persons, notifications.senders, weeks.week, clock, mail.leave.link)
    return WeeklyParts(reports, ReportVerbs(store, reports, notifications.senders, weeks.week, clock))


def _of(processes: Processes) -> dict[str, int]:
    return {f"processes_{name}": count for name, count in processes.statistics().items()}
