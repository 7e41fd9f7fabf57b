"""The tables of the configuration file: every setting with its default, its unit in the name and the reason for it.

Values only. What holds between several settings is checked by `engine.config.Config`, which puts the tables together.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.fields import Secret, Section
from protocol.fields import ITEMS_MAX
from protocol.model import Severity
from protocol.rules import ThresholdRule

# One ticker looks after the deadlines of all connections once a second: what is shorter would be promised and not kept.
_TICK_S = 1
_DAY_S = 86_400
_DECADE_S = 3_653 * _DAY_S
WINDOW_MAX_S = 30 * _DAY_S
HOST_FRAMEWORK = "host"


def limit(low: float, high: float, reason: str) -> msgspec.Meta:
    """A number from `low` to `high`, and why its default is what it is."""
    return msgspec.Meta(ge=low, le=high, description=reason)


def why(text: str) -> msgspec.Meta:
    """Any value of its type, and what it is for."""
    return msgspec.Meta(description=text)


class Gateway(Section, frozen=True, kw_only=True):
    """WebSocket connections."""

    heartbeat_s: Annotated[float, limit(_TICK_S, 3600, "One shared ping this often; the reference's figure.")] = 30.0
    timeout_s: Annotated[
        float, limit(_TICK_S, 7200, "A peer not heard for so long is gone: one lost heartbeat is forgiven, not two.")
    ] = 60.0
    handshake_s: Annotated[float, limit(0.1, 60, "A peer that is slower with its HTTP upgrade is no client.")] = 5.0
    auth_s: Annotated[float, limit(_TICK_S, 300, "Without a good token by then the connection ends with 3502.")] = 10.0
    message_s: Annotated[
        float, limit(_TICK_S, 300, "A message must be complete in this time (drip-feeding peers).")
    ] = 10.0
    close_s: Annotated[float, limit(0.1, 60, "How long a peer may take to answer our Close frame.")] = 2.0
    drain_s: Annotated[
        float, limit(0.1, 60, "Clients are told to leave within this time at shutdown; the promise is 10 s in all.")
    ] = 8.0
    drain_spread_s: Annotated[
        float, limit(0, 60, "With more than drain_closes_max connections, a stop spreads their closes over this time.")
    ] = 2.0
    drain_closes_max: Annotated[
        int, limit(1, 1_000_000, "Closes under way at once in a stop: who takes the clients over is spared a wave.")
    ] = 256
    message_max_bytes: Annotated[
        int,
        limit(1024, 16_777_216, "A larger message ends with 1009; 1 MiB of empty maps would cost 70 MB to decode."),
    ] = 65_536
    fragments_max: Annotated[int, limit(1, 65_536, "More fragments in one message than anybody needs.")] = 64
    reply_backlog_bytes: Annotated[
        int,
        limit(1024, 16_777_216, "With more replies than this unread we stop reading from that peer (ping floods)."),
    ] = 65_536
    outbox_soft_bytes: Annotated[
        int,
        limit(
            65_536, 1_073_741_824, "A reader further behind than this misses info, then warning alerts: about 1,000."
        ),
    ] = 262_144
    outbox_max_bytes: Annotated[
        int, limit(65_536, 1_073_741_824, "A reader further behind than this is cut with 3008 and may recover.")
    ] = 1_048_576
    connections_max: Annotated[int, limit(1, 1_000_000, "At about 30 kB each, 20,000 take 600 MB.")] = 20_000
    connections_per_address_max: Annotated[
        int,
        limit(1, 1_000_000, "An office behind one address; more are 429. Not for loopback and trusted_proxies."),
    ] = 256
    connections_per_user_max: Annotated[
        int, limit(1, 1_000_000, "Three fifths of all: a fleet may share a token, and leaves room. More: 3504.")
    ] = 12_000
    connections_per_workspace_max: Annotated[
        int, limit(1, 1_000_000, "Four fifths of all: no workspace keeps the others out. More end with 3504.")
    ] = 16_000
    handshakes_max: Annotated[
        int, limit(1, 1_000_000, "Sockets that are not WebSockets yet; then the one that waits longest gives way.")
    ] = 4_096
    trusted_proxies: Annotated[
        tuple[str, ...],
        why("Addresses or networks (10.0.0.0/8) whose X-Forwarded-For tells a client's address; others' is ignored."),
    ] = ()
    memory_soft_bytes: Annotated[
        int,
        limit(0, 2**50, "With more memory in use nobody new comes in (503, 1013); 0: three quarters of what there is."),
    ] = 0
    subscriptions_max: Annotated[int, limit(1, 100_000, "Subscriptions of one connection; more end with 3505.")] = 128
    auth_failures_max: Annotated[
        int, limit(1, 1_000, "A person mistypes twice; the third bad token of a connection ends it with 3500.")
    ] = 3
    bad_messages_max: Annotated[
        int, limit(1, 100_000, "A client with a bug hears its errors; who sends only rubbish is cut with 3501.")
    ] = 20
    position_s: Annotated[float, limit(_TICK_S, 3600, "How often a quiet channel proves that nothing was missed.")] = (
        5.0
    )
    origins: Annotated[
        tuple[str, ...],
        why("Web origins whose pages may connect, exactly as browsers write them; that of `http` is always added."),
    ] = ()


class Tls(Section, frozen=True, kw_only=True):
    """Encryption of both ports; both files or none. `tocsin serve` reads them again at SIGHUP."""

    cert: Annotated[str, why("PEM file: the certificate, then those between it and the CA. Empty: plain ws, http.")] = (
        ""
    )
    key: Annotated[str, why("PEM file: the certificate's private key, without a password.")] = ""


class Limits(Section, frozen=True, kw_only=True):
    """How much a connection (over HTTP: a token) may send; beyond it error 111 or HTTP 429, then 3013."""

    producer_roles: Annotated[
        tuple[str, ...], why("Roles of programs; a bare `tocsin token` makes an admin, which programs use as well.")
    ] = ("producer", "admin")
    people_messages_per_s: Annotated[float, limit(0.1, 1e6, "Nobody clicks faster than this.")] = 50.0
    people_messages_burst: Annotated[int, limit(1, 10**7, "A page that subscribes to 128 channels at once.")] = 200
    people_items_per_s: Annotated[float, limit(0.1, 1e8, "Five bulk changes of 1,000 alerts a second.")] = 5_000.0
    people_items_burst: Annotated[int, limit(1, 10**9, "Ten bulk changes at once.")] = 10_000
    producer_messages_per_s: Annotated[float, limit(0.1, 1e6, "One at a time from 32 producers is 2,000 a second.")] = (
        2_000.0
    )
    producer_messages_burst: Annotated[int, limit(1, 10**7, "Two seconds' worth: a pause makes a backlog.")] = 4_000
    producer_items_per_s: Annotated[float, limit(0.1, 1e8, "Batches of 1,000 at 50 a second; more than is stored.")] = (
        50_000.0
    )
    producer_items_burst: Annotated[int, limit(1, 10**9, "Two seconds' worth: a pause makes a backlog.")] = 100_000
    tokens_per_user: Annotated[
        int, limit(1, 10_000, "All tokens of a user together, over HTTP, may so many times what one may.")
    ] = 4
    workspace_messages_per_s: Annotated[
        float, limit(1, 1e6, "HTTP requests of one workspace; an engine serves a few thousand a second in all.")
    ] = 5_000.0
    workspace_items_per_s: Annotated[float, limit(0.1, 1e9, "All doors of one workspace together, so others live.")] = (
        500_000.0
    )
    refusals_max: Annotated[
        int, limit(1, 10**6, "So many refusals within refusals_window_s, and the connection ends with 3013.")
    ] = 100
    refusals_window_s: Annotated[float, limit(0.1, 3600, "Who does not slow down by then does not listen.")] = 10.0


class Channel(Section, frozen=True, kw_only=True):
    """Channels: one per framework of a workspace."""

    mailbox_max: Annotated[
        int, limit(ITEMS_MAX, 1_000_000, "Waiting commands; at least those of one request. More are busy, not lost.")
    ] = 10_000
    batch_max: Annotated[int, limit(1, 10_000, "Commands decided together, if events_max has room for them.")] = 240
    idle_s: Annotated[float, limit(0.1, _DAY_S, "A channel unused for so long gives its memory back.")] = 60.0
    # At least what a step of a workflow may tell: it is decided at once, or not at all.
    events_max: Annotated[
        int, limit(4, 10_000, "Events in one commit, past which a command waits: what a fan-out must send at once.")
    ] = 256
    windows_max: Annotated[
        int, limit(1, 10_000_000, "Open alerts and suppression windows held in memory; beyond it: busy.")
    ] = 100_000
    rule_states_max: Annotated[
        int, limit(1, 10_000_000, "Pairs of rule and series, 1 to 10 kB each, a percentile up to 400; beyond it: busy.")
    ] = 50_000
    reading_series_max: Annotated[
        int, limit(1, 10_000_000, "Metrics with their labels, 300 bytes each, and a row a minute; more are refused.")
    ] = 10_000
    rule_series_max: Annotated[
        int, limit(1, 10_000_000, "Of one rule: a label that makes up values leaves room for the other rules.")
    ] = 10_000
    channels_max: Annotated[
        int, limit(1, 1_000_000, "Channels in use; 20 kB each without alerts: 400 MB. A new one is busy then.")
    ] = 20_000
    per_workspace_max: Annotated[
        int, limit(1, 1_000_000, "A quarter of all: who names frameworks without end leaves room for the others.")
    ] = 5_000
    park_s: Annotated[float, limit(0.1, 3600, "A channel past its restart intensity is tried again this often.")] = 10.0


class Suppression(Section, frozen=True, kw_only=True):
    """When an alert is not said again."""

    window_s: Annotated[float, limit(0, WINDOW_MAX_S, "The reference's five minutes, per identity.")] = 300.0
    flush_s: Annotated[float, limit(0.01, 60, "Counts of duplicates that a crash may lose are never older.")] = 1.0
    resolve_timeout_s: Annotated[
        float, limit(1, 30 * _DAY_S, "An alert whose source went silent expires; Alertmanager's five minutes.")
    ] = 300.0


class Flapping(Section, frozen=True, kw_only=True):
    """When an alert that comes and goes is quiet: Nagios' rule, on the last 21 states of each identity."""

    enabled: Annotated[bool, why("false: an alert rings however often it comes and goes.")] = True
    start_percent: Annotated[int, limit(1, 100, "So much change in its history, and it flaps: Nagios' figure.")] = 30
    stop_percent: Annotated[int, limit(1, 100, "Below this it no longer does; less than start_percent.")] = 20
    interval_s: Annotated[float, limit(1, 3600, "Without a change for so long counts as one more equal state.")] = 60.0


