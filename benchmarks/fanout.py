"""`fanout`: how long until the last of a thousand clients has the alert.

The full path: a producer triggers distinct alerts at a fixed rate (open loop), each goes through conversation, rule,
suppression, a durable commit and the outboxes; latency runs from the intended send time to the last client, in both
wire forms. Rounds of engine and floor alternate. `--bare` and `--busy` are `fanout_bare` and `fanout_busy`.

The plain figures (`last_client_p50_ms` …) are the worse of both wire forms; each form's own stand beside them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks import producer
from benchmarks.arrivals import Arrivals
from benchmarks.harness import Receivers
from benchmarks.machine import machine_card
from benchmarks.measure import percentile
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Producers, Rig
from benchmarks.rounds import BroadcastLine, CommitLine, EngineLine, Line, alternate, last_client, single_deliveries
from benchmarks.started_engine import WORKSPACE, Engine

FORMS = ("json", "msgpack")
WARM_UP_MESSAGES = 20
# The reference's own promise is made at this size, so it is measured at this size whatever `--clients` says.
SMALL_CLIENTS = 100
SMALL_RATE = 50.0
LIMIT_MS = 100.0
_IDLE_CHANNELS = 10
_PRELOAD_BATCH = 100

# A loaded engine is to find itself well: more than 80, and its points go by fives.
HEALTH, HEALTH_MIN = "the engine's own health score (of 100)", 81.0
CHECKS = [
    Goal("last_client_p99_ms", "p99 until the last client (ms)", LIMIT_MS, clients=CLIENTS),
    Goal("budget_ratio", "p50 / (1.5 floors + one commit)", 1.0, clients=CLIENTS),
    Goal("small_delivery_p95_ms", f"p95 of a delivery at {SMALL_CLIENTS} clients (ms)", 10.0),
    Goal("small_delivery_p99_ms", f"p99 of a delivery at {SMALL_CLIENTS} clients (ms)", 20.0),
    Goal("health_score", HEALTH, HEALTH_MIN, at_least=True),
]
_PLOTTED = (
    ("last_client_p50_ms", "last client p50"),
    ("last_client_p99_ms", "last client p99"),
    ("floor_p50_ms", "floor p50"),
    ("floor_p99_ms", "floor p99"),
)
_WORSE = (
    "last_client_p50_ms",
    "last_client_p95_ms",
    "last_client_p99_ms",
    "delivery_p95_ms",
    "delivery_p99_ms",
    "small_delivery_p95_ms",
    "small_delivery_p99_ms",
    "floor_p50_ms",
    "floor_p99_ms",
    "floor_ratio",
    "budget_ratio",
    "receiver_cpu_percent",
)


def run(options: Options) -> Report:
    """Measures the full path. Raises BenchmarkError."""
    figures = Figures()
    with Rig(options.folder) as rig:
        stage = Stage(rig, rig.engine(), rig.receivers(), rig.producers(), figures, options)
        preload(stage)
        floor = BroadcastLine(rig.floor(options.clients), stage.receivers, figures, options.clients)
        for form in FORMS:
            line = stage.line(form, options.clients, f"fanout-{form}")
            measure(stage, line, floor, f"{form}_")
            line.close()
            _measure_small(stage, form)
        conditions = {
            **conditions_of(rig, options),
            "forms": "json and msgpack; plain figures are the worse of both",
            "idle_connections": options.idle,
            "open_alerts_before": options.open_alerts,
        }
    for name in _WORSE:
        figures.worse(name, FORMS)
    figures.worse("health_score", FORMS, at_least=True)
    plotted = [(f"{form}_{name}", f"{label}, {form}") for name, label in _PLOTTED for form in FORMS]
    name = "fanout --idle" if options.idle or options.open_alerts else "fanout"
    return make_report(name, conditions, figures, CHECKS, [*plotted, ("commit_p50_ms", "one commit p50")])


class Stage(NamedTuple):
    """What a fan-out is measured with."""

    rig: Rig
    engine: Engine
    receivers: Receivers
    producers: Producers
    figures: Figures
    options: Options

    def line(self, form: str, clients: int, framework: str) -> EngineLine:
        """Subscribers of a framework, and who triggers it."""
        target = self.engine.target(form, "viewer", [framework])
        self.receivers.connect(framework, target, clients)
        self.producers.open(framework, self.engine.target(form, "producer"), 1)
        return EngineLine(framework, self.receivers, self.producers, self.figures)


def measure(stage: Stage, line: EngineLine, floor: BroadcastLine, prefix: str) -> None:
    """Warm-ups, then floor and engine in turn; every figure gets the prefix (but the commit's, which has no form)."""
    options, figures = stage.options, stage.figures
    warm_up = min(WARM_UP_MESSAGES, options.messages)
    line.round(warm_up, options.rate)
    floor.frame_bytes = line.frame_bytes
    floor.round(warm_up, options.rate)
    for _ in range(options.runs):
        lines: list[Line] = [floor, line, CommitLine(stage.rig)]
        at_floor, ours, commits = alternate(lines, options.messages, options.rate)
        commit_ms = percentile(commits.last_client_ms, 50)
        figures.add("commit_p50_ms", commit_ms)
        for name, value in figures_of(ours, at_floor, commit_ms).items():
            figures.add(prefix + name, value)
        figures.add(prefix + "health_score", stage.engine.health_score())


def figures_of(ours: Arrivals, at_floor: Arrivals, commit_ms: float) -> dict[str, float]:
    """The figures of one run."""
    p50, p95, p99 = last_client(ours)
    floor_p50, _, floor_p99 = last_client(at_floor)
    p95_delivery, p99_delivery = single_deliveries(ours)
    return {
        "last_client_p50_ms": p50,
        "last_client_p95_ms": p95,
        "last_client_p99_ms": p99,
        "delivery_p95_ms": p95_delivery,
        "delivery_p99_ms": p99_delivery,
        "floor_p50_ms": floor_p50,
        "floor_p99_ms": floor_p99,
        "floor_ratio": p50 / floor_p50,
        "budget_ratio": p50 / (1.5 * floor_p50 + commit_ms),
        "receiver_cpu_percent": ours.cpu_percent,
        "frame_bytes": ours.frame_bytes,
    }


def _measure_small(stage: Stage, form: str) -> None:
    options = stage.options
    line = stage.line(form, SMALL_CLIENTS, f"small-{form}")
    line.round(min(WARM_UP_MESSAGES, options.messages), SMALL_RATE)
    for _ in range(options.runs):
        p95, p99 = single_deliveries(line.round(options.messages, SMALL_RATE))
        stage.figures.add(f"{form}_small_delivery_p95_ms", p95)
        stage.figures.add(f"{form}_small_delivery_p99_ms", p99)
    line.close()


def preload(stage: Stage) -> None:
    """Opens the idle connections and the alerts that are asked for, over ten channels nobody measures."""
    engine, producers, options = stage.engine, stage.producers, stage.options
    frameworks = [f"crowd-{index}" for index in range(_IDLE_CHANNELS)]
    if options.open_alerts:
        target = engine.target("msgpack", "producer")
        producers.open("crowd", target, _IDLE_CHANNELS)
        rounds = -(-options.open_alerts // (_IDLE_CHANNELS * _PRELOAD_BATCH))
        command = producer.Pump(
            group="crowd", frameworks=frameworks, rounds=rounds, batch=_PRELOAD_BATCH, tag="crowd", deadline_s=120.0
        )
        producers.pump(command, _IDLE_CHANNELS, "fired")
        producers.close("crowd")
    if options.idle:
        # In a process of their own: what they are told (positions) must not delay the notes about the measured ones.
        idle = stage.rig.receivers("receiver-idle")
        idle.connect("idle", engine.target("msgpack", "viewer", frameworks), options.idle)


def conditions_of(rig: Rig, options: Options) -> dict[str, Any]:
    """What every fan-out is told with."""
    return {
        "clients": options.clients,
        "messages": options.messages,
        "rate_per_s": options.rate,
        "runs": options.runs,
        "workspace": WORKSPACE,
        "floor": rig.floor_kind or "none",
        "receiver": "own core" if rig.cores.is_split else "shares the only core",
        "machine": machine_card(rig.folder),
    }
