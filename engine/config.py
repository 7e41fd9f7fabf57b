"""The configuration: one frozen record tree, every field with default, unit in its name and the reason for its value.

Owns which settings exist and what each allows. `engine.settings` reads them from files and variables, `tocsin config`
prints them, everything else is handed the part that it needs. A `Config` checks itself when it is made, so that a
program which embeds the engine and builds one by hand is told the same as an operator who mistypes a file.
Decided against: a settings library (it would bring validation models of its own beside msgspec's), and sections that
look up their values lazily (a wrong value must end the start, not the night).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from engine.core.rules.check import RuleInvalid, check_rule
from engine.fields import Address, Checks, ConfigError, Field, Secret, Section, check, fields_of, parse_address
from engine.foreign_forms.mapped import check_mapping
from engine.sections import (
    HOST_FRAMEWORK,
    HOST_RULES,
    WINDOW_MAX_S,
    Alerts,
    Api,
    Channel,
    Flapping,
    Gateway,
    Host,
    Identity,
    Integration,
    Limits,
    MetricsSection,
    Objects,
    Retention,
    Storm,
    Suppression,
    Tls,
    Watchdog,
    limit,
    why,
)
from protocol.names import is_id, is_workspace
from protocol.rules import Rule

# The tree, and what callers need of `engine.fields` and `engine.sections` beside it.
__all__ = (
    "CHECKS",
    "FIELDS",
    "HOST_RULES",
    "SECRET_MIN_BYTES",
    "Address",
    "Alerts",
    "Api",
    "Channel",
    "Config",
    "ConfigError",
    "Flapping",
    "Gateway",
    "Host",
    "Identity",
    "Integration",
    "Limits",
    "MetricsSection",
    "Objects",
    "Retention",
    "Secret",
    "Storm",
    "Suppression",
    "Tls",
    "Watchdog",
)

# The output size of HMAC-SHA256: a shorter key is easier to guess than the signature (RFC 7518, section 3.2).
SECRET_MIN_BYTES = 32
# PagerDuty's have 32 characters, 128 bits in hexadecimal.
INTEGRATION_KEY_MIN_BYTES = 16
# `tocsin serve` ends the process if a stop takes longer.
STOP_MAX_S = 10.0
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, made by `engine.settings.load` or by hand. Raises ConfigError if it is not allowed."""

    data: Annotated[Path, why("Folder of database, key file and tocsin.toml; made at the first start.")] = Path("data")
    store: Annotated[str, why("URL of the store; empty: the SQLite file tocsin.db in the data folder.")] = ""
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
    identity: Identity = Identity()
    limits: Limits = Limits()
    metrics: MetricsSection = MetricsSection()
    watchdog: Watchdog = Watchdog()
    integrations: Annotated[
        tuple[Integration, ...], why("Foreign systems that send alerts with a key of their own, or JSON to be mapped.")
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

    @property
    def store_url(self) -> str:
        """The store to open: `store`, or the path of `tocsin.db` in the data folder."""
        return self.store or str(self.data / "tocsin.db")

    def origins(self, http_port: int) -> frozenset[str]:
        """Web origins that may connect, when HTTP listens on this port; on loopback `localhost` is one of them."""
        host = self.http_address
        hosts = {host.url_host, "localhost"} if host.is_loopback else {host.url_host}
        return frozenset(self.gateway.origins) | {f"{self.http_scheme}://{name}:{http_port}" for name in hosts}


def _check_data(data: Path) -> None:
    if data == Path() or "\0" in str(data):
        raise ValueError("the path of a folder, such as ./data")


def _check_secret(secret: Secret) -> None:
    if secret and len(secret.reveal()) < SECRET_MIN_BYTES:
        count = len(secret.reveal())
        raise ValueError(f"at least {SECRET_MIN_BYTES} bytes, this one has {count} (make one: openssl rand -base64 48)")


def _check_previous_secrets(secrets: Secret) -> None:
    if any(line.strip() and len(line.strip()) < SECRET_MIN_BYTES for line in secrets.reveal().splitlines()):
        raise ValueError(f"one secret a line, each of at least {SECRET_MIN_BYTES} bytes")


def _check_workspace(name: str) -> None:
    if not is_workspace(name):
        raise ValueError("1-128 letters, digits, spaces or ._-/@ and no path segment '.' or '..'")


def _check_id(name: str) -> None:
    if not is_id(name):
        raise ValueError("1-128 letters, digits, spaces or ._-/@: and no path segment '.' or '..'")


def _check_origins(origins: tuple[str, ...]) -> None:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("origins as browsers write them, such as https://alerts.example.com (no path, no *)")


def _check_proxies(networks: tuple[str, ...]) -> None:
    for text in networks:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("addresses or networks, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8") from None


def _check_rule_workspace(name: str) -> None:
    if name:
        _check_workspace(name)


def _check_window(seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= WINDOW_MAX_S:
        raise ValueError(f"a number from 0 to {WINDOW_MAX_S}")


def _check_rules(rules: tuple[Rule, ...]) -> None:
    ids = [rule.id for rule in rules]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            raise ConfigError(f"rules[{place}].id", f"two rules have the id {name!r}: use another, ids are unique")
    for place, rule in enumerate(rules):
        try:
            check_rule(rule)
        except RuleInvalid as fault:
            raise ConfigError(f"rules[{place}].{fault.field}", f"{fault.reason}; use {fault.example}") from None


def _check_framework(name: str) -> None:
    if name:
        _check_id(name)


def _check_integration_key(key: Secret) -> None:
    if key and len(key.reveal()) < INTEGRATION_KEY_MIN_BYTES:
        count = len(key.reveal())
        raise ValueError(f"at least {INTEGRATION_KEY_MIN_BYTES} bytes, this one has {count} (openssl rand -hex 16)")


def _check_integrations(integrations: tuple[Integration, ...]) -> None:
    for place, one in enumerate(integrations):
        for other in integrations[:place]:
            if one.name == other.name:
                raise ConfigError(f"integrations[{place}].name", f"two have the name {one.name!r}: use another")
            if one.key and one.key == other.key:
                raise ConfigError(f"integrations[{place}].key", f"is that of {other.name!r} too: use another")


# What a type cannot say, by key.
CHECKS: Checks = {
    "data": _check_data,
    "secret": _check_secret,
    "ws": parse_address,
    "http": parse_address,
    "workspace": _check_workspace,
    "gateway.origins": _check_origins,
    "gateway.trusted_proxies": _check_proxies,
    "identity.previous_secrets": _check_previous_secrets,
    "host.framework": _check_id,
    "integrations": _check_integrations,
    "integrations.name": _check_id,
    "integrations.key": _check_integration_key,
    "integrations.workspace": _check_rule_workspace,
    "integrations.framework": _check_framework,
    "integrations.mapping": check_mapping,
    "rules": _check_rules,
    "rules.id": _check_id,
    "rules.framework": _check_id,
    "rules.metric": _check_id,
    "rules.workspace": _check_rule_workspace,
    "rules.suppression_s": _check_window,
}
FIELDS: Mapping[str, Field] = MappingProxyType(fields_of(Config))
