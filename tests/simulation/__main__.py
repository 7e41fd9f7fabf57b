"""`python -m tests.simulation --seed 7 --verbose`: one story for a person. `--seeds 1-5000`: many, and who failed."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.simulation.simulation import simulate


def main() -> int:
    """Runs what was asked for; exit code 1 if a promise was broken."""
    arguments = argparse.ArgumentParser(description="Simulates the engine under faults drawn from seeds.")
    arguments.add_argument("--seed", type=int, help="one seed")
    arguments.add_argument("--seeds", default="1-200", help="a range of seeds, FIRST-LAST")
    arguments.add_argument("--processes", type=int, default=1, help="share the seeds among so many processes")
    arguments.add_argument("--verbose", action="store_true", help="print the story as it happens")
    given = arguments.parse_args()
    began = time.perf_counter()
    if given.seed is not None:
        seeds = range(given.seed, given.seed + 1)
    else:
        first, last = map(int, given.seeds.split("-"))
        seeds = range(first, last + 1)
    if given.processes > 1 and len(seeds) > 1:
        broken = _shared(seeds, given.processes)
    else:
        broken = sum([not _run(seed, aloud=given.verbose, alone=len(seeds) == 1) for seed in seeds])
    print(f"{len(seeds)} seeds, {broken} broke a promise, {time.perf_counter() - began:.1f} s")
    return 1 if broken else 0


def _run(seed: int, *, aloud: bool, alone: bool) -> bool:
    outcome = simulate(seed, aloud=aloud)
    if outcome.violation is not None:
        print(f"seed {seed}: {outcome.violation}\n  again: {outcome.again}", flush=True)
    elif alone:
        print(f"seed {seed}: kept every promise for {outcome.virtual_s:.0f} s; story {outcome.trace.digest()}")
    return outcome.violation is None


def _shared(seeds: range, processes: int) -> int:
    """Each process takes a stretch; what they say is said here. Gives how many seeds broke a promise."""
    size = -(-len(seeds) // processes)
    stretches = [seeds[at : at + size] for at in range(0, len(seeds), size)]
    command = [sys.executable, "-m", "tests.simulation", "--seeds"]
    running = [
        subprocess.Popen([*command, f"{part[0]}-{part[-1]}"], stdout=subprocess.PIPE, text=True) for part in stretches
    ]
    broken = 0
    for part, process in zip(stretches, running, strict=True):
        said, _ = process.communicate()
        *lines, _ = said.splitlines() or [""]
        print("\n".join(lines), end="\n" if lines else "")
        failed = sum(line.startswith("seed ") for line in lines)
        # One that died without a word counts for all of its seeds.
        broken += failed if process.returncode in (0, 1) and (failed or not process.returncode) else len(part)
    return broken


if __name__ == "__main__":
    sys.exit(main())
