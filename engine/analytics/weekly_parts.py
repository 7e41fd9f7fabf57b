"""The weekly report in one engine: who gathers it, who sends it, and what people ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from actors.ports import Clock
from engine.analytics.insights import InsightVerbs
from engine.analytics.patterns import PatternVerbs
from engine.analytics.weekly import Weeks
from engine.cache.cache import Cache
from engine.notify.facts import PREFERENCE
from engine.notify.mail import Mail
from engine.notify.notifications import Notifications
from engine.notify.weekly import WeeklyReports
from engine.shelf.live import readable
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.verbs.analytics import AnalyticsVerbs
from engine.verbs.predictions import PredictionVerbs
from engine.verbs.reports import ReportVerbs


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
    reports = WeeklyReports(store, mail.persons, notifications.senders, weeks.week, clock)
    return WeeklyParts(reports, ReportVerbs(store, reports, notifications.senders, weeks.week, clock))
