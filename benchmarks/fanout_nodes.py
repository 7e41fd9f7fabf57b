"""`fanout --nodes`: a trigger at one node, and how long until the last of a thousand clients at another has the alert.

Every line is a way from a producer to its clients. One node alone, on SQLite (what `fanout` measures) and on Postgres;
and two nodes on one Postgres, the producer at the first, all clients at the second: in a workspace that the first owns
(it decides, and tells the other), and in one that the second owns (what is triggered is forwarded to it). Two nodes
hear of each other over Redis, and once more without one, over Postgres. All lines take turns, so they meet the same
machine; MessagePack only, because the wire form makes no difference between nodes.

Two nodes may take 1.5 times what one takes, and 5 ms. Lines whose server is not installed here are left out, and that
is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.arrivals import Arrivals
from benchmarks.fanout import LIMIT_MS, WARM_UP_MESSAGES, Stage, conditions_of
from benchmarks.nodes import Pair, pair
from benchmarks.options import CLIENTS, Options
from benchmarks.peers.postgres import place
from benchmarks.peers.redis import redis, why_none
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine, EngineLine, Line, alternate, last_client
from benchmarks.started_engine import WORKSPACE, Engine

FORM = "msgpack"
STORES = {"sqlite": "SQLite", "postgres": "Postgres"}
BUSES = {"redis": "Redis", "notify": "Postgres"}
# Who decides in the workspace of a line of two nodes.
OWNERS = {"owned": "the first decides", "forwarded": "the second decides"}
FACTOR, ALLOWED_MS = 1.5, 5.0

RATIOS = [
    Goal(
        f"{owner}_{bus}_of_{store}",
        f"p50 / (1.5 of one node on {STORES[store]} + 5 ms): {OWNERS[owner]}, over {BUSES[bus]}",
        1.0,
        clients=CLIENTS,
    )
    for store in STORES
    for bus in BUSES
    for owner in OWNERS
]
CHECKS = [
    Goal("last_client_p99_ms", "p99 until the last client (ms), of all lines", LIMIT_MS, clients=CLIENTS),
    *RATIOS,
]


class Way(NamedTuple):
    """A line of this scenario: which engine is triggered, which one has the clients, and in which workspace."""

    name: str
    triggered: Engine
    told: Engine
    workspace: str = WORKSPACE


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError."""
    figures = Figures()
    with Rig(options.folder) as rig:
        alone, pairs = _engines(rig, figures, options)
        stage = Stage(rig, alone["sqlite"], rig.receivers(), rig.producers(), figures, options)
        ours = [_line(stage, way) for way in _ways(alone, pairs)]
        floor = BroadcastLine(rig.floor(options.clients), stage.receivers, figures, options.clients)
        _measure(ours, floor, figures, options)
        for each in pairs:
            each.check(figures)
        conditions = {**conditions_of(rig, options), "workspace": "of each line its own", "forms": FORM}
    figures.worse("last_client_p99_ms", [line.name for line in ours])
    names = [*(line.name for line in ours), floor.name]
    plotted = [(f"{name}_last_client_p50_ms", name.replace("_", ", ")) for name in names]
    return make_report("fanout --nodes", conditions, figures, CHECKS, plotted)


def _engines(rig: Rig, figures: Figures, options: Options) -> tuple[dict[str, Engine], list[Pair]]:
    """One node alone on each store, and two together over each bus, as far as there are servers for them."""
    alone = {"sqlite": rig.engine()}
    found = rig.keep(place(options, figures))
    if found is None:
        return alone, []
    alone["postgres"] = rig.keep(rig.engine_of_its_own("alone", TOCSIN_STORE=rig.keep(found.database())))
    pairs = [rig.keep(pair(rig, "notify", rig.keep(found.database())))]
    if why := why_none():
        figures.warn("redis", 0, f"Redis is left out: {why}")
    else:
        socket = rig.keep(redis(rig.folder, "", "redis"))
        pairs.append(rig.keep(pair(rig, "redis", rig.keep(found.database()), f"unix://{socket}")))
    return alone, pairs


def _ways(alone: Mapping[str, Engine], pairs: Sequence[Pair]) -> list[Way]:
    ways = [Way(f"alone_{store}", engine, engine) for store, engine in alone.items()]
    for two in pairs:
        owners = {"owned": two.first, "forwarded": two.second}
        ways += [
            Way(f"{word}_{two.name}", two.first, two.second, two.workspace(owner)) for word, owner in owners.items()
        ]
    return ways


def _line(stage: Stage, way: Way) -> EngineLine:
    target = way.told.target(FORM, "viewer", [way.name], workspace=way.workspace)
    stage.receivers.connect(way.name, target, stage.options.clients)
    stage.producers.open(way.name, way.triggered.target(FORM, "producer", workspace=way.workspace), 1)
    return EngineLine(way.name, stage.receivers, stage.producers, stage.figures)


def _measure(ours: Sequence[EngineLine], floor: BroadcastLine, figures: Figures, options: Options) -> None:
    """Warm-ups, then all in turn."""
    lines: list[Line] = [*ours, floor]
    for line in lines:
        floor.frame_bytes = ours[0].frame_bytes
        line.round(min(WARM_UP_MESSAGES, options.messages), options.rate)
    for _ in range(options.runs):
        arrived = alternate(lines, options.messages, options.rate)
        for name, value in figures_of({line.name: each for line, each in zip(lines, arrived, strict=True)}).items():
            figures.add(name, value)


def figures_of(arrived: Mapping[str, Arrivals]) -> dict[str, float]:
    """The figures of one run: of each line, and how much two nodes take of what they may, by the store of the one."""
    figures: dict[str, float] = {}
    for name, arrivals in arrived.items():
        p50, p95, p99 = last_client(arrivals)
        figures |= {f"{name}_last_client_{share}_ms": ms for share, ms in (("p50", p50), ("p95", p95), ("p99", p99))}
    for ratio in RATIOS:
        way, _, store = ratio.figure.partition("_of_")
        if way in arrived and f"alone_{store}" in arrived:
            allowed_ms = FACTOR * figures[f"alone_{store}_last_client_p50_ms"] + ALLOWED_MS
            figures[ratio.figure] = figures[f"{way}_last_client_p50_ms"] / allowed_ms
    return figures
