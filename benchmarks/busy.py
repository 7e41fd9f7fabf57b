"""The engine with troublesome company in its own process: `python -m benchmarks.busy LOAD serve …`.

LOAD is `cpu` (one thread that computes without pause) or `store` (eight threads, each with its own SQLite connection,
that run durable transactions one after another). Both fight for the interpreter's lock, as an embedding application's
threads do; the fan-out must not wait for them. Then the ordinary command line runs, in the main thread, as if nothing
were the matter.

The command line is run by name (`runpy`), not imported: benchmarks lie below it, and know it only as a program.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

CONNECTIONS = 8
_ROWS = 10_000
_READ = 500


def compute() -> None:
    """Computes for ever, and holds the interpreter's lock while it can."""
    total = 0
    while True:
        for number in range(1_000):
            total = (total + number * number) % 1_000_003


def transact(path: Path) -> None:
    """Reads and writes a store of its own for ever, one short durable transaction after another.

    With every step it gives the interpreter's lock away and wants it back; in the commit it waits for the disk, as a
    connection that is busy with a store does. (Threads that only query, without ever waiting, would be eight more
    CPU-bound ones: on few cores the system's scheduler starves the loop beside them, whatever the loop does.)
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE load (key INTEGER PRIMARY KEY, body TEXT)")
        key = 0
        while True:
            key = (key * 7_919 + 104_729) % _ROWS
            base.execute("BEGIN IMMEDIATE")
            base.execute("SELECT body FROM load WHERE key BETWEEN ? AND ?", (key, key + _READ)).fetchall()
            base.execute("INSERT OR REPLACE INTO load VALUES (?, ?)", (key, f"row {key}" * 10))
            base.execute("COMMIT")


def threads(load: str, folder: Path) -> list[threading.Thread]:
    """The threads of a load, not started; their stores go into `folder`. Raises ValueError for an unknown load."""
    work: dict[str, list[Callable[[], None]]] = {
        "cpu": [compute],
        "store": [partial(transact, folder / f"busy-{n}.db") for n in range(CONNECTIONS)],
    }
    if load not in work:
        raise ValueError(f"there is no load {load!r}; there are {', '.join(work)}")
    # Daemons: they end with the engine, and nothing of theirs is worth saving.
    return [threading.Thread(target=run, name=f"busy-{load}-{n}", daemon=True) for n, run in enumerate(work[load])]


def main(argv: list[str]) -> None:
    """Starts the load (its stores go to the engine's data folder), then the command line with the other arguments."""
    load, *rest = argv
    for thread in threads(load, Path(os.environ["TOCSIN_DATA"])):
        thread.start()
    sys.argv = ["tocsin", *rest]
    runpy.run_module("tocsin", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
