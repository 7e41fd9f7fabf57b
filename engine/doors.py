"""The two doors of an engine: where HTTP and WebSocket listen, and what is served there.

Owns the addresses, which outlive the runs of both: after a crash the same ports are listened on again. They are taken
before the store is opened, so a process whose port somebody else has is never a node among others, and a node says
where it really is; nobody is let in before there is something to serve. Each run takes the parts that there are then.
Started and restarted by the supervision tree (`engine.tree`); HTTP first, because its port is one of the origins that
may connect.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Mapping, Sequence

import trio
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from actors.connection import Connection
from actors.event_streams import EventStreams
from actors.gateway import Gateway
from actors.retelling import Retelling
from actors.roster import Roster
from actors.session import Session
from actors.session_kit import SessionKit
from actors.supervisor import Started
from actors.throttle import RateLimits
from engine.access.certificate import Certificate
from engine.analytics.missed_news import MissedNews
from engine.bounds import gateway_limits, http_limits, rate_limits, session_limits, stream_limits, websocket_limits
from engine.configuration.config import Config
from engine.http.action_pages import action_routers
from engine.http.analytics import analytics_routes
from engine.http.app import create_app
from engine.http.broadcasts import broadcast_routes
from engine.http.dashboard import dashboard_router, read_page
from engine.http.endpoints import endpoint_test_routes
from engine.http.event_streams import stream_routes
from engine.http.inbound.intake import Intake
from engine.http.inbound.routes import inbound_routers
from engine.http.inbound.slack import slack_router
from engine.http.incidents import incident_routes
from engine.http.insights import insight_routes
from engine.http.jobs import job_routes, queue_metrics_router
from engine.http.leave_pages import leave_router
from engine.http.metrics import OwnHealth, metrics_router
from engine.http.nodes import node_routes
from engine.http.notifications import notification_routes
from engine.http.operators import PeerAddress
from engine.http.patterns import pattern_routes
from engine.http.ports import About
from engine.http.predictions import prediction_routes
from engine.http.previews import preview_routes
from engine.http.quiet_previews import quiet_preview_routes
from engine.http.readings import reading_routes
from engine.http.reports import report_routes
from engine.http.rule_series import rule_series_routes
from engine.http.schedules import schedule_routes
from engine.http.server import HttpServer, serve_http
from engine.http.shelves import shelf_routes
from engine.http.stream_history import history_routes
from engine.http.system import system_router
from engine.http.trials import trial_routes
from engine.http.workflows import workflow_routes
from engine.input.integrations import Integrations
from engine.parts import Parts
from engine.quiet.storms import Storms
from engine.sections.doors import Gateway as GatewaySection
from engine.sockets import bind, host_and_port, listen, same_port
from engine.telemetry.metrics import Metrics
from engine.verbs.system import SupervisorShown, SystemShown, system_shown
from engine.world import World


class Doors:
    """HTTP and WebSocket. `parts`: what there is now; raises StoreUnavailable if there is nothing to serve."""

    def __init__(
        self,
        config: Config,
        world: World,
        metrics: Metrics,
        roster: Roster,
        parts: Callable[[], Parts],
        own_health: OwnHealth,
        around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
        supervision: Callable[[], Sequence[SupervisorShown]] = tuple,
    ) -> None:
        self._config = config
        self._world = world
        self._metrics = metrics
        self._roster = roster
        self._parts = parts
        self._own_health = own_health
        # What requests over HTTP are handled in.
        self._around = around
        self._supervision = supervision
        self._http: HttpServer | None = None
        self._streams: EventStreams | None = None
        # None: both ports are plain.
        self.certificate = Certificate.of(config)
        # Empty until it is known where they listen.
        self.ws_url = ""
        self.http_url = ""
        # Taken, and not listened on yet.
        self._taken_http: socket.socket | None = None
        self._taken_ws: trio.socket.SocketType | None = None

    def statistics(self) -> Mapping[str, int]:
        """The HTTP server's connections, event streams among them; those of the gateway are the roster's."""
        if self._http is None or self._streams is None:
            return {}
        return {**self._http.statistics(), "event_streams": len(self._streams)}

    async def run_ports(self, status: Started) -> None:
        """Takes both ports for the doors' first run. Raises ConfigError."""
        try:
            self._taken_http = self._bind_http()
            self._taken_ws = self._bind_ws()
            status.started()
            await trio.sleep_forever()
        finally:
            for taken in (self._taken_http, self._taken_ws):
                if taken is not None:
                    taken.close()
            self._taken_http = self._taken_ws = None

    def _bind_http(self) -> socket.socket:
        taken, self._taken_http = self._taken_http, None
        sock = taken or bind("http", same_port(self._config.http_address, self.http_url))
        self.http_url = f"{self._config.http_scheme}://{host_and_port(sock)}"
        return sock

    def _bind_ws(self) -> trio.socket.SocketType:
        taken, self._taken_ws = self._taken_ws, None
        sock = taken or self._world.bind_ws(same_port(self._config.ws_address, self.ws_url))
        self.ws_url = f"{self._config.ws_scheme}://{host_and_port(sock)}"
        return sock

    async def run_http(self, status: Started) -> None:
        """Serves HTTP until cancelled."""
        # Closed whatever happens: after a crash the same port is listened on again.
        with self._bind_http() as listener:
            listen("http", listener)
            await self._serve_http(listener, status)

    async def _serve_http(self, listener: socket.socket, status: Started) -> None:
        parts, config = self._parts(), self._config
        app = create_app(
            parts.service,
            parts.administration,
            parts.operators,
            self._metrics.render,
            self._about,
            body_max_bytes=config.api.body_max_bytes,
            clock=self._world.clock,
            resolve_timeout_s=config.suppression.resolve_timeout_s,
            count_refusal=self._metrics.refused,
            trusted_proxies=config.gateway.trusted_proxies,
            overload=lambda: self._roster.overload,
            silences=parts.orders.quiet.silences,
            handed=parts.handed,
            routes=[
                *preview_routes(parts.service),
                *quiet_preview_routes(parts.service),
                *endpoint_test_routes(parts.tryout),
                *analytics_routes(parts.alert_counts),
                *reading_routes(parts.readings, parts.shelves.frameworks),
                *trial_routes(parts.trials),
                *rule_series_routes(parts.rule_series),
                *prediction_routes(parts.predictions),
                *report_routes(parts.weekly.verbs),
                *notification_routes(parts.notify_verbs),
                *incident_routes(parts.incidents, PeerAddress(config.gateway.trusted_proxies)),
                *self._stream_routes(parts),
                *shelf_routes(
                    parts.shelves, Storms(parts.store), self._world.clock, PeerAddress(config.gateway.trusted_proxies)
                ),
            ],
            routers=[
                *inbound_routers(self._intake(parts)),
                queue_metrics_router(parts.jobs, parts.service),
                metrics_router(self._own_health, lambda: parts.cache.counts, self._metrics.render, parts.service),
                system_router(lambda: self._system(parts), parts.service),
                slack_router(parts.slack_actions),
                *action_routers(parts.link_verbs, PeerAddress(config.gateway.trusted_proxies)),
                leave_router(parts.leave_verbs, PeerAddress(config.gateway.trusted_proxies)),
                dashboard_router(await trio.to_thread.run_sync(read_page), self._about, lambda: self._http_port),
            ],
        )
        serve = functools.partial(
            serve_http,
            self._around(app),
            listener,
            certificate=self.certificate,
            count_refusal=self._metrics.refused,
            limits=http_limits(config),
            on_drain=self._end_streams,
        )
        async with trio.open_nursery() as nursery:
            self._http = await nursery.start(serve)
            status.started()

    @property
    def _http_port(self) -> int:
        return int(self.http_url.rpartition(":")[2])

    def _stream_routes(self, parts: Parts) -> list[HTTPRouteHandler]:
        config, peer_address = self._config, PeerAddress(self._config.gateway.trusted_proxies)
        kit = _session_kit(parts, self._roster, config.gateway, rate_limits(config.limits))
        self._streams = EventStreams(kit, stream_limits(config), self._world.new_id)
        return [
            *stream_routes(self._streams, peer_address),
            *history_routes(Retelling(kit)),
            *broadcast_routes(parts.broadcasts, peer_address),
            *workflow_routes(parts.workflows, parts.service, parts.handed, peer_address),
            *job_routes(parts.jobs, peer_address),
            *pattern_routes(parts.analytics.patterns, peer_address),
            *insight_routes(parts.insights, peer_address),
            *schedule_routes(parts.schedules, peer_address),
            *node_routes(parts.node_verbs),
        ]

    def _system(self, parts: Parts) -> SystemShown:
        overload = self._roster.overload
        health, samples = self._own_health.health(), self._metrics.samples()
        return system_shown(health, parts.service.is_ready, overload, samples, self._supervision())

    def _intake(self, parts: Parts) -> Intake:
        integrations = Integrations(self._config.integrations, self._config.workspace)
        return Intake(parts.service, integrations, self._world.clock, self._metrics.inbound)

    def _end_streams(self) -> None:
        if self._streams is not None:
            self._streams.end_all()

    def _about(self) -> About:
        return About(
            name="tocsin", version=self._metrics.version, ws=self.ws_url, heartbeat_s=self._config.gateway.heartbeat_s
        )

    async def run_gateway(self, status: Started) -> None:
        """Serves WebSockets until cancelled, then drains."""
        parts = self._parts()
        with self._bind_ws() as listener:
            listen("ws", listener)
            await self._serve_ws(listener, parts, status)

    async def _serve_ws(self, listener: trio.socket.SocketType, parts: Parts, status: Started) -> None:
        config = self._config.gateway
        kit = _session_kit(parts, self._roster, config, rate_limits(self._config.limits))

        async def converse(connection: Connection) -> None:
            await Session(connection, kit).run()

        gateway = Gateway(
            [listener],
            converse,
            self._config.origins(self._http_port),
            gateway_limits(config),
            websocket_limits(config),
            self._roster,
            self._world.new_id,
            self.certificate.new_tls if self.certificate else None,
        )
        await gateway.run(status)


def _session_kit(parts: Parts, roster: Roster, config: GatewaySection, rates: RateLimits) -> SessionKit:
    """What every session is handed."""
    return SessionKit(
        parts.desk,
        parts.registry,
        parts.derived,
        parts.store,
        parts.ticker,
        parts.presence,
        parts.recipients,
        roster,
        parts.clock,
        session_limits(config, rates),
        parts.proofs,
        findings=MissedNews(parts.store),
    )
