"""`fanout --bare`: broadcast only. Our gateway without an engine, beside the floor and the peers that are installed.

All send the same messages to as many clients, in rounds that alternate. What is compared is how long it takes until the
last client has a message; the floor is what no sender of one frame per client can beat.
"""

from __future__ import annotations

from benchmarks.fanout import WARM_UP_MESSAGES, conditions_of
from benchmarks.harness import python
from benchmarks.options import CLIENTS, Options
from benchmarks.peers import peers
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import BroadcastLine, alternate, last_client

# About what the engine's frame of such an alert has.
FRAME_BYTES = 600
OURS, FLOOR = "ours", "floor"


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError."""
    figures, names = Figures(), [FLOOR, OURS]
    with Rig(options.folder) as rig:
        receivers = rig.receivers()
        senders = [rig.floor(options.clients), rig.broadcaster(OURS, python("benchmarks.bare"), framed=False)]
        for peer in peers():
            if peer.program is None:
                figures.warn(peer.name, 0, f"{peer.name} is not installed here and is left out")
                continue
            senders.append(rig.broadcaster(peer.name, peer.program, framed=False))
            names.append(peer.name)
        lines = [BroadcastLine(sender, receivers, figures, options.clients) for sender in senders]
        for line in lines:
            line.frame_bytes = FRAME_BYTES
            line.round(min(WARM_UP_MESSAGES, options.messages), options.rate)
        for _ in range(options.runs):
            _one_run(lines, figures, options)
        conditions = {**conditions_of(rig, options), "frame_bytes": FRAME_BYTES}
    return make_report("fanout --bare", conditions, figures, checks(names), plotted(names))


def _one_run(lines: list[BroadcastLine], figures: Figures, options: Options) -> None:
    outcome: dict[str, tuple[float, float]] = {}
    pools = alternate(lines, options.messages, options.rate)
    for line, arrivals in zip(lines, pools, strict=True):
        p50, _, p99 = last_client(arrivals)
        outcome[line.name] = p50, p99
        figures.add(f"{line.name}_last_client_p50_ms", p50)
        figures.add(f"{line.name}_last_client_p99_ms", p99)
        figures.add(f"{line.name}_receiver_cpu_percent", arrivals.cpu_percent)
    ours, floor = outcome[OURS], outcome[FLOOR]
    figures.add("floor_p50_ratio", ours[0] / floor[0])
    figures.add("floor_p99_ratio", ours[1] / floor[1])
    for name, (p50, _) in outcome.items():
        if name not in (OURS, FLOOR):
            figures.add(f"{name}_p50_ratio", ours[0] / p50)


def checks(names: list[str]) -> list[Goal]:
    """Near the floor, and ahead of two peers; picows is shown, but nobody promised to be ahead of Cython."""
    ahead = [
        Goal(f"{name}_p50_ratio", f"our p50 / p50 of {name}", 1.0, clients=CLIENTS)
        for name in names
        if name in _TO_BEAT
    ]
    return [
        Goal("floor_p50_ratio", "our p50 / p50 of the floor", 1.4, clients=CLIENTS),
        Goal("floor_p99_ratio", "our p99 / p99 of the floor", 1.8, clients=CLIENTS),
        *ahead,
    ]


_TO_BEAT = ("websockets", "node-ws")


def plotted(names: list[str]) -> list[tuple[str, str]]:
    """p50 and p99 of every sender."""
    return [(f"{name}_last_client_{part}_ms", f"{name} {part}") for name in names for part in ("p50", "p99")]
