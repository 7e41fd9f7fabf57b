"""`fanout --busy`: the full path while other threads of the engine's process fight for the interpreter's lock.

Once beside a thread that computes without pause, once beside eight SQLite connections that run durable transactions
without pause (see `busy`): what an embedding application or a store's threads do to the fan-out. MessagePack only; the
wire form makes no difference here.
"""

from __future__ import annotations

from benchmarks.fanout import HEALTH, HEALTH_MIN, LIMIT_MS, Stage, conditions_of, measure
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine

LOADS = {"cpu": "one CPU-bound thread", "store": "8 busy store connections"}
CHECKS = [
    Goal(f"busy_{load}_last_client_p99_ms", f"p99 until the last client (ms), {what}", LIMIT_MS, clients=CLIENTS)
    for load, what in LOADS.items()
]
CHECKS += [
    Goal(f"busy_{load}_health_score", f"{HEALTH}, {what}", HEALTH_MIN, at_least=True) for load, what in LOADS.items()
]


def run(options: Options) -> Report:
    """Measures both loads, each with an engine of its own. Raises BenchmarkError."""
    figures = Figures()
    with Rig(options.folder) as rig:
        receivers, producers = rig.receivers(), rig.producers()
        floor = BroadcastLine(rig.floor(options.clients), receivers, figures, options.clients)
        for load in LOADS:
            with rig.engine_beside(load) as engine:
                stage = Stage(rig, engine, receivers, producers, figures, options)
                line = stage.line("msgpack", options.clients, f"busy-{load}")
                measure(stage, line, floor, f"busy_{load}_")
                line.close()
        beside = f"{' and '.join(LOADS.values())}, in turn, on the engine's cores"
        conditions = {**conditions_of(rig, options), "forms": "msgpack", "beside": beside}
    plotted = [
        (f"busy_{load}_{name}", f"{what[:24]}, {label}")
        for load, what in LOADS.items()
        for name, label in (("last_client_p50_ms", "p50"), ("last_client_p99_ms", "p99"), ("floor_p50_ms", "floor p50"))
    ]
    return make_report("fanout --busy", conditions, figures, CHECKS, plotted)
