"""How those parts are made that are not on an alert's own way: who is notified, what alerts mean, what is done as jobs.

Stages like those of `engine.stages`, on which they stand; `engine.parts.build` calls them in order. Nothing runs yet.
"""

from __future__ import annotations

from typing import Any

from engine.analytics.build import (
    Analytics,
    Insights,
    WeeklyParts,
    build_analytics,
    build_insights,
    build_weekly,
    in_turn,
)
from engine.analytics.counting import Counting
from engine.analytics.news import FindingNews
from engine.bounds import retention_of
from engine.cache.jobs import cache_schedules
from engine.jobs.handed import HandOver, generate_kind, ring_kind
from engine.jobs.kinds import Kind
from engine.jobs.own import SCHEDULE, Given, follow_schedules, schedule_kind
from engine.jobs.scheduler import Schedule
from engine.jobs.schedules import ScheduleVerbs
from engine.jobs.works import Works, build_works
from engine.notify.book import NotifyBook
from engine.notify.grouping import Grouping
from engine.notify.inapp import InApp
from engine.notify.mail import Mail, build_mail
from engine.notify.notifications import Notifications, build_notifications, digest_schedule
from engine.notify.senders import Tryout, endpoint_senders
from engine.notify.slack_replies import SlackReplies
from engine.notify.stream_word import word_on_streams
from engine.others import Others
from engine.shelf.objects import Shelf
from engine.stages import Asked, Base, Channels, Correlating, Objects, Reach
from engine.stores.asking import place_of
from protocol.notify import Channel


class Notifying:
    """Who is notified of what, and by whom."""

    def __init__(
        self, base: Base, channels: Channels, objects: Objects, others: Others, correlating: Correlating
    ) -> None:
        config, clock, store = base.config, base.world.clock, base.store
        outbound, shelves = objects.outbound, objects.shelves
        self.mail: Mail = build_mail(config, base.identity, shelves, outbound, clock)
        senders = {
            Channel.IN_APP: InApp(store, channels.derived, others),
            **self.mail.senders,
            **endpoint_senders(outbound, shelves.endpoints, config, clock),
        }
        say = word_on_streams(channels.registry, config.api.answer_s)
        book = NotifyBook(channels.orders, channels.registry.wake, outbound.book)
        self.notifications: Notifications = build_notifications(
            store, channels.orders, book, senders, self.mail.renderer, say, clock, Grouping(store, correlating.keeper)
        )
        self.notifications.follow(shelves, shelves.figures)
        trials = endpoint_senders(outbound, shelves.endpoints, config, clock, are_trials=True)
        self.tryout = Tryout(shelves.endpoints, self.notifications, trials, objects.kit)
        self.replies = SlackReplies(
            store, outbound.outside.sealer, outbound.outside.connector, self.mail.renderer, clock
        )

    @property
    def kinds(self) -> list[Kind[Any]]:
        """Its jobs."""
        return [*self.notifications.kinds, self.replies.kind]

    @property
    def schedules(self) -> list[Schedule]:
        """When they come by themselves."""
        return [digest_schedule(self.notifications.digests)]


class Analysing:
    """What the alerts mean: counted, computed and written to people."""

    def __init__(self, base: Base, channels: Channels, objects: Objects, notifying: Notifying, others: Others) -> None:
        config, clock, store = base.config, base.world.clock, base.store
        self.counting = Counting(
            store, objects.cache, clock, config.retention.count_every_s, channels.is_for_the_installation
        )
        asking = in_turn(store, place_of(config.store_url))
        self.analytics: Analytics = build_analytics(
            store,
            asking,
            channels.orders,
            clock,
            base.trail,
            FindingNews(channels.registry, channels.derived, others),
            self.counting,
            objects.cache,
        )
        self.insights: Insights = build_insights(
            store,
            asking,
            objects.shelves,
            base.trail,
            retention_of(config).readings,
            clock,
            config,
        )
        self.weekly: WeeklyParts = build_weekly(
            store,
            objects.cache,
            (self.analytics.patterns, self.insights.verbs),
            notifying.mail,
            notifying.notifications,
            clock,
            config.notify.public_url,
        )
        self.weekly.follow(objects.shelves)

    @property
    def kinds(self) -> list[Kind[Any]]:
        """Its jobs."""
        return [self.insights.runs.kind, self.weekly.reports.kind, *self.analytics.kinds]

    @property
    def schedules(self) -> list[Schedule]:
        """When they come by themselves."""
        return [
            self.weekly.reports.schedule(),
            *self.analytics.schedules,
            self.counting.schedule(),
            self.insights.runs.schedule(),
        ]


class Later:
    """What is done as jobs, and when."""

    def __init__(
        self,
        base: Base,
        objects: Objects,
        notifying: Notifying,
        analysing: Analysing,
        asked: Asked,
        reach: Reach,
    ) -> None:
        config, store, is_over = base.config, base.store, base.identity.is_over
        ring = ring_kind(asked.service.trigger, is_over)
        generate = generate_kind(asked.workflows.generate, asked.workflows.trackers, is_over)
        self.works: Works = build_works(
            store,
            config.jobs,
            base.world.clock,
            [ring, generate, *notifying.kinds, *analysing.kinds, *base.world.kinds],
            [*notifying.schedules, *analysing.schedules, *cache_schedules(objects.cache)],
            config.schedules,
            config.workspace,
            base.following.jobs,
        )
        if reach.nodes is not None:
            workers, news = self.works.workers, reach.nodes.news
            workers.on_more = news.ring_elsewhere
            store.set_doorbell(news.doorbell(workers.ring, workers.has_room))
        self.schedules = self._schedules(base, objects)
        self.handed = HandOver(
            store, ring, generate, base.world.new_id, config.jobs.handed_over_max, base.metrics.refused
        )

    def _schedules(self, base: Base, objects: Objects) -> ScheduleVerbs:
        """Those that people make."""
        works, shelves, clock = self.works, objects.shelves, base.world.clock
        given = Given(works.scheduler.schedules)
        own = schedule_kind(given, works.kinds, base.config.objects.schedules_max, clock)
        shelves.live.follow(SCHEDULE, follow_schedules(works.scheduler, works.kinds, given, own, shelves.figures))
        return ScheduleVerbs(Shelf(own, objects.kit), base.store, works.scheduler, base.trail, clock)
