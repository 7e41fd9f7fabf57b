"""What a scenario says at its end: one object as JSON, one table for people, one plot.

A figure is the median of several runs and stands beside its minimum and maximum. A check holds a figure against what
`docs` promise and says met or not met: the median, but of a promise to users ("p99 < 100 ms always") the worst run.
Warnings say what makes the run doubtful (a receiver at its limit, a floor without a compiler). The machine card belongs
to the conditions: a figure without its machine is a rumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks.measure import Spread, Verdict, spread
from benchmarks.plot import Bar, draw, number

# Above this the receiver itself may be what is measured.
RECEIVER_CPU_MAX_PERCENT = 80.0
# With less than half of the clients that a target is meant for, what is fixed for each message outweighs the fan-out.
FAR_FEWER = 0.5


class Goal(NamedTuple):
    """What a figure should be. `at_least`: more is better, else less is. `clients`: meant for so many (0: for any)."""

    figure: str
    what: str
    limit: float
    at_least: bool = False
    clients: int = 0


class Check(msgspec.Struct, frozen=True):
    """A figure held against its target. `at_least`: more is better, else less is.

    `meant_for`: how many clients the target is meant for, where there were far fewer; else 0.
    """

    figure: str
    what: str
    limit: float
    measured: float
    at_least: bool = False
    meant_for: int = 0

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.measured >= self.limit if self.at_least else self.measured < self.limit

    @property
    def words(self) -> str:
        """The outcome for people. A promise that is broken with fewer clients than it is meant for is broken."""
        meant = f"meant for {self.meant_for:,} clients" if self.meant_for else ""
        if not self.is_met and self.meant_for and self.figure not in VERIFIED:
            return meant
        outcome = "met" if self.is_met else "NOT MET"
        return f"{outcome} ({meant})" if meant else outcome


class Report(msgspec.Struct):
    """One scenario's outcome. `ranges` has a figure's (median, minimum, maximum) over the runs."""

    scenario: str
    conditions: dict[str, Any]
    figures: dict[str, float] = {}
    ranges: dict[str, Spread] = {}
    checks: list[Check] = []
    warnings: list[str] = []
    verdict: Verdict = Verdict()
    # Which figures the plot shows, as (figure, label), all in one unit.
    plotted: list[tuple[str, str]] = []

    @property
    def is_verified(self) -> bool:
        """Nothing missing, duplicated or reordered, and no check of a promise to users (`--verify`) failed."""
        return self.verdict.is_clean and all(check.is_met for check in self.checks if check.figure in VERIFIED)


# What `--verify` insists on, whatever the machine: the promise to users, and that nothing leaks. The other checks
# compare with this machine.
VERIFIED = frozenset(
    {
        *("last_client_p99_ms", "busy_cpu_last_client_p99_ms", "busy_store_last_client_p99_ms"),
        *("files_leaked", "tasks_leaked", "threads_leaked", "memory_grown_kb", "well_behaved_cut_off", "restarts"),
    }
)


class Figures:
    """Collects figures run by run."""

    def __init__(self, *, delivers: bool = True) -> None:
        # Nothing is said of deliveries where there are none.
        self.delivers = delivers
        self._runs: dict[str, list[float]] = {}
        self._worse: dict[str, Spread] = {}
        self.verdict = Verdict()
        self._warnings: dict[str, tuple[float, str]] = {}

    def add(self, name: str, value: float) -> None:
        """One run's value of a figure; the name carries the unit."""
        self._runs.setdefault(name, []).append(value)

    def warn(self, what: str, badness: float, text: str) -> None:
        """Something that makes the run doubtful; of several warnings about the same thing the worst is said."""
        if badness >= self._warnings.get(what, (badness, ""))[0]:
            self._warnings[what] = badness, text

    @property
    def warnings(self) -> list[str]:
        """What makes the run doubtful."""
        return [text for _, text in self._warnings.values()]

    def ranges(self) -> dict[str, Spread]:
        """All figures over their runs."""
        return {name: spread(values) for name, values in self._runs.items()} | self._worse

    def worse(self, name: str, prefixes: Sequence[str], *, at_least: bool = False) -> None:
        """Takes, as figure `name`, the worse median of `<prefix>_<name>`; its range spans the runs of all of them."""
        spreads = [spread(self._runs[f"{prefix}_{name}"]) for prefix in prefixes]
        pick = min if at_least else max
        median = pick(each.median for each in spreads)
        self._worse[name] = Spread(median, min(each.low for each in spreads), max(each.high for each in spreads))


