"""`patterns`: what the miners find in histories of eight weeks with planted patterns, and in those with none.

Both are of our own making (`planted`), from seeds, and larger than those of the tests: noise of forty sources with
storms of hosts; the same where people work by day, which the tests against chance do not know of; and fourteen
patterns, two of each sort and two weekly ones, among twenty such sources. Precision and recall count what is told, at
the bar that holds if nobody has said anything. And how long it takes to look through one history.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import machine_card
from benchmarks.options import Options
from benchmarks.planted import History, Truth, noise, office, planted
from benchmarks.report import Figures, Goal, Report, make_report
from engine.core.analytics.patterns.mining import mine

HISTORIES, SHORT_HISTORIES = 60, 2
# Those before are the tests', and were seen while the miners were made.
SEEDS_FROM = 1_000

CHECKS = [
    Goal("false_in_noise", "false patterns in 1,000 alerts of noise", 1.0),
    Goal("false_in_office", "the same, where people work by day", 1.0),
    Goal("precision_percent", "of what is told, planted", 90.0, at_least=True),
    Goal("recall_percent", "of what was planted, told", 90.0, at_least=True),
]


class Score(NamedTuple):
    """Of some histories: alerts, patterns told, planted ones among them, all planted ones, seconds."""

    alerts: int
    told: int
    right: int
    planted: int
    seconds: float


def run(options: Options) -> Report:
    """All three, as often as there are runs; other seeds each time."""
    each = SHORT_HISTORIES if options.short else HISTORIES
    figures = Figures(delivers=False)
    for one in range(options.runs):
        seeds = range(SEEDS_FROM + one * each, SEEDS_FROM + (one + 1) * each)
        for name, make in (("noise", noise), ("office", office)):
            score = scored(make, seeds)
            figures.add(f"false_in_{name}", score.told / score.alerts * 1_000)
        score = scored(planted, seeds)
        figures.add("precision_percent", 100 * score.right / max(score.told, 1))
        figures.add("recall_percent", 100 * score.right / score.planted)
        figures.add("alerts_per_s", score.alerts / score.seconds)
    conditions = {"machine": machine_card(Path.cwd()), "histories": each, "weeks": 8}
    return make_report("patterns", conditions, figures, CHECKS, [])


def scored(make: Callable[[int], History], seeds: range) -> Score:
    """What is found in these histories."""
    return Score(*map(sum, zip(*(_one(make(seed)) for seed in seeds), strict=True)))


def _one(history: History) -> Score:
    past, start = history.past(), time.perf_counter()
    found = mine(past, [], 0).patterns
    seconds = time.perf_counter() - start
    told: list[Truth] = [(each.kind, frozenset(source.name for source in each.sources)) for each in found]
    right = len(history.truth.intersection(told))
    return Score(len(history.alerts), len(told), right, len(history.truth), seconds)


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(["patterns", *sys.argv[1:]]))
