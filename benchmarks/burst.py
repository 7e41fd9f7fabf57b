"""`burst`: 300 triggers back to back from one producer to a thousand subscribers; deliveries a second.

One `send` costs about the same for 200 bytes as for 8 kB, so joining what waits for a client beats the floor, which
sends each frame by itself. Timed from the intended send of the first message to the last byte at the last client.
"""

from __future__ import annotations

from benchmarks.arrivals import Arrivals
from benchmarks.fanout import FORMS, Stage, conditions_of
from benchmarks.measure import NS_PER_S
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine

CHECKS = [Goal("floor_ratio", "deliveries/s / deliveries/s of the floor", 4.0, at_least=True, clients=CLIENTS)]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError."""
    figures = Figures()
    with Rig(options.folder) as rig:
        stage = Stage(rig, rig.engine(), rig.receivers(), rig.producers(), figures, options)
        floor = BroadcastLine(rig.floor(options.clients), stage.receivers, figures, options.clients)
        for form in FORMS:
            _measure(stage, floor, form)
        conditions = {**conditions_of(rig, options), "messages": options.burst, "rate_per_s": "back to back"}
    for name in ("deliveries_per_s", "floor_ratio"):
        figures.worse(name, FORMS, at_least=True)
    plotted = [(f"{form}_{name}", f"{label}, {form}") for name, label in _PLOTTED for form in FORMS]
    return make_report("burst", conditions, figures, CHECKS, plotted)


_PLOTTED = (("deliveries_per_s", "deliveries/s"), ("floor_deliveries_per_s", "floor's deliveries/s"))


def _measure(stage: Stage, floor: BroadcastLine, form: str) -> None:
    options, figures = stage.options, stage.figures
    line = stage.line(form, options.clients, f"burst-{form}")
    line.round(options.burst, 0)
    floor.frame_bytes = line.frame_bytes
    floor.round(options.burst, 0)
    for _ in range(options.runs):
        at_floor = per_second(floor.round(options.burst, 0))
        arrivals = line.round(options.burst, 0)
        ours = per_second(arrivals)
        figures.add("commit_p50_ms", stage.rig.commit_p50_ms())
        figures.add(f"{form}_deliveries_per_s", ours)
        figures.add(f"{form}_floor_deliveries_per_s", at_floor)
        figures.add(f"{form}_floor_ratio", ours / at_floor)
        figures.add(f"{form}_frames_per_read", arrivals.deliveries / max(1, arrivals.reads))
        figures.add(f"{form}_receiver_cpu_percent", arrivals.cpu_percent)
    line.close()


def per_second(arrivals: Arrivals) -> float:
    """Deliveries a second of one burst."""
    return arrivals.deliveries * NS_PER_S / max(1, arrivals.elapsed_ns)
