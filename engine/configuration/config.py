"""The configuration: one frozen record tree, every field with default, unit in its name and the reason for its value.

Puts the tables of `engine.sections` together, and owns what holds between several settings.
`engine.configuration.settings` reads them from files and variables, `tocsin config` prints them, everything else is
handed the part that it needs. A `Config` checks itself when it is made, so that a program which embeds the engine and
builds one by hand is told the same as an operator who mistypes a file. Decided against: a settings library (it would
bring validation models of its own beside msgspec's), and sections that look up their values lazily (a wrong value must
end the start, not the night).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from engine.configuration.config_checks import CHECKS, check_smtp
from engine.configuration.fields import (
    MASK,
    Address,
    ConfigError,
    Field,
    Secret,
    Section,
    check,
    fields_of,
    limit,
    parse_address,
    why,
)
from engine.configuration.store_urls import without_password
from engine.sections.alerting import Alerts, Channel, Flapping, Storm, Suppression
from engine.sections.bus import BusSection
from engine.sections.cache import Cache, Redis
from engine.sections.doors import Api, Gateway, Limits, Tls
from engine.sections.explaining import ExplainerSection
from engine.sections.identity import Identity, Integration
from engine.sections.jobs import Jobs, ScheduleSetting
from engine.sections.keeping import Objects, Retention
from engine.sections.notify import Notify
from engine.sections.tracing import TracingSection
from engine.sections.watching import HOST_FRAMEWORK, HOST_RULES, Host, MetricsSection, Watchdog
from protocol.rules import Rule

# `tocsin serve` ends the process if a stop takes longer.
STOP_MAX_S = 10.0


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, made by `settings.load` or by hand. Raises ConfigError if it is not allowed."""

    data: Annotated[Path, why("Folder of database, key file and tocsin.toml; made at the first start.")] = Path("data")
    store: Annotated[str, why("URL of the store; empty: the SQLite file tocsin.db in the data folder.")] = ""
    node: Annotated[str, why("Name of this node among others on one store; empty: its host and process.")] = ""
    store_cache_bytes: Annotated[
        int, limit(65_536, 2**36, "Memory for the file's busiest pages; each of two readers has a quarter more.")
    ] = 32 << 20
    secret: Annotated[
        Secret, why("Signs the tokens, 32 bytes or more; empty: the key file that the first start makes.")
    ] = Secret()
    ws: Annotated[str, why("Where WebSocket clients connect; 3008 is the reference's port.")] = "127.0.0.1:3008"
    http: Annotated[str, why("Where the API and /metrics are served.")] = "127.0.0.1:8080"
    workspace: Annotated[str, why("Workspace of the host source and of rules that name none.")] = "main"
    allow_public_bind: Annotated[
        bool, why("Allow plain ws and http on addresses that others reach: behind a TLS proxy. Not needed with [tls].")
    ] = False
    watch_host: Annotated[bool, why("Read this machine's vitals and hold them against the rules.")] = True
    watch_self: Annotated[
        bool, why("Hold the engine's own figures against rules, which ring in the workspace `system`.")
    ] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], why("The least severe log lines that are written.")
    ] = "info"
    tls: Tls = Tls()
    gateway: Gateway = Gateway()
    channel: Channel = Channel()
    suppression: Suppression = Suppression()
    flapping: Flapping = Flapping()
    storm: Storm = Storm()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    host: Host = Host()
    api: Api = Api()
    objects: Objects = Objects()
    redis: Redis = Redis()
    cache: Cache = Cache()
    bus: BusSection = BusSection()
    jobs: Jobs = Jobs()
    notify: Notify = Notify()
    identity: Identity = Identity()
    limits: Limits = Limits()
    metrics: MetricsSection = MetricsSection()
    watchdog: Watchdog = Watchdog()
    tracing: TracingSection = TracingSection()
    explainer: ExplainerSection = ExplainerSection()
    integrations: Annotated[
        tuple[Integration, ...], why("Foreign systems that send alerts with a key of their own, or JSON to be mapped.")
    ] = ()
    schedules: Annotated[
        tuple[ScheduleSetting, ...], why("Schedules beside the engine's own, or by their names what those have.")
    ] = ()
    rules: Annotated[tuple[Rule, ...], why("Rules for readings; a file that has any replaces these defaults.")] = (
        HOST_RULES
    )

    def __post_init__(self) -> None:
        for field in FIELDS.values():
            check(field, field.of(self), CHECKS)
        if self.rules is HOST_RULES and self.host.framework != HOST_FRAMEWORK:
            # Not chosen by anybody, so they belong to the host whatever it is called; else it would go unwatched.
            here = tuple(msgspec.structs.replace(rule, framework=self.host.framework) for rule in HOST_RULES)
            msgspec.structs.force_setattr(self, "rules", here)
        if self.gateway.timeout_s <= self.gateway.heartbeat_s:
            raise ConfigError(
                "gateway.timeout_s",
                f"{self.gateway.timeout_s:g} is not allowed: use more than gateway.heartbeat_s "
                f"({self.gateway.heartbeat_s:g}), or every quiet client would be cut before its first ping",
            )
        if self.flapping.stop_percent >= self.flapping.start_percent:
            raise ConfigError(
                "flapping.stop_percent",
                f"{self.flapping.stop_percent:g} is not allowed: use less than flapping.start_percent "
                f"({self.flapping.start_percent:g}), or flapping would itself come and go",
            )
        if self.gateway.outbox_soft_bytes > self.gateway.outbox_max_bytes:
            raise ConfigError(
                "gateway.outbox_soft_bytes",
                f"{self.gateway.outbox_soft_bytes} is not allowed: use at most gateway.outbox_max_bytes "
                f"({self.gateway.outbox_max_bytes}), or a slow reader is cut before anything gives way",
            )
        if self.gateway.drain_s + self.gateway.close_s > STOP_MAX_S:
            raise ConfigError(
                "gateway.drain_s",
                f"{self.gateway.drain_s:g} is not allowed: use at most {STOP_MAX_S:g} together with gateway.close_s "
                f"({self.gateway.close_s:g}); a stop takes no longer than that",
            )
        if self.watchdog.exit_s <= self.watchdog.stall_s:
            raise ConfigError(
                "watchdog.exit_s",
                f"{self.watchdog.exit_s:g} is not allowed: use more than watchdog.stall_s "
                f"({self.watchdog.stall_s:g}), or nobody would learn where the loop hung",
            )
        for name, other in (("cert", "key"), ("key", "cert")):
            if (given := getattr(self.tls, name)) and not getattr(self.tls, other):
                raise ConfigError(f"tls.{name}", f"{given!r:.80} is given without tls.{other}: use both, or none")
        for name in ("ws", "http"):
            self._check_bind(name)
        check_smtp(self.notify.smtp)
        if self.ws == self.http and self.ws_address.port:
            raise ConfigError("http", f"{self.http!r} is not allowed: use another port, ws has this one")

    def _check_bind(self, name: str) -> None:
        address = parse_address(getattr(self, name))
        if not address.is_loopback and not self.allow_public_bind and not self.tls.cert:
            raise ConfigError(
                name,
                f"{getattr(self, name)!r} is reachable from other machines and would carry tokens in plain text: use a "
                "loopback address behind a TLS proxy, give tls.cert and tls.key (--tls-cert, --tls-key), or say "
                "allow_public_bind = true",
            )

    @property
    def ws_address(self) -> Address:
        """Where the gateway listens."""
        return parse_address(self.ws)

    @property
    def http_address(self) -> Address:
        """Where HTTP listens."""
        return parse_address(self.http)

    @property
    def ws_scheme(self) -> str:
        """How URLs of the gateway begin."""
        return "wss" if self.tls.cert else "ws"

    @property
    def http_scheme(self) -> str:
        """How URLs of the API begin."""
        return "https" if self.tls.cert else "http"

    def __repr__(self) -> str:
        return super().__repr__().replace(repr(self.store), repr(without_password(self.store, MASK)))

    @property
    def store_url(self) -> str:
        """The store to open: `store`, or the path of `tocsin.db` in the data folder."""
        return self.store or str(self.data / "tocsin.db")

    def origins(self, http_port: int) -> frozenset[str]:
        """Web origins that may connect, when HTTP listens on this port; on loopback `localhost` is one of them."""
        host = self.http_address
        hosts = {host.url_host, "localhost"} if host.is_loopback else {host.url_host}
        return frozenset(self.gateway.origins) | {f"{self.http_scheme}://{name}:{http_port}" for name in hosts}


FIELDS: Mapping[str, Field] = MappingProxyType(fields_of(Config))
