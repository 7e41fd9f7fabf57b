"""`core`: what the pure parts cost, operation by operation, in microseconds: no socket, no store, no loop.

Deciding (a new alert, a duplicate, a reading that fires nothing), identities, decoding what producers send, encoding
and framing what subscribers hear. All in this process, collector off, with the commands and messages of one alert.
A figure is the mean over one run's operations; state is made anew for each run, outside of what is timed.
"""

from __future__ import annotations

import gc
import itertools
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_MS, NS_PER_S, percentile
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rule_cases import RULES, many_rules, one_rule, readings
from engine.core.channel import machine_factory
from engine.core.identity import CACHE_MAX_IDENTITIES, identity_of
from engine.core.rules.anomaly import Detector
from engine.core.turn import Policy
from engine.telemetry.metrics import ALERT_TYPES_MAX, FRAMEWORKS_MAX, Metrics
from protocol import messages as m
from protocol.codec import WireForm, decode_client, encode, frame, frame_message
from protocol.commands import Batch, Command, Observe, Ring
from protocol.effects import Recalled
from protocol.items import TriggerInput
from protocol.model import ChannelKey, Event
from protocol.orders import Orders
from protocol.rules import AnomalyRule, Season, ThresholdRule
from protocol.times import SECOND_US, rfc3339

OPERATIONS = 20_000
SHORT_OPERATIONS = 4_000
# As a channel takes them when it is busy.
BATCH = 100
# Of one run: a single one of ten milliseconds tells who else had the core just then.
SCRAPES = 7
_NOW_US = 1_760_000_000 * SECOND_US
_KEY = ChannelKey("bench", "core")
_LABELS = {"host": "web-17.example.net", "service": "checkout"}
_RULE = ThresholdRule(id="cpu", framework="core", metric="cpu_percent", threshold=90.0, workspace=_KEY.workspace)
_ODD = AnomalyRule(id="odd", framework="core", metric="cpu_percent", season=Season.DAY)
_ORDERS = Orders(rules=(_RULE,))

Work = Callable[[], object]


class Case(NamedTuple):
    """One kind of operation. `make` prepares so many of them and gives what does them all."""

    name: str
    what: str
    make: Callable[[int], Work]


# Rules that do not concern a reading cost it nothing; what is left is memory: ten thousand series instead of one.
CHECKS = [
    Goal("rules_ratio", "a reading among 10,000 rules / among one", 3.0),
    # It holds the loop.
    Goal("scrape_ms", "a scrape of 20,000 series (ms)", 50.0),
]


