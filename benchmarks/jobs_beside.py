"""`jobs`, second part: what 500 no-op jobs a second in each queue do to the fan-out of the same engine.

The same program with jobs and without, in turn, each with a fresh store; between their rounds the floor and a commit
are measured, so that a drift of the machine can be told from the jobs.
"""

from __future__ import annotations

from benchmarks.fanout import Stage, measure
from benchmarks.harness import python
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine

RATE = 500
BESIDE = Goal("fanout_p99_moved_percent", "p99 until the last client moves beside the jobs (%)", 25.0, clients=CLIENTS)


def run(options: Options, figures: Figures) -> None:
    """Adds the figures. Raises BenchmarkError."""
    with Rig(options.folder) as rig:
        receivers, producers = rig.receivers(), rig.producers()
        floor = BroadcastLine(rig.floor(options.clients), receivers, figures, options.clients)
        p99_ms: dict[int, float] = {}
        for rate in (0, RATE):
            name = f"jobs-{rate}"
            with rig.engine_of_its_own(name, python("benchmarks.jobs_engine", str(rate))) as engine:
                stage = Stage(rig, engine, receivers, producers, figures, options)
                line = stage.line("msgpack", options.clients, name)
                measure(stage, line, floor, f"fanout_{rate}_")
                line.close()
            p99_ms[rate] = figures.ranges()[f"fanout_{rate}_last_client_p99_ms"].median
        figures.add("fanout_p99_moved_percent", (p99_ms[RATE] / p99_ms[0] - 1) * 100)