class Storm(Section, frozen=True, kw_only=True):
    """How many new alerts of one channel may ring; the others are stored and shown, and ring when their turn comes."""

    alerts_per_minute: Annotated[
        int, limit(0, 1_000_000, "0: any number, until digests can tell of those that wait. Critical ones never wait.")
    ] = 0


class Alerts(Section, frozen=True, kw_only=True):
    """What time does to alerts that people have taken on."""

    unacknowledge_s: Annotated[
        float, limit(0, WINDOW_MAX_S, "Acknowledged for so long and not resolved: active again. 0: off, people differ.")
    ] = 0.0


class Retention(Section, frozen=True, kw_only=True):
    """How long events (by age or by count, whichever keeps more) and readings are kept."""

    events_s: Annotated[int, limit(0, _DECADE_S, "Seven days: a client that was off for a week's holiday.")] = 604_800
    events_per_channel: Annotated[int, limit(0, 1_000_000_000, "The newest are kept however old they are.")] = 100_000
    trim_every_s: Annotated[float, limit(1, _DAY_S, "Small trims often: none is long enough to be felt.")] = 600.0
    over_s: Annotated[
        float, limit(0, _DECADE_S, "Silences and one-time windows, after their end: Alertmanager's 120 hours.")
    ] = 432_000.0
    readings_s: Annotated[float, limit(60, _DECADE_S, "Each reading: a morning's incident is looked into today.")] = (
        21_600.0
    )
    minutes_s: Annotated[float, limit(60, _DECADE_S, "Readings by the minute: last week, to compare with.")] = 604_800.0
    hours_s: Annotated[float, limit(3_600, _DECADE_S, "Readings by the hour: a year, and a month beside it.")] = (
        34_560_000.0
    )
    roll_up_every_s: Annotated[
        float,
        limit(1, 3_600, "What is not rolled up yet is summed up for everybody who asks; more often is no dearer."),
    ] = 15.0


