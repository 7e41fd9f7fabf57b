"""`python -m tests.fuzz --minutes 10`: coverage-guided fuzzing (atheris) of all targets, one process for each.

Starts from the corpus, ends with 1 when something escapes (the input is printed as base64), and with `--keep` writes
back what it has learned. Within a target's process the code is instrumented as it is imported.
"""

from __future__ import annotations

import argparse
import base64
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import corpus

# A target needs a moment to import and to replay its corpus.
SECONDS_MIN = 3
# Of `--runs`: what is made up is the same each time.
SEED = 20_261_122
INPUT_MAX_BYTES = 4_096
# Kept for a target, the shortest first: the replay belongs to the unit tests.
INPUTS_MAX = 200


def main() -> int:
    """Fuzzes every target for its share of the time; the number of targets from which something escaped."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help=f"for all targets together; each gets at least {SECONDS_MIN} s"
    )
    parser.add_argument("--runs", type=int, help="so many inputs for each target instead, the same ones each time")
    parser.add_argument("--keep", action="store_true", help="write what was learned into the corpus")
    parser.add_argument("--target", action="append", help="only this one; may be given several times")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return _run(options.run, options.arguments)
    names = options.target or sorted(path.stem for path in corpus.FOLDER.glob("*.txt"))
    seconds = max(SECONDS_MIN, round(options.minutes * 60 / len(names)))
    # One input may take so many seconds; where their number counts, time does not: others may have the machine.
    by_time = (f"-max_total_time={seconds}", "-timeout=10")
    by_number = (f"-runs={options.runs}", f"-seed={SEED}", "-timeout=100")
    said = f"{options.runs} inputs" if options.runs else f"{seconds} s"
    bounds = by_number if options.runs else by_time
    return sum(not _fuzz(name, bounds, said, keep=options.keep) for name in names)


def _fuzz(name: str, bounds: Sequence[str], said: str, *, keep: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        learned, found = Path(folder, "learned"), Path(folder, "found")
        for each in (learned, found):
            each.mkdir()
        for number, data in enumerate(corpus.load(name)):
            (learned / str(number)).write_bytes(data)
        limits = [f"-max_len={INPUT_MAX_BYTES}", f"-artifact_prefix={found}/", "-verbosity=0"]
        done = _process(name, [str(learned), *bounds, *limits])
        escaped = [path.read_bytes() for path in found.iterdir()]
        print(f"{name}: {said}, {len(list(learned.iterdir()))} kept, {len(escaped)} escaped", flush=True)
        for data in escaped:
            print(f"  {base64.b64encode(data).decode()}\n{done.stdout[-3_000:]}", flush=True)
        if keep and not escaped:
            # By hand: merging starts processes of a program that Python is not.
            inputs = sorted((path.read_bytes() for path in learned.iterdir()), key=len)
            corpus.save(name, inputs[:INPUTS_MAX])
        return done.returncode == 0 and not escaped


def _process(name: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", "--run", name, "--", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")


def _run(name: str, arguments: list[str]) -> int:
    """One target, in a process of its own: libFuzzer ends the process when it is done."""
    import atheris

    with atheris.instrument_imports(include=["protocol", "actors", "engine", "wsproto", "h11", "jwt"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(["fuzz", *arguments], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
