"""`soak`: everybody at once for a long time, and nothing may be left behind: `tocsin bench soak --minutes 15`.

Against one engine, steady subscribers hear a steady stream of alerts while others come and go, dawdle or attack
(`company`). The stream repeats the same identities with no suppression window, so the engine's state has a fixed size
and what grows is a leak. A first act fills what is meant to fill (rings, caches, threads); then the company leaves, and
what is open, alive and running is counted; then the long act, and when the company has left again nothing more may be
there than before. Memory is sampled during the long act and held against its trend (`leaks`).

Exit code 1 for a leak, for a message missing, doubled or out of order at a well-behaved client, for one that was cut
off, or for a restart inside the engine; latencies are told by the minute and judge nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import company
from benchmarks.company import Story
from benchmarks.control import BenchmarkError
from benchmarks.fanout import conditions_of
from benchmarks.harness import Child, python
from benchmarks.leaks import GROWTH_MAX_KB, SAMPLES_MIN, trend
from benchmarks.measure import percentile
from benchmarks.options import Options
from benchmarks.procfs import BYTES_PER_KB, usage
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import EngineLine
from benchmarks.started_engine import Engine

STEADY = "soak-steady"
NOISE = "soak-noise"
STEADY_CLIENTS = 100
RATE = 20.0
# One second at a time: each is verified by itself, and ends with a sample of memory.
ROUND_MESSAGES = 20
IDENTITIES = 50
# The first act: a ring of 1,000 events is full after 50 s, but what the allocator and SQLite hold beside slow and
# hostile clients stands still only after three minutes (measured: from 60 to 64.5 MB, then level). Short soak: a third.
WARM_UP_MAX_S = 300.0
WARM_UP_SHARE = 0.33
# In a shorter soak what is meant to fill (rings, outboxes of slow clients, SQLite's caches) looks like a leak.
JUDGED_FROM_MIN = 5.0
# The database's page cache, which is meant to fill: small, so that it is full before the long act.
CACHE_BYTES = 1 << 20
SEED = 20_250_101
# How long a handshake, a goodbye or an idle thread may take to be over; and what counts as over.
QUIET_DEADLINE_S = 30.0
QUIET_S = 3.0
_LOOK_AGAIN_S = 0.5
_S_PER_MINUTE = 60.0

CHECKS = [
    Goal("files_leaked", "file descriptors left behind", 1.0),
    Goal("tasks_leaked", "tasks left behind", 1.0),
    Goal("threads_leaked", "threads left behind", 1.0),
    Goal("memory_grown_kb", "memory surely grown over the run (kB)", GROWTH_MAX_KB),
    Goal("well_behaved_cut_off", "well-behaved clients refused or cut off", 1.0),
    Goal("restarts", "restarts inside the engine", 1.0),
]


class Inventory(NamedTuple):
    """What an engine has at one moment."""

    files: int
    tasks: int
    threads: int

    def exceeds(self, other: Inventory) -> bool:
        """Whether there is more of anything than there."""
        return any(mine > its for mine, its in zip(self, other, strict=True))


class Samples:
    """Memory and latencies of the long act."""

    def __init__(self) -> None:
        self.times_min: list[float] = []
        self.memory_kb: list[float] = []
        self.minutes: dict[int, list[float]] = defaultdict(list)

    def add(self, minute: float, memory_kb: float, delivery_ms: list[float]) -> None:
        """One round, so long after the begin."""
        self.times_min.append(minute)
        self.memory_kb.append(memory_kb)
        self.minutes[int(minute)] += delivery_ms


def run(options: Options) -> Report:
    """Soaks. Raises BenchmarkError, also if a kind of company never came: then nothing was shown."""
    figures = Figures()
    with Rig(options.folder) as rig:
        receivers, producers = rig.receivers(), rig.producers()
        guests = rig.child("company", python("benchmarks.company"), rig.cores.receiver)
        with rig.engine_of_its_own(
            "engine", TOCSIN_SUPPRESSION_WINDOW_S="0", TOCSIN_STORE_CACHE_BYTES=str(CACHE_BYTES)
        ) as engine:
            receivers.connect(STEADY, engine.target("json", "viewer", [STEADY]), STEADY_CLIENTS)
            producers.open(STEADY, engine.target("json", "producer"), 1)
            line = EngineLine(STEADY, receivers, producers, figures, identities=IDENTITIES)
            story = _acts(engine, guests, line, options.minutes, figures)
        conditions: dict[str, Any] = {
            **conditions_of(rig, options),
            "clients": STEADY_CLIENTS,
            "messages": "without pause",
            "rate_per_s": RATE,
            "runs": 1,
            "minutes": options.minutes,
            "seed": SEED,
            "visits": story.visits,
            "slow": story.slow,
            "hostile": sum(story.deeds.values()),
            "company": {"deeds": story.deeds, "slow_cut": story.slow_cut, "recovered": story.recovered},
        }
    plotted = [(name, name.removesuffix("_ms").replace("_", " ")) for name in figures.ranges() if "minute" in name]
    return make_report("soak", conditions, figures, CHECKS, plotted)


def _acts(engine: Engine, guests: Child, line: EngineLine, minutes: float, figures: Figures) -> Story:
    warm_up_s = min(WARM_UP_MAX_S, WARM_UP_SHARE * minutes * _S_PER_MINUTE)
    _act(engine, guests, line, warm_up_s, lambda *_: None)
    before = quiet(engine)
    samples = Samples()
    story = _act(engine, guests, line, minutes * _S_PER_MINUTE, samples.add)
    after = quiet(engine, before)
    for name, was, now in zip(Inventory._fields, before, after, strict=True):
        figures.add(f"{name}_before", was)
        figures.add(f"{name}_leaked", max(0, now - was))
    _judge(story, figures)
    _tell(samples, minutes, figures)
    figures.add("restarts", sum(n for name, n in engine.metrics().items() if name.startswith("tocsin_restarts_total")))
    return story


def _act(
    engine: Engine,
    guests: Child,
    line: EngineLine,
    seconds: float,
    note: Callable[[float, float, list[float]], None],
) -> Story:
    """Everybody together, for so long; what the company tells at its end."""
    begin = company.Begin(
        steady=engine.target("json", "viewer", [STEADY]),
        noisy=engine.target("json", "viewer", [NOISE]),
        producer=engine.target("json", "producer"),
        noise=NOISE,
        seed=SEED,
    )
    guests.ask(begin, dict[str, bool])
    began = time.monotonic()
    while (passed_s := time.monotonic() - began) < seconds:
        arrivals = line.round(ROUND_MESSAGES, RATE)
        note(passed_s / _S_PER_MINUTE, usage(engine.child.pid).private_bytes / BYTES_PER_KB, arrivals.delivery_ms)
    return guests.ask(company.End(), Story)


def quiet(engine: Engine, wanted: Inventory | None = None) -> Inventory:
    """What the engine has once there is no more of anything than wanted; or (None) once that no longer changes."""
    now, since = inventory(engine), time.monotonic()
    deadline = since + QUIET_DEADLINE_S
    while time.monotonic() < deadline:
        if wanted is not None and not now.exceeds(wanted):
            break
        if wanted is None and time.monotonic() - since >= QUIET_S:
            break
        time.sleep(_LOOK_AGAIN_S)
        before, now = now, inventory(engine)
        since = since if now == before else time.monotonic()
    return now


def inventory(engine: Engine) -> Inventory:
    """What the engine has now."""
    tasks = int(engine.metrics()["tocsin_tasks"])
    process = usage(engine.child.pid)
    return Inventory(process.open_files, tasks, process.threads)


def _judge(story: Story, figures: Figures) -> None:
    """Adds what the company saw. Raises BenchmarkError if somebody was not there."""
    absent = [name for name, times in story.deeds.items() if not times]
    if absent or not (story.deeds and story.recovered and story.slow and story.noise):
        raise BenchmarkError(f"nobody came for {absent or 'some of it'}: nothing is shown by {story}")
    figures.verdict = figures.verdict + story.verdict
    figures.add("well_behaved_cut_off", story.cut_off)
    for number, complaint in enumerate(story.complaints):
        figures.warn(f"company {number}", 1.0, complaint)


def _tell(samples: Samples, minutes: float, figures: Figures) -> None:
    """Latencies by the minute, and the trend of memory."""
    for minute, delivery_ms in samples.minutes.items():
        figures.add(f"minute_{minute + 1:02}_p99_ms", percentile(delivery_ms, 99))
    if len(samples.times_min) < SAMPLES_MIN:
        raise BenchmarkError(f"{len(samples.times_min)} samples of memory are no trend: soak for longer")
    # Of the second half: until then the allocator's heap still finds the level that its worst moment needs, in steps
    # (measured: four of them in eight minutes, and none from then on).
    half = len(samples.times_min) // 2 if minutes >= JUDGED_FROM_MIN else 0
    grown = trend(samples.times_min[half:], samples.memory_kb[half:])
    figures.add("memory_kb_per_min", grown.slope)
    figures.add("memory_kb_per_min_low", grown.low)
    figures.add("memory_kb_per_min_high", grown.high)
    if minutes >= JUDGED_FROM_MIN:
        figures.add("memory_grown_kb", grown.certain * minutes)
    else:
        figures.warn(
            "memory", 1.0, f"memory is judged from {JUDGED_FROM_MIN:g} minutes on: rings and caches still fill"
        )
