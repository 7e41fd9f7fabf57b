"""`jobs`, second part: what 500 no-op jobs a second in each queue do to the fan-out of the same engine.

One engine, one set of subscribers: blocks with jobs and without, turn and turn about, between them blocks of the floor
and of commits, so that a drift of the machine hits all of them. Each run says by how many percent p99 moved; the figure
is the median of the runs. (Two engines, one after another, met different machines: the floor beside them differed by a
third.) What the jobs did meanwhile is said too: a fan-out that stays as it was because the jobs wait is no success.
"""

from __future__ import annotations

from benchmarks.arrivals import Arrivals
from benchmarks.fanout import WARM_UP_MESSAGES, Stage, figures_of
from benchmarks.harness import Child, python
from benchmarks.jobs_engine import Pace, Paced
from benchmarks.measure import percentile
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine, CommitLine, EngineLine, Line, alternate
from protocol.jobs import Queue

RATE = 500
# Jobs that were fewer than these (of what was asked for) have left the fan-out more of the machine.
KEPT_RATE = 0.95
# Whatever is asked for: a run's p99 is of one or two messages, and the ratio of two such says something only in the
# middle of several.
RUNS_MIN = 5
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
    for _ in range(max(options.runs, RUNS_MIN)):
        lines: list[Line] = [floor, alone, beside, CommitLine(stage.rig)]
        at_floor, *ours, commits = alternate(lines, options.messages, options.rate)
        commit_ms = percentile(commits.last_client_ms, 50)
        both = [figures_of(arrivals, at_floor, commit_ms) for arrivals in ours]
        for prefix, values in zip(("fanout_alone_", "fanout_beside_"), both, strict=True):
            for name, value in values.items():
                figures.add(prefix + name, value)
        for name in ("p50", "p99"):
            without, with_jobs = (values[f"last_client_{name}_ms"] for values in both)
            figures.add(f"fanout_{name}_moved_percent", (with_jobs / without - 1) * 100)
