"""The parts that live while the store is open, and how they are put together; nothing of it runs yet.

What starts when, and what a crash of it means, is `engine.tree`; what a part may cost is `engine.bounds`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from actors.cell import ChannelLimits
from actors.cell_actor import ChannelKit
from actors.derived import DerivedStreams
from actors.ports import Clock, Desk
from actors.proofs import Proofs
from actors.registry import Registry
from actors.roster import Roster
from actors.ticker import Ticker
from engine.access.administration import Administration
from engine.access.audit import AuditTrail
from engine.access.identity import Identity
from engine.access.quotas import Quotas
from engine.bounds import policy, rate_limits, retention_of, turns, wider_rates
from engine.cache.build import build_cache
from engine.cache.cache import Cache
from engine.cache.jobs import cache_schedules
from engine.cache.reads import CachedReads
from engine.configuration.config import Config
from engine.foreign import ForeignLoop
from engine.jobs.handed import HandOver, generate_kind, ring_kind
from engine.jobs.kinds import Kind
from engine.jobs.own import SCHEDULE, Given, follow_schedules, schedule_kind
from engine.jobs.schedules import ScheduleVerbs
from engine.jobs.verbs import JobVerbs
from engine.jobs.works import Works, build_works
from engine.keepers.presence import PresenceLog
from engine.keepers.recipients import RecipientLog
from engine.keepers.rollups import RollUps
from engine.keepers.upkeep import Upkeep
from engine.nodes.elsewhere import Elsewhere
from engine.nodes.together import Ground, Nodes, node_id
from engine.notify.book import NotifyBook
from engine.notify.by_link import LinkVerbs
from engine.notify.inapp import InApp
from engine.notify.mail import Mail, build_mail
from engine.notify.notifications import Notifications, build_notifications, digest_schedule
from engine.notify.outbound import Outbound, build_outbound
from engine.notify.senders import Tryout, endpoint_senders
from engine.notify.slack_actions import SlackActions
from engine.notify.slack_replies import SlackReplies
from engine.notify.stream_word import word_on_streams
from engine.notify.verbs import NotifyVerbs
from engine.orders import StandingOrders
from engine.quiet.quiet_keeper import QuietKeeper
from engine.service import Service
from engine.shelf.catalogue import ShelfKit
from engine.shelf.live import ObjectFigures
from engine.shelf.objects import Shelf
from engine.shelf.rules import RULE
from engine.shelf.shelves import Shelves, build_shelves
from engine.stores import Store
from engine.stores.nodes import NodeRow
from engine.telemetry.metrics import Metrics
from engine.tracing.opening import NotFollowing
from engine.trying.backtests import Backtests
from engine.trying.stored import StoredReadings
from engine.trying.trials import Trials
from engine.verbs.answers import Tally
from engine.verbs.broadcasts import Broadcasts
from engine.verbs.nodes import NodeVerbs
from engine.verbs.operators import Operators
from engine.verbs.readings import ReadingVerbs
from engine.verbs.rule_series import RuleSeries
from engine.verbs.workflow_hints import Hints
from engine.verbs.workflows import WorkflowKit, Workflows
from engine.world import World
from protocol.model import ChannelKey
from protocol.notify import Channel

if TYPE_CHECKING:
    from engine.tracing.following import Following


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
    rule_series: RuleSeries
    orders: StandingOrders
    quiet_keeper: QuietKeeper
    workflows: Workflows
    notifications: Notifications
    notify_verbs: NotifyVerbs
    outbound: Outbound
    tryout: Tryout
    mail: Mail
    link_verbs: LinkVerbs
    slack_actions: SlackActions
    works: Works
    jobs: JobVerbs
    schedules: ScheduleVerbs
    handed: HandOver
    clock: Clock
    node_verbs: NodeVerbs
    # None: this process is the only one.
    nodes: Nodes | None = None


def build(
    store: Store,
    config: Config,
    world: World,
    identity: Identity,
    metrics: Metrics,
    roster: Roster,
    foreign: ForeignLoop,
    following: Following | NotFollowing,
) -> Parts:
    """Everything that stands on this store, and on the loop of foreign drivers. Nothing runs yet.

    `following`: what traces requests.
    """
    machine = world.machine_factory(policy(config))
    orders = StandingOrders(config.rules, config.workspace)
    limits = ChannelLimits(
        mailbox_max=config.channel.mailbox_max,
        batch_max=config.channel.batch_max,
        idle_s=config.channel.idle_s,
    )
    derived = DerivedStreams(store, metrics)
    kit = ChannelKit(
        store, machine, world.clock, world.new_id, metrics, limits, orders.of, derived.look, following.tracer
    )
    registry = Registry(
        kit,
        park_s=config.channel.park_s,
        channels_max=config.channel.channels_max,
        per_workspace_max=config.channel.per_workspace_max,
    )
    quotas = Quotas(rate_limits(config.limits), wider_rates(config.limits), metrics.refused, trio.current_time)
    trail = AuditTrail(store, world.clock, config.api.answer_s)
    keeper = QuietKeeper(orders, store, registry, world.clock)
    secrets = [key.material for key in identity.authenticator.keys.keys if key.is_secret]
    cache = build_cache(config, foreign, store.epoch, secrets[0] if secrets else b"")
    reads = CachedReads(cache)
    kit_of_shelves = ShelfKit(
        store, world.clock, world.new_id, config.api.answer_s, ObjectFigures(), metrics.refused, reads
    )
    outbound = build_outbound(config, world.clock, following.connector(config.notify))
    shelves = build_shelves(kit_of_shelves, config, orders, registry.wake, keeper.changed, outbound)
    number = node_id(config.node)
    me = NodeRow(id=number, address=config.http, version=metrics.version, started_at=world.clock())
    bus = world.make_bus(config, foreign, number)
    nodes = (
        None
        if bus is None
        else Nodes(config, bus, me, Ground(store, registry, derived, shelves.live, identity, roster.end_where))
    )
    shelves.live.follow(RULE, reads.follow_rules())
    mail = build_mail(config, identity, shelves, outbound, world.clock)
    others = endpoint_senders(outbound, shelves.endpoints, config, world.clock)
    trials = endpoint_senders(outbound, shelves.endpoints, config, world.clock, are_trials=True)
    in_app = InApp(store, derived)
    senders = {Channel.IN_APP: in_app, **mail.senders, **others}
    say = word_on_streams(registry, config.api.answer_s)
    book = NotifyBook(orders, registry.wake, outbound.book)
    notifications = build_notifications(store, orders, book, senders, mail.renderer, say, world.clock)
    notifications.follow(shelves, shelves.figures)
    readings = ReadingVerbs(store, world.clock, retention_of(config).readings)
    service = Service(
        store, registry, identity, metrics, world.clock, config.api.answer_s, quotas, shelves.archived.why, reads
    )
    hints = Hints(registry, derived)
    start_channel: Callable[[ChannelKey], object] = registry.cell if nodes is None else nodes.news.start
    workflows = Workflows(
        WorkflowKit(
            store=store,
            machine=machine,
            orders=orders.of,
            clock=world.clock,
            new_id=world.new_id,
            answer_s=config.api.answer_s,
            quotas=quotas,
            hints=hints,
            trail=trail,
            start=start_channel,
            why_archived=shelves.archived.why,
            suppressed=metrics.suppressed.note,
        )
    )
    ring = ring_kind(service.trigger, identity.is_over)
    generate = generate_kind(workflows.generate, workflows.trackers, identity.is_over)
    replies = SlackReplies(store, outbound.outside.sealer, outbound.outside.connector, mail.renderer, world.clock)
    kinds: list[Kind[Any]] = [ring, generate, *notifications.kinds, replies.kind, *world.kinds]
    digests = digest_schedule(notifications.digests)
    more = [digests, *cache_schedules(cache)]
    works = build_works(
        store,
        config.jobs,
        world.clock,
        kinds,
        more,
        config.schedules,
        config.workspace,
        following.jobs,
    )
    given = Given(works.scheduler.schedules)
    upkeep = Upkeep(store, world.clock, config.retention.trim_every_s, config.retention.over_s)
    rollups = RollUps(store, config.retention.roll_up_every_s)
    administration = Administration(
        store, identity, roster.end_where, trail, world.clock, config.api.answer_s, roster.count_refusal
    )
    operators, broadcasts = Operators(roster, trail), Broadcasts(roster, trail, world.clock)
    if nodes is not None:
        cache.near_s = config.cache.near_s
        nodes.relay.others_committed, nodes.relay.others_missed = cache.told, cache.clear
        there = Elsewhere(nodes.questions, nodes.membership, operators, broadcasts, identity)
        operators.elsewhere, service.redeem_elsewhere = there, there.redeem
        broadcasts.elsewhere, broadcasts.is_elsewhere = there.say, there.has
        nodes.on_change(keeper.look_again)
        hints.elsewhere = in_app.elsewhere = nodes.news.hint
        administration.tell_others = nodes.news.revocations_changed
        # What is done for the installation as a whole is done by the owner of the workspace without a name.
        upkeep.is_ours = rollups.is_ours = lambda: registry.is_ours("")
        store.set_doorbell(nodes.news.doorbell(works.workers.ring))
    own = schedule_kind(given, works.kinds, config.objects.schedules_max, world.clock)
    shelves.live.follow(SCHEDULE, follow_schedules(works.scheduler, works.kinds, given, own, shelves.figures))
    return Parts(
        store=store,
        cache=cache,
        registry=registry,
        derived=derived,
        presence=PresenceLog(store, world.clock),
        recipients=RecipientLog(store),
        upkeep=upkeep,
        rollups=rollups,
        readings=readings,
        ticker=Ticker(),
        proofs=Proofs(world.clock, turns(config.gateway.position_s)),
        service=service,
        desk=following.desk(service),
        administration=administration,
        operators=operators,
        broadcasts=broadcasts,
        orders=orders,
        quiet_keeper=keeper,
        shelves=shelves,
        workflows=workflows,
        trials=_trials(config, world, metrics, shelves, readings, service),
        rule_series=RuleSeries(shelves.rules, store, registry, config.api.answer_s, Tally(metrics).refused),
        notifications=notifications,
        notify_verbs=NotifyVerbs(store, notifications.book, service, world.clock),
        outbound=outbound,
        tryout=Tryout(shelves.endpoints, notifications, trials, kit_of_shelves),
        mail=mail,
        link_verbs=LinkVerbs(mail.links, mail.persons, service),
        slack_actions=SlackActions(mail.slack_apps, mail.persons, service, replies, world.clock),
        works=works,
        jobs=JobVerbs(store, works.kinds, works.counts, trail),
        schedules=ScheduleVerbs(Shelf(own, kit_of_shelves), store, works.scheduler, trail, world.clock),
        handed=HandOver(store, ring, generate, world.new_id, config.jobs.handed_over_max, metrics.refused),
        clock=world.clock,
        node_verbs=NodeVerbs(None if nodes is None else nodes.membership, me),
        nodes=nodes,
    )


def _trials(
    config: Config, world: World, metrics: Metrics, shelves: Shelves, readings: ReadingVerbs, service: Service
) -> Trials:
    window_s = config.suppression.window_s
    backtests = Backtests(window_s, metrics.refused)
    stored = StoredReadings(readings, retention_of(config).readings, world.clock)
    return Trials(shelves.rules, stored, backtests, service.trigger, world.clock, world.new_id, window_s)
