"""How the parts on an open store are made, in the stages in which one needs the other; nothing of it runs yet.

Each stage is a function from what is there to what it adds, and `engine.parts.build` calls them in order. A part gets
all that it needs when it is made; what happens later (a commit, a job, another owner) it follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import trio

from actors.cell import ChannelLimits
from actors.cell_actor import ChannelKit
from actors.derived import DerivedStreams
from actors.registry import Registry
from actors.roster import Roster
from engine.access.audit import AuditTrail
from engine.access.identity import Identity
from engine.access.quotas import Quotas
from engine.analytics.incident_hints import IncidentHints
from engine.analytics.incident_keeper import IncidentKeeper
from engine.analytics.incident_memory import Memory
from engine.analytics.learned import LearnedPatterns
from engine.bounds import policy, rate_limits, retention_of, wider_rates
from engine.bus import Bus
from engine.cache.build import build_cache
from engine.cache.cache import Cache
from engine.cache.reads import CachedReads
from engine.configuration.config import Config
from engine.foreign import ForeignLoop
from engine.nodes.together import Ground, Nodes
from engine.notify.outbound import Outbound, build_outbound
from engine.orders import StandingOrders
from engine.others import NoOthers, Others
from engine.quiet.quiet_keeper import QuietKeeper
from engine.service import Service
from engine.shelf.catalogue import ShelfKit
from engine.shelf.live import LiveObjects, ObjectFigures
from engine.shelf.rules import RULE, given_rules
from engine.shelf.shelves import Shelves, build_shelves
from engine.stores import Store
from engine.stores.nodes import NodeRow
from engine.telemetry.metrics import Metrics
from engine.tracing.opening import NotFollowing
from engine.trying.backtests import Backtests
from engine.trying.stored import StoredReadings
from engine.trying.trials import Trials
from engine.verbs.elsewhere import Elsewhere
from engine.verbs.readings import ReadingVerbs
from engine.verbs.workflow_hints import Hints
from engine.verbs.workflows import WorkflowKit, Workflows
from engine.world import World
from protocol.model import ChannelKey

if TYPE_CHECKING:
    from engine.tracing.following import Following


@dataclass(frozen=True)
class Base:
    """An open store, and what there is without one. `following`: what traces requests; `http_url`: where our API is."""

    store: Store
    config: Config
    world: World
    identity: Identity
    metrics: Metrics
    roster: Roster
    foreign: ForeignLoop
    following: Following | NotFollowing
    http_url: str

    @cached_property
    def trail(self) -> AuditTrail:
        """The record of what people do."""
        return AuditTrail(self.store, self.world.clock, self.config.api.answer_s)

    @cached_property
    def quotas(self) -> Quotas:
        """How much of everything a user and a workspace may ask for."""
        limits = self.config.limits
        return Quotas(rate_limits(limits), wider_rates(limits), self.metrics.refused, trio.current_time)


class Channels:
    """Who decides, by which orders, and who is told."""

    def __init__(self, base: Base) -> None:
        config, world = base.config, base.world
        self.machine = world.machine_factory(policy(config))
        self.orders = StandingOrders(given_rules(config), config.workspace)
        self.derived = DerivedStreams(base.store, base.metrics)
        limits = ChannelLimits(
            mailbox_max=config.channel.mailbox_max,
            batch_max=config.channel.batch_max,
            idle_s=config.channel.idle_s,
        )
        kit = ChannelKit(
            base.store,
            self.machine,
            world.clock,
            world.new_id,
            base.metrics,
            limits,
            self.orders.of,
            self.derived.look,
            base.following.tracer,
        )
        self.registry = Registry(
            kit,
            park_s=config.channel.park_s,
            channels_max=config.channel.channels_max,
            per_workspace_max=config.channel.per_workspace_max,
        )
        self.keeper = QuietKeeper(self.orders, base.store, self.registry, world.clock)

    def is_for_the_installation(self) -> bool:
        """Whether this node does what is done once for all: it does who owns the workspace without a name."""
        return self.registry.is_ours("")


class Correlating:
    """Which alerts belong together."""

    def __init__(self, base: Base, channels: Channels, reach: Reach) -> None:
        clock = base.world.clock
        self.learning = LearnedPatterns(base.store)
        self.hints = IncidentHints(channels.derived, reach.others)
        memory = Memory(base.store, self.learning, clock)
        self.keeper = IncidentKeeper(base.store, channels.registry, memory, self.hints.tell)
        channels.derived.on_post = self.keeper.post
        channels.derived.on_look_all = self.keeper.look_all
        if reach.nodes is not None:
            self.keeper.saves_soon = True
            reach.nodes.on_change(self.keeper.look_again)


class Objects:
    """What is remembered of the store, the objects that people edit, and the way out to their endpoints."""

    def __init__(self, base: Base, channels: Channels, are_others: bool) -> None:
        config, clock = base.config, base.world.clock
        authenticator = base.identity.authenticator
        self.cache: Cache = build_cache(
            config, base.foreign, base.store.epoch, lambda: authenticator.keys.secrets, are_others=are_others
        )
        self.reads = CachedReads(self.cache)
        self.kit = ShelfKit(
            base.store,
            clock,
            base.world.new_id,
            config.api.answer_s,
            LiveObjects(base.store, ObjectFigures()),
            base.metrics.refused,
            self.reads,
        )
        self.outbound: Outbound = build_outbound(config, clock, base.following.connector(config.notify))
        self.shelves: Shelves = build_shelves(
            self.kit, config, channels.orders, channels.registry.wake, channels.keeper.changed, self.outbound
        )
        self.shelves.live.follow(RULE, self.reads.follow_rules())


class Reach:
    """The other nodes, if there can be any."""

    def __init__(self, base: Base, channels: Channels, objects: Objects, bus: Bus | None, me: NodeRow) -> None:
        self.nodes: Nodes | None = None
        self.others: Others = NoOthers()
        self.start_channel: Callable[[ChannelKey], object] = channels.registry.cell
        if bus is not None:
            ground = Ground(
                base.store,
                channels.registry,
                channels.derived,
                objects.cache,
                objects.shelves.live,
                base.identity,
                base.roster.end_where,
                base.world.clock,
            )
            nodes = self.nodes = Nodes(base.config, bus, me, ground)
            self.others = Elsewhere(nodes.questions, nodes.membership, nodes.news)
            self.start_channel = nodes.news.start
            nodes.on_change(channels.keeper.look_again)


class Asked:
    """The verbs that are done at once or as a job: triggers and workflow batches."""

    def __init__(self, base: Base, channels: Channels, objects: Objects, reach: Reach) -> None:
        config, world, store = base.config, base.world, base.store
        why_archived = objects.shelves.archived.why
        self.service = Service(
            store,
            channels.registry,
            base.identity,
            base.metrics,
            world.clock,
            config.api.answer_s,
            base.quotas,
            reach.others,
            why_archived,
            objects.reads,
        )
        self.workflows = Workflows(
            WorkflowKit(
                store=store,
                machine=channels.machine,
                orders=channels.orders.of,
                clock=world.clock,
                new_id=world.new_id,
                answer_s=config.api.answer_s,
                quotas=base.quotas,
                hints=Hints(channels.registry, channels.derived, reach.others),
                trail=base.trail,
                start=reach.start_channel,
                why_archived=why_archived,
                suppressed=base.metrics.suppressed.note,
            )
        )


def trials_of(base: Base, shelves: Shelves, readings: ReadingVerbs, service: Service) -> Trials:
    """What rules would have done."""
    window_s, world = base.config.suppression.window_s, base.world
    backtests = Backtests(window_s, base.metrics.refused)
    stored = StoredReadings(readings, retention_of(base.config).readings, world.clock)
    return Trials(shelves.rules, stored, backtests, service.trigger, world.clock, world.new_id, window_s)
