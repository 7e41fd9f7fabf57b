"""`nab`: how well the `anomaly` rule finds anomalies: the Numenta Anomaly Benchmark, or series of our own.

`--data DIR` is a checkout of numenta/NAB, or anything with its `data/*/*.csv` and `labels/combined_windows.json`.
Without it our own labelled series are scored (`nab_series`), those that the detector's parameters were chosen on. The
detector sees times and values only, each series from its beginning, and gives each record a score; one threshold holds
for all files. Two figures each: with the threshold that serves a profile best, as NAB has it, and (`default_`) with the
rule's own default sensitivity, which is what a user gets.

`python benchmarks/nab.py --data DIR` is the same as `tocsin bench nab --data DIR`.
The scorer is checked in the same run: two detectors of others must get what Numenta published for them. What it
published for all of them stands beside ours (`published_`).
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.control import BenchmarkError
from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_S
from benchmarks.nab_peers import PUBLISHED, relative_entropy, windowed_gaussian
from benchmarks.nab_scorer import PROFILES, Outcome, Sheet, Window
from benchmarks.nab_series import Labelled, series
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from engine.core.rules.anomaly import Detector
from protocol.rules import AnomalyRule, Season
from protocol.times import SECOND_US

# The same rule for every file, and nothing changed from its defaults but the season: most series are of days.
RULE = AnomalyRule(id="nab", framework="nab", metric="value", season=Season.DAY)
OWN_SEED, OWN_EACH = 1, 4
# In short every so many of the courses, once.
SHORT_EVERY = 4
PEERS = {"windowed_gaussian": windowed_gaussian, "relative_entropy": relative_entropy}
OFF_MAX = 0.1

CHECKS = [
    Goal("nab_standard", "NAB, standard profile", 55.0, at_least=True),
    Goal("points_per_s", "points/s of one core", 20_000.0, at_least=True),
    *(
        Goal(f"{peer}_off", f"{peer.replace('_', ' ')}, away from the published {PUBLISHED[peer][0]}", OFF_MAX)
        for peer in PEERS
    ),
]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if the data are not there or not what they should be."""
    files = _own(options.short) if options.data is None else read(options.data)
    name = "own" if options.data is None else "nab"
    figures, sheet = Figures(delivers=False), sheet_of(files)
    scores: list[float] = []
    for _ in range(options.runs):
        # Of one core: nothing here waits, and what others do on this machine meanwhile is not the detector's.
        began_ns = time.process_time_ns()
        scores = [score for file in files for score in detect(file)]
        figures.add("points_per_s", len(scores) * NS_PER_S / (time.process_time_ns() - began_ns))
    best = _by_profile(figures, name, sheet, scores)
    figures.add("threshold", best.threshold)
    _tell(figures, "", sheet, best)
    _tell(figures, "default_", sheet, sheet.at(scores, PROFILES["standard"], RULE.sensitivity))
    for peer, detector in PEERS.items():
        theirs = _by_profile(figures, peer, sheet, [score for file in files for score in detector(file.values)])
        if options.data is not None:
            figures.add(f"{peer}_off", abs(theirs.score - PUBLISHED[peer][0]))
    if options.data is not None:
        for peer, published in PUBLISHED.items():
            figures.add(f"published_{peer}_standard", published[0])
    conditions = {
        "data": "our own series" if options.data is None else "Numenta Anomaly Benchmark",
        "files": len(files),
        "points": len(scores),
        "windows": sheet.windows,
        "season": RULE.season.value,
        "sensitivity": RULE.sensitivity,
        "runs": options.runs,
        "machine": machine_card(Path.cwd()),
    }
    plotted = [(f"{each}_standard", each) for each in (name, *PEERS)]
    plotted += [(f"published_{peer}_standard", f"{peer} (published)") for peer in PUBLISHED if peer not in PEERS]
    return make_report("nab", conditions, figures, CHECKS, plotted)


def _own(is_short: bool) -> list[Labelled]:
    return series(OWN_SEED, 1)[::SHORT_EVERY] if is_short else series(OWN_SEED, OWN_EACH)


def sheet_of(files: Sequence[Labelled]) -> Sheet:
    """What each record of these files is worth."""
    sheet = Sheet()
    for file in files:
        sheet.add(len(file.values), file.windows)
    return sheet


def detect(file: Labelled) -> list[float]:
    """What our detector says to each record."""
    detector = Detector(RULE)
    return [detector.observe(at_us, value).score for at_us, value in zip(file.at_us, file.values, strict=True)]


def _by_profile(figures: Figures, name: str, sheet: Sheet, scores: Sequence[float]) -> Outcome:
    """Adds the score in each profile; gives the outcome in the standard one."""
    outcomes = {profile: sheet.best(scores, weights) for profile, weights in PROFILES.items()}
    for profile, outcome in outcomes.items():
        figures.add(f"{name}_{profile}", outcome.score)
    return outcomes["standard"]


def _tell(figures: Figures, prefix: str, sheet: Sheet, outcome: Outcome) -> None:
    if prefix:
        figures.add(f"{prefix}standard", outcome.score)
    figures.add(f"{prefix}windows_found", outcome.found)
    figures.add(f"{prefix}false_alarms_per_1000", 1_000 * outcome.false_alarms / max(1, sheet.counted))


def read(folder: Path, *, only: Sequence[str] = ()) -> list[Labelled]:
    """The labelled files under `folder`/data (or only these), in order of their names. Raises BenchmarkError."""
    labels = folder / "labels" / "combined_windows.json"
    try:
        windows = msgspec.json.decode(labels.read_bytes(), type=dict[str, list[tuple[str, str]]])
        return [_file(folder / "data" / name, windows[name]) for name in sorted(windows) if not only or name in only]
    except OSError as fault:
        raise BenchmarkError(
            f"{fault.filename} cannot be read ({fault.strerror}): --data is a checkout of github.com/numenta/NAB, with"
            " data/ and labels/combined_windows.json in it"
        ) from fault
    except (ValueError, KeyError) as fault:
        raise BenchmarkError(f"{folder} does not hold the Numenta Anomaly Benchmark: {fault}") from fault


def _file(path: Path, windows: Sequence[tuple[str, str]]) -> Labelled:
    with path.open(newline="") as lines:
        rows = [(_us(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    at_us = [at for at, _ in rows]
    # A time may be there twice (an hour that a clock was put back): its first record is meant.
    found = [Window(at_us.index(_us(first)), at_us.index(_us(last))) for first, last in windows]
    return Labelled(f"{path.parent.name}/{path.name}", at_us, [value for _, value in rows], found)


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_US


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(["nab", *sys.argv[1:]]))
