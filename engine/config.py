"""The configuration: one frozen record tree, every field with default, unit in its name and the reason for its value.

Owns which settings exist and what each allows. `engine.settings` reads them from files and variables, `tocsin config`
prints them, everything else is handed the part that it needs. A `Config` checks itself when it is made, so that a
program which embeds the engine and builds one by hand is told the same as an operator who mistypes a file.
Decided against: a settings library (it would bring validation models of its own beside msgspec's), and sections that
look up their values lazily (a wrong value must end the start, not the night).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from engine.fields import Address, Checks, ConfigError, Field, Secret, Section, check, fields_of, parse_address
from protocol.messages import ITEMS_MAX
from protocol.model import Severity, ThresholdRule
from protocol.names import is_id, is_workspace

# The tree, and what callers need of `engine.fields` beside it.
__all__ = (
    "CHECKS",
    "FIELDS",
    "HOST_RULES",
    "SECRET_MIN_BYTES",
    "Address",
    "Api",
    "Channel",
    "Config",
    "ConfigError",
    "Gateway",
    "Host",
    "MetricsSection",
    "Retention",
    "Secret",
    "Suppression",
    "make_folder",
    "prepare_data_folder",
    "unusable_folder",
)

# The output size of HMAC-SHA256: a shorter key is easier to guess than the signature (RFC 7518, section 3.2).
SECRET_MIN_BYTES = 32
# One ticker looks after the deadlines of all connections once a second: what is shorter would be promised and not kept.
_TICK_S = 1
_DAY_S = 86_400
_DECADE_S = 3_653 * _DAY_S
WINDOW_MAX_S = 30 * _DAY_S
# `tocsin serve` ends the process if a stop takes longer.
STOP_MAX_S = 10.0
HOST_FRAMEWORK = "host"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def _from(low: float, high: float, why: str) -> msgspec.Meta:
    return msgspec.Meta(ge=low, le=high, description=why)


def _why(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Gateway(Section, frozen=True, kw_only=True):
    """WebSocket connections."""

    heartbeat_s: Annotated[float, _from(_TICK_S, 3600, "One shared ping this often; the reference's figure.")] = 30.0
    timeout_s: Annotated[
        float, _from(_TICK_S, 7200, "A peer not heard for so long is gone: one lost heartbeat is forgiven, not two.")
    ] = 60.0
    handshake_s: Annotated[float, _from(0.1, 60, "A peer that is slower with its HTTP upgrade is no client.")] = 5.0
    auth_s: Annotated[float, _from(_TICK_S, 300, "Without a good token by then the connection ends with 3502.")] = 10.0
    message_s: Annotated[
        float, _from(_TICK_S, 300, "A message must be complete in this time (drip-feeding peers).")
    ] = 10.0
    close_s: Annotated[float, _from(0.1, 60, "How long a peer may take to answer our Close frame.")] = 2.0
    drain_s: Annotated[
        float, _from(0.1, 60, "Clients are told to leave within this time at shutdown; the promise is 10 s in all.")
    ] = 8.0
    message_max_bytes: Annotated[
        int, _from(1024, 16_777_216, "A larger message ends with 1009; 1 MiB of empty maps would cost 70 MB to decode.")
    ] = 65_536
    fragments_max: Annotated[int, _from(1, 65_536, "More fragments in one message than anybody needs.")] = 64
    reply_backlog_bytes: Annotated[
        int, _from(1024, 16_777_216, "With more replies than this unread we stop reading from that peer (ping floods).")
    ] = 65_536
    outbox_max_bytes: Annotated[
        int, _from(65_536, 1_073_741_824, "A reader further behind than this is cut with 3008 and may recover.")
    ] = 1_048_576
    connections_max: Annotated[int, _from(1, 1_000_000, "At about 30 kB each, 20,000 take 600 MB.")] = 20_000
    subscriptions_max: Annotated[int, _from(1, 100_000, "Subscriptions of one connection; more end with 3505.")] = 128
    position_s: Annotated[float, _from(_TICK_S, 3600, "How often a quiet channel proves that nothing was missed.")] = (
        5.0
    )
    origins: Annotated[
        tuple[str, ...],
        _why("Web origins whose pages may connect, exactly as browsers write them; that of `http` is always added."),
    ] = ()


class Channel(Section, frozen=True, kw_only=True):
    """Channels: one per framework of a workspace."""

    mailbox_max: Annotated[
        int, _from(ITEMS_MAX, 1_000_000, "Waiting commands; at least those of one request. More are busy, not lost.")
    ] = 10_000
    batch_max: Annotated[int, _from(1, 10_000, "Commands decided together; under events_max: receipts need room.")] = (
        240
    )
    idle_s: Annotated[float, _from(0.1, _DAY_S, "A channel unused for so long gives its memory back.")] = 60.0
    events_max: Annotated[int, _from(1, 10_000, "Events in one commit: bounds what a fan-out must send at once.")] = 256
    windows_max: Annotated[
        int, _from(1, 10_000_000, "Open alerts and suppression windows held in memory; beyond it: busy.")
    ] = 100_000
    park_s: Annotated[float, _from(0.1, 3600, "A channel past its restart intensity is tried again this often.")] = 10.0


class Suppression(Section, frozen=True, kw_only=True):
    """When an alert is not said again."""

    window_s: Annotated[float, _from(0, WINDOW_MAX_S, "The reference's five minutes, per identity.")] = 300.0
    flush_s: Annotated[float, _from(0.01, 60, "Counts of duplicates that a crash may lose are never older.")] = 1.0
    resolve_timeout_s: Annotated[
        float, _from(1, 30 * _DAY_S, "An alert whose source went silent expires; Alertmanager's five minutes.")
    ] = 300.0


class Retention(Section, frozen=True, kw_only=True):
    """How long events can be recovered: by age or by count, whichever keeps more."""

    events_s: Annotated[int, _from(0, _DECADE_S, "Seven days: a client that was off for a week's holiday.")] = 604_800
    events_per_channel: Annotated[int, _from(0, 1_000_000_000, "The newest are kept however old they are.")] = 100_000
    trim_every_s: Annotated[float, _from(1, _DAY_S, "Small trims often: none is long enough to be felt.")] = 600.0


class Host(Section, frozen=True, kw_only=True):
    """This machine's vitals as a source of readings."""

    interval_s: Annotated[float, _from(0.1, 3600, "Seconds between readings: a spike of two is still seen.")] = 1.0
    framework: Annotated[str, _why("The framework that the readings belong to; the default rules follow it.")] = (
        HOST_FRAMEWORK
    )


