"""Asks a server from another process than the engine's: readers with one session, on a foreign loop of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.supervisor import root_cause
from engine.foreign import ForeignLoop
from engine.stores.postgres.readers import PostgresReaders
from engine.stores.postgres.sessions import LEISURELY, Reachability, Sessions
from engine.stores.tables.readers import Readers


@asynccontextmanager
async def asking_postgres(url: str) -> AsyncIterator[Readers]:
    """Readers of the database. It was looked at when the engine opened it, and is not looked at again."""
    try:
        async with trio.open_nursery() as nursery:
            foreign = ForeignLoop()
            await nursery.start(foreign.run)
            readers = PostgresReaders(foreign, Sessions(url, 1, Reachability(), LEISURELY), LEISURELY.transaction_s)
            try:
                yield readers
            finally:
                with trio.CancelScope(shield=True):
                    await readers.aclose()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise root_cause(group) from None
