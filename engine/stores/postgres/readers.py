"""Questions to Postgres: a few sessions that only read, each question in one transaction that sees one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from engine.foreign import ForeignLoop
from engine.stores.postgres.faults import cause_of
from engine.stores.postgres.sessions import READING, Sessions, opening
from engine.stores.tables.connection import Connection, RowFault
from engine.stores.tables.readers import Readers
from protocol.errors import BadRequest, StoreUnavailable

T = TypeVar("T")

# A node's; three nodes stay far below the server's hundred.
READ_SESSIONS = 4
READ_MAX_S = 5.0
# More cannot be answered within the deadline anyway.
READS_WAITING_MAX = 1_000


class PostgresReaders(Readers):
    """Asks in the foreign thread. `most_s`: how long a question may take; None: as usual."""

    def __init__(self, foreign: ForeignLoop, sessions: Sessions, most_s: float | None = None) -> None:
        self._foreign = foreign
        self._of_its_own_s = most_s
        self._sessions = sessions
        self._asked = 0
        self._closed = False

    async def read(self, question: Callable[[Connection], T], workspace: str | None = None) -> T:
        """Asks. Raises StoreUnavailable after `most_s`, or when too many wait already."""
        if self._closed or self._asked >= READS_WAITING_MAX:
            await trio.lowlevel.checkpoint()
            full = f"{self._asked} reads are waiting, limit {READS_WAITING_MAX}; try again in a moment"
            raise StoreUnavailable("the store is closed" if self._closed else full)
        most_s = READ_MAX_S if self._of_its_own_s is None else self._of_its_own_s
        begin = opening(READING, None if workspace is None else [workspace])
        self._asked += 1
        try:
            with trio.fail_after(most_s):
                return await self._foreign.call(lambda: self._sessions.transact(begin, question))
        except trio.TooSlowError as fault:
            raise StoreUnavailable(f"no answer within {most_s:g} s") from fault
        except RowFault as fault:
            # No row can have what was asked for (a NUL): where a door has not said so, we do.
            raise BadRequest(f"nothing can be found by this: {fault}") from fault
        except Exception as fault:
            if (cause := cause_of(fault)) is None:
                raise
            raise StoreUnavailable(f"the store cannot be read: {cause}") from fault
        finally:
            self._asked -= 1

    async def aclose(self) -> None:
        """No more questions."""
        self._closed = True
        await self._foreign.call(self._sessions.aclose)
