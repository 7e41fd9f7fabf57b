"""What all writers of SQLite share, and the one of a database in memory, which writes on the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import trio

from engine.stores import OnCommit
from engine.stores.sqlite.commit import Committer
from engine.stores.tables.rows import Prepared
from engine.stores.tables.writer import Job, Writer
from protocol.effects import Unavailable


class LocalWriter(Writer):
    """A writer with a connection of its own, one transaction at a time."""

    def __init__(
        self, committer: Committer, on_commit: OnCommit | None, on_death: Callable[[BaseException], None]
    ) -> None:
        super().__init__(on_commit, on_death)
        self._committer = committer

    def _write(self, works: Sequence[Prepared | Job]) -> list[Any]:
        """In the writer's thread: a group of commits, or of jobs (most are a group of one)."""
        if isinstance(works[0], Prepared):
            return list(self._committer.commit(cast("Sequence[Prepared]", works)))
        return self._committer.run_together(cast("Sequence[Job]", works))


class InlineWriter(LocalWriter):
    """The writer of a database in memory: writes on the loop, at once, so virtual time and order stay exact."""

    pending = 0

    async def _outcome(self, work: Prepared | Job) -> Any:
        await trio.lowlevel.checkpoint()
        started = time.perf_counter()
        try:
            outcomes = self._write([work])
        except Exception as fault:  # as if a thread had died: the store's context ends with it
            self.is_available = False
            self._on_death(fault)
            return Unavailable("the store's writer ended")
        self._tell([work], outcomes, time.perf_counter() - started)
        return outcomes[0]

    async def aclose(self) -> bool:
        """Closes the connection: the database is gone."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._committer.close()
        return True