class Host(Section, frozen=True, kw_only=True):
    """This machine's vitals as a source of readings."""

    interval_s: Annotated[float, limit(0.1, 3600, "Seconds between readings: a spike of two is still seen.")] = 1.0
    framework: Annotated[str, why("The framework that the readings belong to; the default rules follow it.")] = (
        HOST_FRAMEWORK
    )


class Api(Section, frozen=True, kw_only=True):
    """HTTP."""

    body_max_bytes: Annotated[
        int, limit(1024, 1_073_741_824, "Prometheus posts a few hundred alerts at once; 4 MiB is ten times that.")
    ] = 4_194_304
    body_s: Annotated[float, limit(0.1, 300, "A request's body is here by then (4 MiB at 0.4 MB/s); else 408.")] = 10.0
    connections_max: Annotated[
        int,
        limit(1, 100_000, "HTTP connections; 100 kB each at worst, plus a body. For one more a silent one gives way."),
    ] = 1_000
    streams_max: Annotated[
        int, limit(1, 100_000, "Event streams, each an HTTP connection for as long as it lasts: half of them.")
    ] = 500
    streams_per_user_max: Annotated[
        int, limit(1, 100_000, "A person has a handful of pages open, each with a stream or two.")
    ] = 32
    answer_s: Annotated[float, limit(0.1, 300, "A request not answered by then gets busy: try again.")] = 10.0


