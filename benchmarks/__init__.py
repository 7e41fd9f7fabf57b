"""Load benchmarks of the engine, its floor and its peers: `python -m benchmarks fanout --clients 1000 --verify`.

Shipped with the product, because measuring one's own machine is one of its uses: `tocsin bench` calls `main`. Nothing
is imported here, so that the processes of a benchmark (receiver, producer, floor, peers) load only what they are.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Runs one scenario (or `all`) as the arguments after the program's name say; gives the exit code (0, 1 or 2)."""
    from benchmarks.cli import main as run

    return run(argv)
