"""The parts that live while the store is open, and how each is made from the configuration.

`build` makes what stands on a store; the doors' kits and limits are made here too, so that `engine.tree` is left with
one thing: what starts when, and what a crash of it means.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors.bucket import Rate
from actors.cell import ChannelLimits
from actors.channel import ChannelKit
from actors.derived import DerivedStreams
from actors.door import DoorLimits
from actors.event_streams import StreamLimits
from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from actors.ports import Clock
from actors.proofs import Proofs
from actors.registry import Registry
from actors.roster import Roster, RosterLimits
from actors.session_kit import SessionKit, SessionLimits
from actors.throttle import RateLimits, RoleRates
from actors.ticker import TICK_S, Ticker
from actors.websocket import WebSocketLimits
from engine.administration import Administration
from engine.answers import Tally
from engine.audit import AuditTrail
from engine.backtests import Backtests
from engine.broadcasts import Broadcasts
from engine.catalogue import ShelfKit
from engine.config import Config
from engine.core import flapping
from engine.core.turn import Policy
from engine.http.door import HttpLimits
from engine.identity import Identity
from engine.live import ObjectFigures
from engine.metrics import Metrics
from engine.operators import Operators
from engine.orders import StandingOrders
from engine.presence import PresenceLog
from engine.quiet_keeper import QuietKeeper
from engine.quotas import Quotas, WiderRates
from engine.readings import ReadingVerbs
from engine.recipients import RecipientLog
from engine.rollups import RollUps
from engine.rule_series import RuleSeries
from engine.sections.alerting import Flapping
from engine.sections.doors import Gateway, Limits
from engine.service import Service
from engine.shelves import Shelves, build_shelves
from engine.stores import Retention, Store
from engine.stores.readings import KeptReadings
from engine.trials import Trials
from engine.upkeep import Upkeep
from engine.workflow_hints import Hints
from engine.workflows import WorkflowKit, Workflows
from engine.world import World
from protocol.session import ConversationLimits


@dataclass
class Parts:
    """What exists while the store is open; made anew when the store is."""

    store: Store
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
    administration: Administration
    operators: Operators
    broadcasts: Broadcasts
    shelves: Shelves
    trials: Trials
    rule_series: RuleSeries
    orders: StandingOrders
    quiet_keeper: QuietKeeper
    workflows: Workflows
    clock: Clock


def build(store: Store, config: Config, world: World, identity: Identity, metrics: Metrics, roster: Roster) -> Parts:
    """Everything that stands on this store. Nothing runs yet."""
    machine = world.machine_factory(policy(config))
    orders = StandingOrders(config.rules, config.workspace)
    limits = ChannelLimits(
        mailbox_max=config.channel.mailbox_max,
        batch_max=config.channel.batch_max,
        idle_s=config.channel.idle_s,
    )
    derived = DerivedStreams(store, metrics)
    kit = ChannelKit(store, machine, world.clock, world.new_id, metrics, limits, orders.of, derived.look)
    registry = Registry(
        kit,
        park_s=config.channel.park_s,
        channels_max=config.channel.channels_max,
        per_workspace_max=config.channel.per_workspace_max,
    )
    quotas = Quotas(rate_limits(config.limits), wider_rates(config.limits), metrics.refused, trio.current_time)
    trail = AuditTrail(store, world.clock, config.api.answer_s)
    keeper = QuietKeeper(orders, store, registry, world.clock)
    kit_of_shelves = ShelfKit(store, world.clock, world.new_id, config.api.answer_s, ObjectFigures(), metrics.refused)
    shelves = build_shelves(kit_of_shelves, config, orders, registry.wake, keeper.changed)
    readings = ReadingVerbs(store, world.clock, retention_of(config).readings)
    service = Service(
        store, registry, identity, metrics, world.clock, config.api.answer_s, quotas, shelves.archived.why
    )
    return Parts(
        store=store,
        registry=registry,
        derived=derived,
        presence=PresenceLog(store, world.clock),
        recipients=RecipientLog(store),
        upkeep=Upkeep(store, world.clock, config.retention.trim_every_s, config.retention.over_s),
        rollups=RollUps(store, config.retention.roll_up_every_s),
        readings=readings,
        ticker=Ticker(),
        proofs=Proofs(world.clock, turns(config.gateway.position_s)),
        service=service,
        administration=Administration(
            store, identity, roster.end_where, trail, world.clock, config.api.answer_s, roster.count_refusal
        ),
        operators=Operators(roster, trail),
        broadcasts=Broadcasts(roster, trail, world.clock),
        orders=orders,
        quiet_keeper=keeper,
        shelves=shelves,
        workflows=Workflows(
            WorkflowKit(
                store=store,
                machine=machine,
                orders=orders.of,
                clock=world.clock,
                new_id=world.new_id,
                answer_s=config.api.answer_s,
                quotas=quotas,
                hints=Hints(registry, derived),
                trail=trail,
                start=registry.cell,
                why_archived=shelves.archived.why,
                suppressed=metrics.suppressed.note,
            )
        ),
        trials=_trials(config, world, metrics, shelves, readings, service),
        rule_series=RuleSeries(shelves.rules, store, registry, config.api.answer_s, Tally(metrics).refused),
        clock=world.clock,
    )


def _trials(
    config: Config, world: World, metrics: Metrics, shelves: Shelves, readings: ReadingVerbs, service: Service
) -> Trials:
    window_s = config.suppression.window_s
    backtests = Backtests(window_s, metrics.refused)
    return Trials(shelves.rules, readings, backtests, service.trigger, world.clock, world.new_id, window_s)


def session_kit(parts: Parts, roster: Roster, config: Gateway, rates: RateLimits) -> SessionKit:
    """What every session is handed."""
    return SessionKit(
        parts.service,
        parts.registry,
        parts.derived,
        parts.store,
        parts.ticker,
        parts.presence,
        parts.recipients,
        roster,
        parts.clock,
        SessionLimits(
            heartbeat_s=config.heartbeat_s,
            timeout_s=config.timeout_s,
            auth_s=config.auth_s,
            message_s=config.message_s,
            conversation=ConversationLimits(
                auth_failures_max=config.auth_failures_max,
                bad_messages_max=config.bad_messages_max,
                subscriptions_max=config.subscriptions_max,
            ),
            rates=rates,
        ),
        parts.proofs,
    )


def gateway_limits(config: Gateway) -> GatewayLimits:
    """Bounds of the gateway as a whole."""
    return GatewayLimits(
        door=DoorLimits(
            connections_max=config.connections_max,
            per_address_max=config.connections_per_address_max,
            handshakes_max=config.handshakes_max,
            trusted_proxies=config.trusted_proxies,
        ),
        outbox=OutboxLimits(soft_bytes=config.outbox_soft_bytes, max_bytes=config.outbox_max_bytes),
        drain_s=config.drain_s,
        drain_closes_max=config.drain_closes_max,
        drain_spread_s=config.drain_spread_s,
    )


def stream_limits(config: Config) -> StreamLimits:
    """Bounds of the event streams; what may wait for one is as for a socket."""
    return StreamLimits(
        streams_max=config.api.streams_max,
        per_user_max=config.api.streams_per_user_max,
        outbox=OutboxLimits(soft_bytes=config.gateway.outbox_soft_bytes, max_bytes=config.gateway.outbox_max_bytes),
    )


def http_limits(config: Config) -> HttpLimits:
    """Bounds of the HTTP server; who counts as one address is the same at both doors."""
    return HttpLimits(
        connections_max=config.api.connections_max,
        body_s=config.api.body_s,
        per_address_max=config.gateway.connections_per_address_max,
        trusted_proxies=config.gateway.trusted_proxies,
    )


def roster_limits(config: Gateway) -> RosterLimits:
    """Bounds on whose connections there are."""
    return RosterLimits(
        per_user_max=config.connections_per_user_max,
        per_workspace_max=config.connections_per_workspace_max,
        ping_turns=turns(config.heartbeat_s),
    )


def turns(seconds: float) -> int:
    """In how many turns everybody is served once in so many seconds: one a tick, so that nobody waits for all of it."""
    return max(1, int(seconds / TICK_S))


def rate_limits(config: Limits) -> RateLimits:
    """How fast each role may send."""
    return RateLimits(
        people=RoleRates(
            Rate(config.people_messages_per_s, config.people_messages_burst),
            Rate(config.people_items_per_s, config.people_items_burst),
        ),
        producers=RoleRates(
            Rate(config.producer_messages_per_s, config.producer_messages_burst),
            Rate(config.producer_items_per_s, config.producer_items_burst),
        ),
        producer_roles=frozenset(config.producer_roles),
        refusals=Rate(config.refusals_max / config.refusals_window_s, config.refusals_max),
    )


def wider_rates(config: Limits) -> WiderRates:
    """What all tokens of a user, and a workspace, may do together."""
    return WiderRates(config.tokens_per_user, config.workspace_messages_per_s, config.workspace_items_per_s)


def websocket_limits(config: Gateway) -> WebSocketLimits:
    """Bounds of one connection."""
    return WebSocketLimits(
        handshake_s=config.handshake_s,
        message_max_bytes=config.message_max_bytes,
        fragments_max=config.fragments_max,
        reply_backlog_bytes=config.reply_backlog_bytes,
        close_s=config.close_s,
    )


def retention_of(config: Config) -> Retention:
    """What the store keeps, and how long."""
    keep = config.retention
    return Retention(
        events_s=keep.events_s,
        events_per_channel=keep.events_per_channel,
        readings=KeptReadings(raw_s=keep.readings_s, minutes_s=keep.minutes_s, hours_s=keep.hours_s),
    )


def policy(config: Config) -> Policy:
    """How every channel's machine decides."""
    return Policy(
        suppression_s=config.suppression.window_s,
        events_max=config.channel.events_max,
        windows_max=config.channel.windows_max,
        rule_states_max=config.channel.rule_states_max,
        reading_series_max=config.channel.reading_series_max,
        rule_series_max=config.channel.rule_series_max,
        unacknowledge_s=config.alerts.unacknowledge_s,
        flush_s=config.suppression.flush_s,
        flapping=_flapping(config.flapping),
        storm_per_minute=config.storm.alerts_per_minute,
    )


def _flapping(config: Flapping) -> flapping.Flapping | None:
    if not config.enabled:
        return None
    return flapping.Flapping(
        start_percent=config.start_percent, stop_percent=config.stop_percent, interval_s=config.interval_s
    )
