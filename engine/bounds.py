"""What the configuration means to each part: its bounds and rates, and how channels decide. Pure.

A part knows its own record of limits and nothing of the configuration; here the one is made from the other.
"""

from __future__ import annotations

from actors.bucket import Rate
from actors.door import DoorLimits
from actors.event_streams import StreamLimits
from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from actors.roster import RosterLimits
from actors.session_kit import SessionLimits
from actors.throttle import RateLimits, RoleRates
from actors.ticker import TICK_S
from actors.websocket import WebSocketLimits
from engine.access.quotas import WiderRates
from engine.configuration.config import Config
from engine.core import flapping
from engine.core.turn import Policy
from engine.http.door import HttpLimits
from engine.sections.alerting import Flapping
from engine.sections.doors import Gateway, Limits
from engine.stores import Retention
from engine.stores.readings import KeptReadings
from protocol.session import ConversationLimits


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
        deliveries_s=keep.deliveries_s,
        findings_s=keep.findings_s,
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


def session_limits(config: Gateway, rates: RateLimits) -> SessionLimits:
    """Bounds of one connection's conversation."""
    return SessionLimits(
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
    )