class Api(Section, frozen=True, kw_only=True):
    """HTTP."""

    body_max_bytes: Annotated[
        int, _from(1024, 1_073_741_824, "Prometheus posts a few hundred alerts at once; 4 MiB is ten times that.")
    ] = 4_194_304
    answer_s: Annotated[float, _from(0.1, 300, "A request not answered by then gets busy: try again.")] = 10.0


class MetricsSection(Section, frozen=True, kw_only=True):
    """What /metrics shows."""

    framework_labels_max: Annotated[
        int, _from(1, 10_000, "Frameworks with a time series of their own; the rest are counted as `other`.")
    ] = 200


HOST_RULES = (
    ThresholdRule(
        id="host-cpu",
        framework=HOST_FRAMEWORK,
        metric="cpu_percent",
        threshold=90.0,
        title="CPU above 90 % on this machine",
    ),
    ThresholdRule(
        id="host-memory",
        framework=HOST_FRAMEWORK,
        metric="memory_percent",
        threshold=90.0,
        severity=Severity.ERROR,
        title="Memory above 90 % on this machine",
    ),
    ThresholdRule(
        id="host-disk",
        framework=HOST_FRAMEWORK,
        metric="disk_percent",
        threshold=90.0,
        severity=Severity.ERROR,
        title="Disk above 90 % full on this machine",
    ),
    ThresholdRule(
        id="host-load",
        framework=HOST_FRAMEWORK,
        metric="load_per_core",
        threshold=4.0,
        title="Load above 4 per core on this machine",
    ),
)


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, made by `engine.settings.load` or by hand. Raises ConfigError if it is not allowed."""

    data: Annotated[Path, _why("Folder of database, key file and tocsin.toml; made at the first start.")] = Path("data")
    store: Annotated[str, _why("URL of the store; empty: the SQLite file tocsin.db in the data folder.")] = ""
    secret: Annotated[
        Secret, _why("Signs the tokens, 32 bytes or more; empty: the key file that the first start makes.")
    ] = Secret()
    ws: Annotated[str, _why("Where WebSocket clients connect; 3008 is the reference's port.")] = "127.0.0.1:3008"
    http: Annotated[str, _why("Where the API and /metrics are served.")] = "127.0.0.1:8080"
    workspace: Annotated[str, _why("Workspace of the host source and of rules that name none.")] = "main"
    allow_public_bind: Annotated[
        bool, _why("Allow plain ws and http on addresses that others reach; put a TLS proxy in front.")
    ] = False
    watch_host: Annotated[bool, _why("Read this machine's vitals and hold them against the rules.")] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _why("The least severe log lines that are written.")
    ] = "info"
    gateway: Gateway = Gateway()
    channel: Channel = Channel()
    suppression: Suppression = Suppression()
    retention: Retention = Retention()
    host: Host = Host()
    api: Api = Api()
    metrics: MetricsSection = MetricsSection()
    rules: Annotated[
        tuple[ThresholdRule, ...], _why("Rules for readings; a file that has any replaces these defaults.")
    ] = HOST_RULES

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
        if self.channel.batch_max > self.channel.events_max:
            raise ConfigError(
                "channel.batch_max",
                f"{self.channel.batch_max} is not allowed: use at most channel.events_max ({self.channel.events_max}), "
                "or triggers of a full batch would be answered busy in an idle engine",
            )
        if self.gateway.drain_s + self.gateway.close_s > STOP_MAX_S:
            raise ConfigError(
                "gateway.drain_s",
                f"{self.gateway.drain_s:g} is not allowed: use at most {STOP_MAX_S:g} together with gateway.close_s "
                f"({self.gateway.close_s:g}); a stop takes no longer than that",
            )
        for name in ("ws", "http"):
            self._check_bind(name)
        if self.ws == self.http and self.ws_address.port:
            raise ConfigError("http", f"{self.http!r} is not allowed: use another port, ws has this one")

    def _check_bind(self, name: str) -> None:
        address = parse_address(getattr(self, name))
        if not address.is_loopback and not self.allow_public_bind:
            raise ConfigError(
                name,
                f"{getattr(self, name)!r} is reachable from other machines and would carry tokens in plain text: use a "
                "loopback address behind a TLS proxy, or say allow_public_bind = true",
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
    def store_url(self) -> str:
        """The store to open: `store`, or the path of `tocsin.db` in the data folder."""
        return self.store or str(self.data / "tocsin.db")

    def origins(self, http_port: int) -> frozenset[str]:
        """Web origins that may connect, when HTTP listens on this port; on loopback `localhost` is one of them."""
        host = self.http_address
        hosts = {host.url_host, "localhost"} if host.is_loopback else {host.url_host}
        return frozenset(self.gateway.origins) | {f"http://{name}:{http_port}" for name in hosts}


def prepare_data_folder(config: Config) -> None:
    """Makes the data folder and makes sure that it can be written, if anything will stand in it. Raises ConfigError.

    With a given secret and a store elsewhere nothing will, and then it is left alone.
    """
    if not config.secret or not config.store:
        make_folder(config.data)


def make_folder(folder: Path) -> None:
    """Makes a data folder (0700) unless it is there, and writes a nameless file into it. Raises ConfigError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asking for permissions would not do: root has them all, and yet nobody writes to /sys or a read-only disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise unusable_folder(folder, fault) from fault