class Objects(Section, frozen=True, kw_only=True):
    """What people make and change: how many of each kind a workspace may have; beyond it error 106."""

    rules_max: Annotated[int, limit(1, 1_000_000, "All of them are in memory, about 1 kB each.")] = 10_000
    silences_max: Annotated[
        int, limit(1, 100_000, "Also those over since less than retention.over_s; one in force takes 3 kB of memory.")
    ] = 10_000
    quiet_expressions_max: Annotated[
        int,
        limit(
            1,
            10_000,
            "Silences and windows in force with matchers other than `=`: each new alert asks all, 1 to 2 us each.",
        ),
    ] = 200
    maintenance_max: Annotated[int, limit(1, 100_000, "Planned windows: a few for each framework.")] = 1_000
    frameworks_max: Annotated[int, limit(1, 1_000_000, "As many as a workspace may have channels in use.")] = 5_000
    users_max: Annotated[int, limit(1, 1_000_000, "A large company's people; none of them are in memory.")] = 10_000
    teams_max: Annotated[int, limit(1, 1_000_000, "One for each ten of its people.")] = 1_000
    workspaces_max: Annotated[int, limit(1, 1_000_000, "Of one engine: each has at least a channel in use.")] = 10_000
    workflows_max: Annotated[int, limit(1, 100_000, "At most 64 kB each, in the store only.")] = 1_000


class Identity(Section, frozen=True, kw_only=True):
    """Who may come in: the keys that tokens are verified with, beside `secret`; revocations and tickets."""

    jwks: Annotated[
        str, why("A JWKS file with the public keys of your issuer; read again when it changes. Empty: none.")
    ] = ""
    previous_secrets: Annotated[
        Secret, why("Older values of `secret`, one a line, that still verify: for a rotation without an outage.")
    ] = Secret()
    issuer: Annotated[str, why("What `iss` of every token must be, exactly; empty: it is not looked at.")] = ""
    audience: Annotated[str, why("What `aud` of every token must be or contain; empty: it is not looked at.")] = ""
    ticket_s: Annotated[float, limit(1, 300, "A one-use ticket is used at once; this is for a slow page.")] = 30.0
    tickets_per_user_max: Annotated[
        int, limit(1, 10_000, "Unused tickets of one user: a page takes one, a person has a handful of pages.")
    ] = 32
    tickets_max: Annotated[int, limit(1, 1_000_000, "Unused tickets of all; about 500 bytes each.")] = 10_000
    revocations_per_workspace_max: Annotated[
        int, limit(1, 1_000_000, "Revocations that are still needed; each is kept for a year, about 500 bytes.")
    ] = 10_000
    revocations_max: Annotated[
        int, limit(1, 10_000_000, "Revocations of all workspaces: about 100 MB that no peer can make more of.")
    ] = 200_000


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign system that sends alerts ([[integrations]]): its key, where its alerts belong, and its form."""

    name: str
    # 16 bytes or more; sent in a header, or as PagerDuty's routing_key. Empty: it brings a token.
    key: Secret = Secret()
    # What it signs its bodies with (Grafana's HMAC); empty: it does not.
    signature: Secret = Secret()
    # Empty: `workspace` of the engine.
    workspace: str = ""
    # Empty: what the alert says, else the form's name.
    framework: str = ""
    # `editor` may acknowledge, too.
    role: Literal["producer", "editor"] = "producer"
    # Of plain JSON: where our fields are, as dotted paths.
    mapping: dict[str, str] = {}


class MetricsSection(Section, frozen=True, kw_only=True):
    """What /metrics shows."""

    framework_labels_max: Annotated[
        int, limit(1, 10_000, "Frameworks with a time series of their own; the rest are counted as `other`.")
    ] = 200


class Watchdog(Section, frozen=True, kw_only=True):
    """What `tocsin serve` does when its loop no longer turns."""

    stall_s: Annotated[
        float, limit(0.1, 3600, "Silent for so long, the stacks of all threads are written; nothing of ours takes 1 s.")
    ] = 5.0
    exit_s: Annotated[
        float,
        limit(0.2, _DAY_S, "Silent for so long, the process ends with 70: clients find no one for a minute else."),
    ] = 15.0


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
