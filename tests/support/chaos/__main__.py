"""The command: five minutes of faults, or a calm hour. Exit code 1 if anything was wrong."""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import trio

from tests.support.chaos.faults import FAULTS
from tests.support.chaos.probing import share
from tests.support.chaos.report import lines_of
from tests.support.chaos.run import a_chaos
from tests.support.chaos.sizes import CALM, LONG, Size

AVAILABILITY_MIN = 0.999


def in_turn(faults: Sequence[str], seconds: float) -> Iterator[str]:
    """These, again and again, as long as there is time for another one; each of them once at least."""
    end = trio.current_time() + seconds
    yield from faults
    for name in itertools.cycle(faults):
        if trio.current_time() >= end:
            return
        yield name


async def main(given: argparse.Namespace, size: Size, faults: Sequence[str]) -> int:
    """One run, told on standard output; 1 if anything was wrong."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-chaos-"))
    async with a_chaos(size, given.seed, folder, not given.without_redis) as chaos:
        # A collection of everything that is here before would be an outage of our own.
        gc.freeze()
        if given.calm is not None:
            await chaos.be_calm(given.calm * 60)
            if share(chaos.probes.all) < AVAILABILITY_MIN:
                chaos.wrong.append(f"the availability is under {AVAILABILITY_MIN:.1%}")
        else:
            await chaos.run(in_turn(faults, given.seconds))
        print("\n".join(lines_of(chaos, given.seed)))
    print(f"The nodes' logs are in {folder}.")
    return bool(chaos.wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--faults", default=",".join(FAULTS), help="which of them, in turn: %(default)s")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long they go on (%(default)s)")
    parser.add_argument("--calm", type=float, nargs="?", const=60.0, metavar="MINUTES", help="no faults, for so long")
    parser.add_argument("--watchers", type=int, default=LONG.watchers)
    parser.add_argument("--producers", type=int, default=LONG.producers)
    parser.add_argument(
        "--rate",
        type=float,
        help=f"triggers a second ({LONG.triggers_per_s:g}; without faults {CALM.triggers_per_s:g})",
    )
    parser.add_argument(
        "--reconnect-each", type=float, default=LONG.reconnect_each_s, help="one connection is cut, seconds"
    )
    parser.add_argument("--pause", type=float, default=LONG.pause_s, help="for how long a node is stopped, in seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-redis", action="store_true")
    options = parser.parse_args()
    wanted = [name for name in options.faults.split(",") if not (options.without_redis and "redis" in name)]
    form = LONG if options.calm is None else CALM
    whole = replace(
        form,
        watchers=options.watchers,
        producers=options.producers,
        triggers_per_s=form.triggers_per_s if options.rate is None else options.rate,
        reconnect_each_s=options.reconnect_each,
        pause_s=options.pause,
    )
    raise SystemExit(trio.run(main, options, whole, wanted))
