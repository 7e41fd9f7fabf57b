"""How channels decide: the tables `[channel]`, `[suppression]`, `[flapping]`, `[storm]` and `[alerts]`."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit, why
from protocol.fields import ITEMS_MAX

_DAY_S = 86_400
# Rules have windows of their own, within the same bound.
WINDOW_MAX_S = 30 * _DAY_S


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
        int, limit(0, 1_000_000, "0: any number. Those beyond are one digest a minute; critical ones never wait.")
    ] = 0


class Alerts(Section, frozen=True, kw_only=True):
    """What time does to alerts that people have taken on."""

    unacknowledge_s: Annotated[
        float, limit(0, WINDOW_MAX_S, "Acknowledged for so long and not resolved: active again. 0: off, people differ.")
    ] = 0.0
