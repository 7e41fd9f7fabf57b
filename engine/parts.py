"""The parts that live while the store is open, and how they are put together; nothing of it runs yet.

How each is made is `engine.stages` and `engine.later_stages`; what starts when, and what a crash of it means, is
`engine.tree`; what a part may cost is `engine.bounds`.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.derived import DerivedStreams
from actors.ports import Clock, Desk
from actors.proofs import Proofs
from actors.registry import Registry
from actors.ticker import Ticker
from engine.access.administration import Administration
from engine.analytics.build import Analytics, Insights, WeeklyParts
from engine.analytics.counting import Counting
from engine.analytics.incident_keeper import IncidentKeeper
from engine.bounds import retention_of, turns
from engine.cache.cache import Cache
from engine.jobs.handed import HandOver
from engine.jobs.schedules import ScheduleVerbs
from engine.jobs.verbs import JobVerbs
from engine.jobs.works import Works
from engine.keepers.presence import PresenceLog
from engine.keepers.recipients import RecipientLog
from engine.keepers.rollups import RollUps
from engine.keepers.upkeep import Upkeep
from engine.later_stages import Analysing, Later, Notifying
from engine.nodes.together import Nodes, node_id
from engine.notify.by_link import LinkVerbs
from engine.notify.leaving import LeaveVerbs
from engine.notify.mail import Mail
from engine.notify.notifications import Notifications
from engine.notify.outbound import Outbound
from engine.notify.senders import Tryout
from engine.notify.slack_actions import SlackActions
from engine.notify.verbs import NotifyVerbs
from engine.orders import StandingOrders
from engine.quiet.quiet_keeper import QuietKeeper
from engine.service import Service
from engine.shelf.shelves import Shelves
from engine.stages import Asked, Base, Channels, Correlating, Objects, Reach, trials_of
from engine.stores import Store
from engine.stores.nodes import NodeRow
from engine.trying.trials import Trials
from engine.verbs.analytics import AnalyticsVerbs
from engine.verbs.answers import Tally
from engine.verbs.broadcasts import Broadcasts
from engine.verbs.elsewhere import answer_others
from engine.verbs.incidents import Incidents
from engine.verbs.nodes import NodeVerbs
from engine.verbs.operators import Operators
from engine.verbs.predictions import PredictionVerbs
from engine.verbs.readings import ReadingVerbs
from engine.verbs.rule_series import RuleSeries
from engine.verbs.workflows import Workflows


@dataclass
class Parts:
    """What exists while the store is open; made anew when the store is."""

    store: Store
    cache: Cache
    registry: Registry
    derived: DerivedStreams
    presence: PresenceLog
    recipients: RecipientLog
    upkeep: Upkeep
    rollups: RollUps
    counting: Counting
    alert_counts: AnalyticsVerbs
    readings: ReadingVerbs
    ticker: Ticker
    proofs: Proofs
    service: Service
    # Where sessions take their requests.
    desk: Desk
    administration: Administration
    operators: Operators
    broadcasts: Broadcasts
    shelves: Shelves
    trials: Trials
    insights: Insights
    rule_series: RuleSeries
    orders: StandingOrders
    quiet_keeper: QuietKeeper
    incident_keeper: IncidentKeeper
    incidents: Incidents
    workflows: Workflows
    notifications: Notifications
    notify_verbs: NotifyVerbs
    outbound: Outbound
    tryout: Tryout
    mail: Mail
    link_verbs: LinkVerbs
    leave_verbs: LeaveVerbs
    slack_actions: SlackActions
    works: Works
    jobs: JobVerbs
    schedules: ScheduleVerbs
    handed: HandOver
    analytics: Analytics
    predictions: PredictionVerbs
    weekly: WeeklyParts
    clock: Clock
    node_verbs: NodeVerbs
    # None: this process is the only one.
    nodes: Nodes | None = None


def build(base: Base) -> Parts:
    """Everything that stands on this store, and on the loop of foreign drivers. Nothing runs yet."""
    config, clock = base.config, base.world.clock
    number = node_id(config.node)
    bus = base.world.make_bus(config, base.foreign, number)
    me = NodeRow(id=number, address=base.http_url.partition("//")[2], version=base.metrics.version, started_at=clock())
    channels = Channels(base)
    objects = Objects(base, channels, are_others=bus is not None)
    reach = Reach(base, channels, objects, bus, me)
    correlating = Correlating(base, channels, reach)
    notifying = Notifying(base, channels, objects, reach.others, correlating)
    asked = Asked(base, channels, objects, reach)
    analysing = Analysing(base, channels, objects, notifying, reach.others)
    later = Later(base, objects, notifying, analysing, asked, reach)
    store, registry, shelves = base.store, channels.registry, objects.shelves
    mail, works, service = notifying.mail, later.works, asked.service
    administration = Administration(
        store,
        base.identity,
        base.roster.end_where,
        base.trail,
        clock,
        config.api.answer_s,
        reach.others,
        base.roster.count_refusal,
    )
    operators = Operators(base.roster, base.trail, reach.others)
    broadcasts = Broadcasts(base.roster, base.trail, clock, reach.others)
    if reach.nodes is not None:
        answer_others(reach.nodes.questions, number, operators, broadcasts, base.identity)
    readings = ReadingVerbs(store, clock, retention_of(config).readings)
    return Parts(
        store=store,
        cache=objects.cache,
        registry=registry,
        derived=channels.derived,
        presence=PresenceLog(store, clock, number),
        recipients=RecipientLog(store),
        upkeep=Upkeep(
            store, clock, config.retention.trim_every_s, config.retention.over_s, channels.is_for_the_installation
        ),
        rollups=RollUps(store, config.retention.roll_up_every_s, channels.is_for_the_installation),
        counting=analysing.counting,
        alert_counts=AnalyticsVerbs(store, objects.cache, clock),
        readings=readings,
        ticker=Ticker(),
        proofs=Proofs(clock, turns(config.gateway.position_s)),
        service=service,
        desk=base.following.desk(service),
        administration=administration,
        operators=operators,
        broadcasts=broadcasts,
        orders=channels.orders,
        quiet_keeper=channels.keeper,
        incident_keeper=correlating.keeper,
        incidents=Incidents(
            store,
            service,
            correlating.learning,
            base.trail,
            clock,
            correlating.hints.tell,
            correlating.keeper.caught_up,
        ),
        shelves=shelves,
        workflows=asked.workflows,
        trials=trials_of(base, shelves, readings, service),
        insights=analysing.insights,
        rule_series=RuleSeries(shelves.rules, store, registry, config.api.answer_s, Tally(base.metrics).refused),
        notifications=notifying.notifications,
        notify_verbs=NotifyVerbs(store, notifying.notifications.book, service, clock),
        outbound=objects.outbound,
        tryout=notifying.tryout,
        mail=mail,
        link_verbs=LinkVerbs(mail.links, mail.persons, service),
        leave_verbs=LeaveVerbs(mail.leave, mail.persons, objects.shelves.preferences, service.admit),
        slack_actions=SlackActions(mail.slack_apps, mail.persons, service, notifying.replies, clock),
        works=works,
        jobs=JobVerbs(store, works.kinds, works.counts, base.trail),
        schedules=later.schedules,
        handed=later.handed,
        analytics=analysing.analytics,
        predictions=PredictionVerbs(store, clock),
        weekly=analysing.weekly,
        clock=clock,
        node_verbs=NodeVerbs(None if reach.nodes is None else reach.nodes.membership, me),
        nodes=reach.nodes,
    )
