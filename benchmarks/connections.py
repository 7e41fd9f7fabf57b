"""`connections`: what ten thousand clients cost that are there and hear nothing.

Each is connected, authenticated and subscribed (MessagePack, one channel). Every run has an engine of its own, because
memory that was used once stays with a process: its resident memory before and after, the rate at which clients were
let in, and the CPU time while nothing happens, which is never nothing: heartbeats are sent and answered, and every few
seconds each client is told how far its channel is. At the end one alert must reach everybody, and when they are gone,
so must be their descriptors.
"""

from __future__ import annotations

import resource
import time

from benchmarks.control import BenchmarkError
from benchmarks.fanout import conditions_of
from benchmarks.harness import Receivers
from benchmarks.measure import NS_PER_S
from benchmarks.options import CROWD, Options
from benchmarks.procfs import BYTES_PER_KB, Usage, usage
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Producers, Rig
from benchmarks.rounds import EngineLine
from benchmarks.started_engine import Engine

FRAMEWORK = "connections"
# An engine has descriptors of its own, and so has the process of the crowd.
SPARE_FILES = 200
# The first connections also pay for what all share: caches, buffers of the allocator, the thread of the first read.
WARM_UP_CLIENTS = 64
# The wave is recorded, and frozen for the garbage collector, within this: only then it is idle.
SETTLE_S = 6.0
GONE_DEADLINE_S = 15.0
_LOOK_AGAIN_S = 0.1

CHECKS = [
    Goal("rss_per_connection_kb", "resident memory of a connection (kB)", 30.0, clients=CROWD),
    Goal("idle_cpu_percent", "engine's CPU while idle (% of a core)", 5.0, clients=CROWD),
    Goal("connects_per_s", "connected, authenticated, subscribed (1/s)", 1_000.0, at_least=True),
    Goal("files_left", "descriptors left when all are gone", 1.0),
]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError."""
    figures = Figures()
    clients = affordable(options.crowd, figures)
    with Rig(options.folder) as rig:
        crowd, producers = rig.receivers("crowd"), rig.producers()
        for number in range(options.runs):
            with rig.engine_of_its_own(f"engine-{number}") as engine:
                _measure(engine, crowd, producers, clients, options.idle_s, figures)
        conditions = {
            **conditions_of(rig, options),
            "clients": clients,
            "messages": "one alert at the end",
            "rate_per_s": "as fast as they are let in",
            "idle_s": options.idle_s,
            "forms": "msgpack",
        }
    return make_report("connections", conditions, figures, CHECKS, [("connects_per_s", "connections let in a second")])


def affordable(wanted: int, figures: Figures) -> int:
    """So many connections as this machine's limit of open files leaves room for; says it if those are fewer."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, limit - SPARE_FILES)
    if wanted <= room:
        return wanted
    figures.warn("files", wanted, f"only {room:,} of {wanted:,} connections: the limit of open files is {limit:,}")
    return room


def _measure(
    engine: Engine, crowd: Receivers, producers: Producers, clients: int, idle_s: float, figures: Figures
) -> None:
    """One run."""
    target = engine.target("msgpack", "viewer", [FRAMEWORK])
    crowd.connect("warm-up", target, WARM_UP_CLIENTS)
    warm = usage(engine.child.pid)
    crowd.close("warm-up")
    before = _when_gone(engine, warm.open_files - WARM_UP_CLIENTS)
    began_ns = time.monotonic_ns()
    crowd.connect(FRAMEWORK, target, clients)
    took_s = (time.monotonic_ns() - began_ns) / NS_PER_S
    connected = usage(engine.child.pid)
    figures.add("connects_per_s", clients / took_s)
    figures.add("connect_cpu_ms", (connected.cpu_s - before.cpu_s) * 1_000 / clients)
    figures.add("files_per_connection", (connected.open_files - before.open_files) / clients)
    idle, percent = _idle_cpu_percent(engine, idle_s)
    figures.add("idle_cpu_percent", percent)
    figures.add("rss_per_connection_kb", (idle.rss_bytes - before.rss_bytes) / clients / BYTES_PER_KB)
    _tell_all(engine, crowd, producers, figures)
    figures.add("files_left", _when_gone(engine, before.open_files).open_files - before.open_files)


def _idle_cpu_percent(engine: Engine, idle_s: float) -> tuple[Usage, float]:
    """How the engine is at the end of so many idle seconds, and what share of a core it had."""
    time.sleep(min(SETTLE_S, idle_s))
    begin, began_ns = usage(engine.child.pid), time.monotonic_ns()
    time.sleep(idle_s)
    end, took_s = usage(engine.child.pid), (time.monotonic_ns() - began_ns) / NS_PER_S
    return end, 100 * (end.cpu_s - begin.cpu_s) / took_s


def _tell_all(engine: Engine, crowd: Receivers, producers: Producers, figures: Figures) -> None:
    """Everybody must still be there, and get the alert."""
    lost = crowd.lost(FRAMEWORK)
    if lost:
        raise BenchmarkError(f"{lost} connections were closed while they were idle")
    producers.open(FRAMEWORK, engine.target("msgpack", "producer"), 1)
    line = EngineLine(FRAMEWORK, crowd, producers, figures)
    line.round(1, 0)
    line.close()


def _when_gone(engine: Engine, open_files: int) -> Usage:
    """How the engine is once it has so few open files, or when it should have."""
    deadline = time.monotonic() + GONE_DEADLINE_S
    while (now := usage(engine.child.pid)).open_files > open_files and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)
    return now
