"""Asks a server from another process than the engine's: readers with one session, on a foreign loop of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.stores.postgres.loop import on_foreign_loop
from engine.stores.postgres.readers import PostgresReaders
from engine.stores.postgres.sessions import LEISURELY, Reachability, Sessions
from engine.stores.tables.readers import Readers


@asynccontextmanager
async def asking_postgres(url: str) -> AsyncIterator[Readers]:
    """Readers of the database. It was looked at when the engine opened it, and is not looked at again."""
    async with on_foreign_loop() as (foreign, _):
        readers = PostgresReaders(foreign, Sessions(url, 1, Reachability(), LEISURELY), LEISURELY.transaction_s)
        try:
            yield readers
        finally:
            with trio.CancelScope(shield=True):
                await readers.aclose()
