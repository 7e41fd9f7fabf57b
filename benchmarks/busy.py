"""The engine with troublesome company in its own process: `python -m benchmarks.busy LOAD serve …`.

LOAD is `cpu` (one thread that computes without pause) or `store` (eight threads, each with its own SQLite connection,
that query without pause). Both fight for the interpreter's lock, as an embedding application's threads do; the fan-out
must not wait for them. Then the ordinary command line runs, in the main thread, as if nothing were the matter.

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
from pathlib import Path

CONNECTIONS = 8
_ROWS = 10_000


def compute() -> None:
    """Computes for ever, and holds the interpreter's lock while it can."""
    total = 0
    while True:
        for number in range(1_000):
            total = (total + number * number) % 1_000_003


def query(path: Path) -> None:
    """Asks a store of its own for ever; gives the lock away, and wants it back, with each step."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        key = 0
        while True:
            key = (key * 7_919 + 104_729) % _ROWS
            base.execute("SELECT body FROM load WHERE key BETWEEN ? AND ?", (key, key + 10)).fetchall()


def fill(path: Path) -> None:
    """Makes the table that is queried."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE load (key INTEGER PRIMARY KEY, body TEXT)")
        base.executemany("INSERT INTO load VALUES (?, ?)", ((key, f"row {key}" * 10) for key in range(_ROWS)))
        base.commit()


def threads(load: str, path: Path) -> list[threading.Thread]:
    """The threads of a load, not started. Raises ValueError for an unknown one."""
    work: dict[str, tuple[int, Callable[[], None]]] = {
        "cpu": (1, compute),
        "store": (CONNECTIONS, lambda: query(path)),
    }
    if load not in work:
        raise ValueError(f"there is no load {load!r}; there are {', '.join(work)}")
    count, target = work[load]
    # Daemons: they end with the engine, and nothing of theirs is worth saving.
    return [threading.Thread(target=target, name=f"busy-{load}-{n}", daemon=True) for n in range(count)]


def main(argv: list[str]) -> None:
    """Starts the load (its table goes to the engine's data folder), then the command line with the other arguments."""
    load, *rest = argv
    path = Path(os.environ["TOCSIN_DATA"]) / "busy.db"
    company = threads(load, path)
    fill(path)
    for thread in company:
        thread.start()
    sys.argv = ["tocsin", *rest]
    runpy.run_module("tocsin", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