def unusable_folder(folder: Path, fault: OSError) -> ConfigError:
    """The error that says what to do about a data folder that cannot be used."""
    why = "it is not a folder" if isinstance(fault, FileExistsError | NotADirectoryError) else fault.strerror
    return ConfigError(
        "data",
        f"{str(folder)!r:.80} cannot be used ({why}): use a folder that this user may write, --data or TOCSIN_DATA",
    )


def _check_data(data: Path) -> None:
    if data == Path() or "\0" in str(data):
        raise ValueError("the path of a folder, such as ./data")


def _check_secret(secret: Secret) -> None:
    if secret and len(secret.reveal()) < SECRET_MIN_BYTES:
        raise ValueError(f"at least {SECRET_MIN_BYTES} bytes (make one with: openssl rand -base64 48)")


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


def _check_rule_workspace(name: str) -> None:
    if name:
        _check_workspace(name)


def _check_window(seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= WINDOW_MAX_S:
        raise ValueError(f"a number from 0 to {WINDOW_MAX_S}")


def _check_rules(rules: tuple[ThresholdRule, ...]) -> None:
    ids = [rule.id for rule in rules]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            raise ConfigError(f"rules[{place}].id", f"two rules have the id {name!r}: use another, ids are unique")


# What a type cannot say, by key.
CHECKS: Checks = {
    "data": _check_data,
    "secret": _check_secret,
    "ws": parse_address,
    "http": parse_address,
    "workspace": _check_workspace,
    "gateway.origins": _check_origins,
    "host.framework": _check_id,
    "rules": _check_rules,
    "rules.id": _check_id,
    "rules.framework": _check_id,
    "rules.metric": _check_id,
    "rules.workspace": _check_rule_workspace,
    "rules.suppression_s": _check_window,
}
FIELDS: Mapping[str, Field] = MappingProxyType(fields_of(Config))
