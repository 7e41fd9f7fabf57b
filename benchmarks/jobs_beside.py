"""`jobs`, second part: what 500 no-op jobs a second in each queue do to the fan-out of the same engine.

Blocks with jobs and without, as `beside` has it. Each run says by how many percent p99 moved; the figure is the median
of the runs. What the jobs did meanwhile is said too: a fan-out that stays as it was because they wait is no success.
"""

from __future__ import annotations

from benchmarks.arrivals import Arrivals
from benchmarks.beside import compare
from benchmarks.fanout import WARM_UP_MESSAGES, Stage
from benchmarks.harness import Child, python
from benchmarks.jobs_engine import Pace, Paced
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine, EngineLine
from protocol.jobs import Queue

RATE = 500
# Jobs that were fewer than these (of what was asked for) have left the fan-out more of the machine.
KEPT_RATE = 0.95
BESIDE = Goal("fanout_p99_moved_percent", "p99 until the last client moves beside the jobs (%)", 25.0, clients=CLIENTS)


class BesideLine:
    """The engine's fan-out while so many jobs a second are done in each queue."""

    def __init__(self, line: EngineLine, engine: Child, figures: Figures, rate: int) -> None:
        self.name = f"{line.name}-{rate}"
        self._line, self._engine, self._figures, self._rate = line, engine, figures, rate

    def round(self, messages: int, rate: float) -> Arrivals:
        """See `rounds.Line`."""
        self._engine.ask(Pace(self._rate), Paced)
        arrivals = self._line.round(messages, rate)
        done = self._engine.ask(Pace(0), Paced)
        if self._rate:
            note(done, self._rate * len(Queue), self._figures)
        return arrivals


def note(done: Paced, asked: int, figures: Figures) -> None:
    """How many jobs a second were done, and how late they began; a rate that was not kept is warned of."""
    per_s = done.jobs / done.seconds
    figures.add("beside_jobs_per_s", per_s)
    figures.add("beside_start_p99_ms", done.start_p99_ms)
    if per_s < KEPT_RATE * asked:
        figures.warn("beside", asked - per_s, f"beside the fan-out only {per_s:.0f} of {asked} jobs a second were done")


def run(options: Options, figures: Figures) -> None:
    """Adds the figures. Raises BenchmarkError."""
    with Rig(options.folder) as rig:
        receivers, producers = rig.receivers(), rig.producers()
        floor = BroadcastLine(rig.floor(options.clients), receivers, figures, options.clients)
        with rig.engine_of_its_own("jobs", python("benchmarks.jobs_engine")) as engine:
            stage = Stage(rig, engine, receivers, producers, figures, options)
            line = stage.line("msgpack", options.clients, "beside-jobs")
            _measure(stage, line, floor)
            line.close()


def _measure(stage: Stage, line: EngineLine, floor: BroadcastLine) -> None:
    options, figures = stage.options, stage.figures
    alone, beside = (BesideLine(line, stage.engine.child, figures, rate) for rate in (0, RATE))
    for each in (alone, beside):
        each.round(min(WARM_UP_MESSAGES, options.messages), options.rate)
    floor.frame_bytes = line.frame_bytes
    compare(stage, floor, alone, beside)