def make_report(
    scenario: str,
    conditions: dict[str, Any],
    figures: Figures,
    checks: Sequence[Goal],
    plotted: list[tuple[str, str]],
) -> Report:
    """A report; a goal is left out where its figure is."""
    ranges = figures.ranges()
    medians = {name: round(values.median, 4) for name, values in ranges.items()}
    held = [_held(goal, ranges[goal.figure], conditions.get("clients")) for goal in checks if goal.figure in ranges]
    counted = msgspec.structs.asdict(figures.verdict) if figures.delivers else {}
    return Report(
        scenario=scenario,
        conditions=conditions,
        figures=medians | counted,
        ranges=ranges,
        checks=held,
        warnings=figures.warnings,
        verdict=figures.verdict,
        plotted=plotted,
    )


def _held(goal: Goal, values: Spread, clients: object) -> Check:
    """Of a promise (they are all of time) the slowest run is held, of a comparison with this machine the median."""
    is_promise = goal.figure in VERIFIED
    what, measured = (f"{goal.what}, worst run", values.high) if is_promise else (goal.what, values.median)
    is_far_from_it = isinstance(clients, int) and clients < goal.clients * FAR_FEWER
    return Check(goal.figure, what, goal.limit, measured, goal.at_least, goal.clients if is_far_from_it else 0)


def to_json(report: Report) -> bytes:
    """`{"scenario", "conditions", "figures", "ranges", "checks", "warnings"}` on one line."""
    checks = [
        {
            "figure": check.figure,
            "target": f"{'≥' if check.at_least else '<'} {check.limit:g}",
            "measured": round(check.measured, 4),
            "met": check.is_met,
            **({"meant_for_clients": check.meant_for} if check.meant_for else {}),
        }
        for check in report.checks
    ]
    return msgspec.json.encode(
        {
            "scenario": report.scenario,
            "conditions": report.conditions,
            "figures": report.figures,
            "ranges": {name: [_short(r.low), _short(r.high)] for name, r in report.ranges.items()},
            "checks": checks,
            "warnings": report.warnings,
        }
    )


def to_table(report: Report) -> str:
    """For people: every figure with its range, then the targets, then what to doubt."""
    lines = [f"{report.scenario}: {_conditions(report.conditions)}", ""]
    width = max([len(name) for name in report.figures] + [len(check.what) for check in report.checks] + [6])
    lines.append(f"  {'figure':<{width}}  {'median':>12}  {'minimum':>12}  {'maximum':>12}")
    for name, value in report.figures.items():
        known = report.ranges.get(name)
        low_high = f"  {number(known.low):>12}  {number(known.high):>12}" if known else ""
        lines.append(f"  {name:<{width}}  {number(value):>12}{low_high}")
    if report.checks:
        lines += ["", f"  {'target':<{width}}  {'wanted':>12}  {'measured':>12}"]
    for check in report.checks:
        wanted = f"{'≥' if check.at_least else '<'} {number(check.limit)}"
        lines.append(f"  {check.what:<{width}}  {wanted:>12}  {number(check.measured):>12}  {check.words}")
    if not report.verdict.is_clean:
        lines += ["", "  DELIVERY IS BROKEN: messages are missing, duplicated or reordered; the speed means nothing"]
    lines += ["", *(f"  note: {warning}" for warning in report.warnings)] if report.warnings else []
    return "\n".join(lines) + "\n"


def _conditions(conditions: dict[str, Any]) -> str:
    plain = [f"{name} {value}" for name, value in conditions.items() if not isinstance(value, dict)]
    machine = conditions.get("machine", {})
    card = [f"{name} {value}" for name, value in machine.items() if not isinstance(value, dict)]
    return "\n  ".join(filter(None, (", ".join(plain), ", ".join(card))))


def _short(value: float) -> float:
    return round(value, 4)


def to_svg(report: Report) -> str:
    """The plotted figures as horizontal bars with their ranges; the first checked one's target as a dashed line."""
    bars = [Bar(label, report.ranges[name]) for name, label in report.plotted if name in report.ranges]
    names = [name for name, _ in report.plotted]
    targets = [check for check in report.checks if check.figure in names]
    machine = report.conditions.get("machine", {})
    caption = f"{machine.get('cpu', '')}, {machine.get('cores', '?')} cores, commit {machine.get('commit', 'unknown')}"
    return draw(f"tocsin bench {report.scenario}", caption, bars, targets[0].limit if targets else None)