def run(options: Options) -> Report:
    """Measures."""
    figures, operations = Figures(delivers=False), SHORT_OPERATIONS if options.short else OPERATIONS
    for _ in range(options.runs):
        # Case by case within a run, so that a drift of the machine hits all of them.
        each_ns = {case.name: timed_ns(case.make(operations)) / operations for case in CASES}
        for name, taken_ns in each_ns.items():
            figures.add(f"{name}_us", taken_ns / 1_000)
            figures.add(f"{name}_per_s", NS_PER_S / taken_ns)
        figures.add("scrape_ms", percentile([timed_ns(_scrape()) for _ in range(SCRAPES)], 50) / NS_PER_MS)
        figures.add("rules_ratio", each_ns["decide_rules"] / each_ns["decide_reading"])
    conditions = {
        "messages": operations,
        "runs": options.runs,
        "batch": BATCH,
        "alert_json_bytes": len(encode(_alert(), WireForm.JSON)),
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    plotted = [(f"{case.name}_us", f"{case.what} (µs)") for case in CASES]
    return make_report("core", conditions, figures, CHECKS, plotted)


def timed_ns(work: Work) -> int:
    """How long it takes, without the collector's help."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        began_ns = time.perf_counter_ns()
        work()
        return max(1, time.perf_counter_ns() - began_ns)
    finally:
        if was_enabled:
            gc.enable()


def _ring(key: str) -> Ring:
    return Ring(title="Checkout is slow", message="p95 is above its limit", labels=_LABELS, dedup_key=key)


def _decide(commands: Sequence[Command], before: Sequence[Command] = (), orders: Orders = _ORDERS) -> Work:
    """Decides these commands in batches, on a machine that has seen those before."""
    machine = machine_factory(Policy())(_KEY, Recalled(epoch="e", offset=0), orders)
    batches = [
        Batch(f"0190a0a0-0000-7000-8000-{number:012x}", _NOW_US, tuple(commands[number : number + BATCH]), orders)
        for number in range(0, len(commands), BATCH)
    ]
    if before:
        machine.decide(Batch("0190a0a0-0000-7000-8000-ffffffffffff", _NOW_US, tuple(before), _ORDERS))

    def work() -> None:
        for batch in batches:
            machine.decide(batch)

    return work


def _fired(count: int) -> Work:
    return _decide([_ring(f"key-{number}") for number in range(count)])


def _suppressed(count: int) -> Work:
    known = [_ring(f"key-{number}") for number in range(BATCH)]
    return _decide([known[number % BATCH] for number in range(count)], known)


def _reading(count: int) -> Work:
    return _decide(
        [Observe(metric="cpu_percent", value=float(n % 80), at=_NOW_US, labels=_LABELS) for n in range(count)]
    )


def _among_rules(count: int) -> Work:
    hosts = min(RULES, count)
    given = readings(hosts + count, _NOW_US, hosts)
    machine = machine_factory(Policy())(_KEY, Recalled(epoch="e", offset=0), orders := many_rules())
    batches = [
        Batch(f"0190a0a0-0000-7000-8000-{number:012x}", _NOW_US, tuple(given[number : number + BATCH]), orders)
        for number in range(0, len(given), BATCH)
    ]
    # Each host's first reading makes its series.
    for batch in batches[: hosts // BATCH]:
        machine.decide(batch)

    def work() -> None:
        for batch in batches[hosts // BATCH :]:
            machine.decide(batch)

    return work


def _scrape() -> Work:
    metrics = Metrics()
    for framework, alert_type in itertools.product(range(FRAMEWORKS_MAX), range(ALERT_TYPES_MAX)):
        metrics.triggered(f"framework-{framework}", f"type-{alert_type}")
    return metrics.render


def _windowed(kind: str) -> Callable[[int], Work]:
    return lambda count: _decide(readings(count, _NOW_US, 1), orders=one_rule(kind))


def _unusual(count: int) -> Work:
    """Readings of a day's course with its noise, for a detector that knows two days of it."""
    detector = Detector(_ODD)
    values = [50.0 + 20.0 * math.sin(n * math.tau / 288) + n * 7919 % 101 / 50 for n in range(576 + count)]
    for number in range(576):
        detector.observe(_NOW_US + number * 300 * SECOND_US, values[number])

    def work() -> None:
        for number in range(576, 576 + count):
            detector.observe(_NOW_US + number * 300 * SECOND_US, values[number])

    return work


def _identity(count: int, spread: int) -> Work:
    rings = [
        Ring(title="Checkout is slow", labels=_LABELS | {"instance": str(number % spread)}) for number in range(count)
    ]

    def work() -> None:
        for ring in rings:
            identity_of("core", ring)

    return work


def _event() -> Event:
    """An ordinary alert, as the machine tells it."""
    machine = machine_factory(Policy())(_KEY, Recalled(epoch="e", offset=0), _ORDERS)
    [event] = machine.decide(Batch("0190a0a0-0000-7000-8000-000000000000", _NOW_US, (_ring("one"),), _ORDERS)).events
    return event


def _alert() -> m.AlertMessage:
    event = _event()
    return m.AlertMessage(
        channel=_KEY.name,
        epoch="0190a0a0-0000-7000-8000-000000000000",
        offset=event.offset,
        prev=event.offset - 1,
        event=event.kind,
        data=event.alert,
        timestamp=rfc3339(_NOW_US),
        suppressed=msgspec.UNSET,
    )


def _trigger() -> m.Trigger:
    alert = TriggerInput(framework_id="core", title="Checkout is slow", labels=_LABELS, dedup_key="one")
    return m.Trigger(id=1, alert=alert)


def _again(operation: Callable[..., object], *arguments: object) -> Callable[[int], Work]:
    """The very same operation so many times."""

    def make(count: int) -> Work:
        def work() -> None:
            for _ in range(count):
                operation(*arguments)

        return work

    return make


def _on_the_wire(name: str, form: WireForm) -> list[Case]:
    """A wire form's own costs."""
    alert, said = _alert(), encode(_trigger(), form)
    data = said.decode() if form is WireForm.JSON else said
    return [
        Case(f"decode_{name}", f"decode a trigger, {name}", _again(decode_client, data, form)),
        Case(f"encode_{name}", f"encode an alert, {name}", _again(encode, alert, form)),
        Case(f"message_{name}", f"encode and frame, {name}", _again(frame_message, alert, form)),
    ]


CASES = [
    Case("decide_fired", "decide: a new alert", _fired),
    Case("decide_suppressed", "decide: a duplicate", _suppressed),
    Case("decide_reading", "decide: a reading within bounds", _reading),
    Case("decide_rules", "decide: a reading among 10,000 rules", _among_rules),
    Case("decide_mean", "decide: a mean over a window", _windowed("mean")),
    Case("decide_percentile", "decide: a percentile over a window", _windowed("percentile")),
    Case("decide_burn", "decide: a burn rate over two windows", _windowed("burn")),
    Case("anomaly", "a reading's anomaly score, with a season", _unusual),
    Case("identity_known", "identity, seen before", lambda count: _identity(count, BATCH)),
    Case("identity_new", "identity, never seen", lambda count: _identity(count, 10 * CACHE_MAX_IDENTITIES)),
    *_on_the_wire("json", WireForm.JSON),
    *_on_the_wire("msgpack", WireForm.MSGPACK),
    Case("frame", "frame a payload", _again(frame, encode(_alert(), WireForm.JSON), WireForm.JSON)),
]
