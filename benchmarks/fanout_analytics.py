"""`fanout --analytics`: the full path while the engine looks for patterns, predicts, judges and counts.

An engine on a store with a month's alerts: blocks beside everything that analytics does and blocks without it, as
`beside` has it. Beside means that all of its schedules are run at once, and again as soon as all that came of it is
over; in a day they are run once to four times. Counting and the correlation of what is triggered go on all the time,
with and without. Each run says by how many percent p99 moved; the figure is the median of the runs. How many runs were
over meanwhile is said too.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import trio

from benchmarks.arrivals import Arrivals
from benchmarks.beside import compare
from benchmarks.fanout import WARM_UP_MESSAGES, Stage, conditions_of
from benchmarks.options import CLIENTS, Options
from benchmarks.random_alerts import Stream
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine, EngineLine
from engine.core.analytics.calendar import DAY_US
from engine.ids import now_us
from engine.stores import open_store
from protocol.effects import Committed

SCHEDULES = ("analytics-aggregation", "pattern-detection", "prediction-generation", "insight-generation")
QUEUES = ("analytics", "prediction")
ALERTS, SHORT_ALERTS = 50_000, 5_000
BATCH = 240
NAME = "analytics"
# How soon it is noticed that all is over. Whoever asks more often is a load himself: each time a person asks for a run
# that is two commits, and what was measured was they.
LOOK_S = 0.5
CHECKS = [
    Goal("fanout_p99_moved_percent", "p99 until the last client moves beside it all (%)", 25.0, clients=CLIENTS),
    Goal("beside_jobs", "jobs of its schedules that were over meanwhile", 4.0, at_least=True),
]


class Analysing:
    """Has the schedules run again and again, from a thread of its own, between `__enter__` and `__exit__`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._before = 0

    def __enter__(self) -> None:
        self._before = self._stage.engine.jobs_over(QUEUES)
        self._thread.start()

    def __exit__(self, *fault: object) -> None:
        self._over.set()
        self._thread.join()
        runs = self._stage.engine.jobs_over(QUEUES) - self._before
        self._stage.figures.add("beside_jobs", float(runs))

    def _ask(self) -> None:
        while not self._over.is_set():
            if not self._stage.engine.jobs_to_do(QUEUES):
                for name in SCHEDULES:
                    self._stage.engine.run_schedule(name)
            self._over.wait(LOOK_S)


class BesideLine:
    """The engine's fan-out beside analytics, or without them."""

    def __init__(self, line: EngineLine, stage: Stage, is_beside: bool) -> None:
        self.name = f"{line.name}-{'beside' if is_beside else 'alone'}"
        self._line, self._stage, self._is_beside = line, stage, is_beside

    def round(self, messages: int, rate: float) -> Arrivals:
        """See `rounds.Line`."""
        if not self._is_beside:
            self._wait_for_the_last()
            return self._line.round(messages, rate)
        with Analysing(self._stage):
            return self._line.round(messages, rate)

    def _wait_for_the_last(self) -> None:
        """What was begun beside the round before is no company of this one."""
        while self._stage.engine.jobs_to_do(QUEUES):
            time.sleep(LOOK_S)


def run(options: Options) -> Report:
    """Measures both. Raises BenchmarkError."""
    figures = Figures()
    with Rig(options.folder) as rig:
        alerts = SHORT_ALERTS if options.short else ALERTS
        (rig.folder / NAME).mkdir(mode=0o700)
        trio.run(_fill, rig.folder / NAME, alerts)
        receivers, producers = rig.receivers(), rig.producers()
        floor = BroadcastLine(rig.floor(options.clients), receivers, figures, options.clients)
        with rig.engine_of_its_own(NAME) as engine:
            stage = Stage(rig, engine, receivers, producers, figures, options)
            line = stage.line("msgpack", options.clients, "beside-analytics")
            _measure(stage, line, floor)
            line.close()
        conditions = {**conditions_of(rig, options), "forms": "msgpack", "alerts_of_a_month": alerts}
    plotted = [(f"fanout_{name}_last_client_p99_ms", f"p99, {name}") for name in ("alone", "beside")]
    return make_report("fanout --analytics", conditions, figures, CHECKS, plotted)


def _measure(stage: Stage, line: EngineLine, floor: BroadcastLine) -> None:
    options = stage.options
    alone, beside = BesideLine(line, stage, is_beside=False), BesideLine(line, stage, is_beside=True)
    alone.round(min(WARM_UP_MESSAGES, options.messages), options.rate)
    floor.frame_bytes = line.frame_bytes
    compare(stage, floor, alone, beside)


async def _fill(folder: Path, alerts: int) -> None:
    """A month's random alerts, through the store's own commits."""
    end = now_us()
    stream, at = Stream(seed=7), end - 30 * DAY_US
    step = 30 * DAY_US * BATCH // alerts
    async with open_store(f"sqlite:///{folder / 'bench.db'}", clock=lambda: at) as store:
        while stream.made < alerts:
            commit = stream.commit(at, BATCH)
            result = await store.commit(commit)
            assert isinstance(result, Committed), result  # noqa: S101
            at += step
