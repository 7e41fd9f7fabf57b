"""A fan-out alone and beside something else of the same engine, turn and turn about: how far that moves it.

One engine, one set of subscribers, and between the two blocks of the floor and of commits, so that a drift of the
machine hits all of them. (Two engines, one after another, met different machines: the floor beside them differed by a
third.)
"""

from __future__ import annotations

from benchmarks.fanout import Stage, figures_of
from benchmarks.measure import percentile
from benchmarks.rounds import BroadcastLine, CommitLine, Line, alternate

# Whatever is asked for: a run's p99 is of one or two messages, and the ratio of two such says something only in the
# middle of several.
RUNS_MIN = 5


def compare(stage: Stage, floor: BroadcastLine, alone: Line, beside: Line) -> None:
    """Adds the figures of both (`fanout_alone_…`, `fanout_beside_…`), and by how many percent p50 and p99 moved."""
    options, figures = stage.options, stage.figures
    for _ in range(max(options.runs, RUNS_MIN)):
        lines: list[Line] = [floor, alone, beside, CommitLine(stage.rig)]
        at_floor, *ours, commits = alternate(lines, options.messages, options.rate)
        commit_ms = percentile(commits.last_client_ms, 50)
        both = [figures_of(arrivals, at_floor, commit_ms) for arrivals in ours]
        for prefix, values in zip(("fanout_alone_", "fanout_beside_"), both, strict=True):
            for name, value in values.items():
                figures.add(prefix + name, value)
        for name in ("p50", "p99"):
            without, with_it = (values[f"last_client_{name}_ms"] for values in both)
            figures.add(f"fanout_{name}_moved_percent", (with_it / without - 1) * 100)
