"""Asks a file that an engine has open, from another process: one connection, in the asker's own thread.

It takes neither the engine's lock nor a writer's; like every reader it keeps the log of what was written since from
being folded back into the file, so questions are small.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from engine.stores.sqlite.file import Database
from engine.stores.sqlite.readers import one_moment
from engine.stores.tables.connection import Connection
from engine.stores.tables.readers import Readers
from protocol.errors import StoreUnavailable

T = TypeVar("T")


@asynccontextmanager
async def asking_sqlite(database: Database) -> AsyncIterator[Readers]:
    """Readers of the file. Raises StoreUnavailable."""
    try:
        connection = database.connect_reader()
    except sqlite3.Error as fault:
        raise StoreUnavailable(f"the store cannot be read: {fault}") from fault
    try:
        yield _Asking(connection)
    finally:
        connection.close()


class _Asking(Readers):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def read(self, question: Callable[[Connection], T], workspace: str | None = None) -> T:
        """Asks at once."""
        await trio.lowlevel.checkpoint()
        try:
            with one_moment(self._connection):
                return question(self._connection)
        except sqlite3.Error as fault:
            raise StoreUnavailable(f"the store cannot be read: {fault}") from fault

    async def aclose(self) -> None:
        """Whoever opened it closes it."""
        await trio.lowlevel.cancel_shielded_checkpoint()
