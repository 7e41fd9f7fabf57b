"""A store that is only asked, in a process that does nothing else (`engine.computing`): no writer, lock or migration.

The engine has it open; whoever asks here sees its last commit. Questions to a file are answered where they are put:
nobody else is kept waiting. Whoever asks a server has one session of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from engine.ids import now_us
from engine.stores import Retention, Store
from engine.stores.postgres.connect import is_postgres
from engine.stores.sqlite.file import Database
from engine.stores.tables.readers import Readers
from engine.stores.tables.store import TableStore
from engine.stores.tables.writer import Writer
from protocol.errors import StoreUnavailable


def place_of(url: str) -> str | None:
    """Where another process finds the store of this URL; None: nowhere, it is in the memory of whoever opened it."""
    return url if is_postgres(url) or Database.of_url(url).path is not None else None


@asynccontextmanager
async def open_to_ask(url: str) -> AsyncIterator[Store]:
    """A store that somebody else has open, to be asked; `url` as for `open_store`. Whatever writes, and whatever cannot
    be read, raises StoreUnavailable."""
    opened: AbstractAsyncContextManager[Readers]
    if is_postgres(url):
        from engine.stores.postgres.asking import asking_postgres

        opened = asking_postgres(url)
    else:
        from engine.stores.sqlite.asking import asking_sqlite

        opened = asking_sqlite(Database.of_url(url))
    async with opened as readers:
        yield TableStore("", _Nobody(), readers, Retention(), now_us)


class _Nobody(Writer):
    """Writes nothing."""

    def __init__(self) -> None:
        super().__init__(None, lambda fault: None)

    async def _outcome(self, work: object) -> Any:
        raise StoreUnavailable("whoever is here to ask does not write")

    @property
    def pending(self) -> int:
        """Nothing waits."""
        return 0

    async def aclose(self) -> bool:
        """There is nothing to close."""
        return True
