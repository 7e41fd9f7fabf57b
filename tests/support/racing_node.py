"""`python -m tests.support.racing_node STORE NAME`: a process that races others for jobs, all on one database.

For each line on standard input it claims once. What it won it settles three times at once: under its lease, under the
same again, and under the one before; and says what the store answered. STORE is a file, or the URL of a database on
Postgres. The engine keeps other processes out of its file; here nobody does, as nobody does on Postgres.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import trio

from engine.ids import now_us
from engine.stores import Retention, Store, open_store
from engine.stores.postgres.connect import is_postgres
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from protocol.errors import StoreUnavailable
from protocol.jobs import Lease, Queue, Settlement, Verdict
from tests.support.jobs import a_job

T = TypeVar("T")
LEASE_S = 30.0


class Answer(msgspec.Struct, frozen=True):
    """What a node has won in a race, and which of its settlements counted."""

    won: list[Lease]
    held: list[bool]


@dataclass(frozen=True)
class SharedDatabase(Database):
    """A file that several processes write to."""

    @contextmanager
    def locked(self) -> Iterator[Database]:
        assert self.path is not None
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        yield self


def shared(store: str) -> AbstractAsyncContextManager[Store]:
    """A store that is open in other processes, too."""
    if is_postgres(store):
        return open_store(store)
    return open_database(SharedDatabase(Path(store)), Retention(), now_us, None)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks until it is free: SQLite waits for a moment, and then says that it is busy."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            continue


async def race(store: Store, name: str) -> Answer:
    claimed = await answered(lambda: store.claim(name, {Queue.ALERT: 1}, LEASE_S))
    held: list[bool] = []
    async with trio.open_nursery() as nursery:
        for one in claimed:
            before = one.lease._replace(number=one.lease.number - 1)
            for lease in (one.lease, one.lease, before):
                nursery.start_soon(settle, store, lease, held)
    return Answer([one.lease for one in claimed], held)


async def settle(store: Store, lease: Lease, held: list[bool]) -> None:
    one = Settlement(lease=lease, verdict=Verdict.COMPLETED, follow=(a_job(queue=Queue.PREDICTION),))
    held += await answered(lambda: store.settle([one]))


async def main(where: str, name: str) -> None:
    """Races until nobody asks any more."""
    # Standard output is for answers.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with shared(where) as store:
        os.write(1, b"ready\n")
        async with trio.lowlevel.FdStream(os.dup(0)) as asked:
            async for lines in asked:
                for _ in range(lines.count(b"\n")):
                    os.write(1, msgspec.json.encode(await race(store, name)) + b"\n")


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
