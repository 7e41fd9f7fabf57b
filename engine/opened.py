"""The parts that there are while the store is open, and the child of the tree that opens it.

Owns the parts: they are made when the store was opened and gone when it is closed; who comes in between is told to try
again. Talks to the store, whose feed comes here after each commit and goes on to whoever of the parts tells it. Waits
for a store that does not answer, except at the engine's start, which then fails. If the store crashes we are started
again, and all that is built on the parts with us.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
import trio

from actors.patience import answered, pause
from actors.supervisor import Started
from engine.access.revocation import Revocations
from engine.parts import Parts
from engine.stores import CommittedEvents, Store
from protocol.errors import NotYet, StoreUnavailable

log = structlog.get_logger()

Run = Callable[[Started], Awaitable[None]]


class OpenParts:
    """The one owner of an engine's parts. `open_store`: a store in a context; `build`: all that stands on it."""

    def __init__(
        self,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        build: Callable[[Store], Parts],
        revocations: Revocations,
    ) -> None:
        self.now: Parts | None = None
        self._open_store = open_store
        self._build = build
        self._revocations = revocations
        self._has_been_up = False

    @property
    def up(self) -> Parts:
        """What there is now. Raises StoreUnavailable while the store is not open."""
        if self.now is None:
            raise StoreUnavailable("the engine is starting or stopping; try again in a moment")
        return self.now

    def part(self, run_of: Callable[[Parts], Run]) -> Run:
        """Runs one of the parts that there are when it is started."""

        async def run(status: Started) -> None:
            await run_of(self.up)(status)

        return run

    async def run(self, status: Started) -> None:
        """A database that does not answer ends a start. Later it is an outage: it is waited for, as always."""
        attempt = 0
        while True:
            try:
                return await self._run_open(status)
            except NotYet as fault:
                if not self._has_been_up:
                    raise
                attempt += 1
                log.warning("store_is_not_opened_again_yet", attempt=attempt, cause=str(fault))
                await pause(attempt)

    async def _run_open(self, status: Started) -> None:
        async with self._open_store() as store:
            # Before any door opens: who was revoked stays outside.
            self._revocations.load(await answered(store.revocations, "the revocations"))
            parts = self._build(store)
            await parts.shelves.live.load()
            self.now = parts
            store.set_feed(self._feed)
            self._has_been_up = True
            status.started()
            try:
                await trio.sleep_forever()
            finally:
                self.now = None

    def _feed(self, committed: Sequence[CommittedEvents]) -> None:
        parts = self.now
        if parts is not None:
            parts.cache.told(committed)
            for one in committed:
                if one.events:
                    parts.derived.post(one.workspace, one.events)
                else:
                    parts.derived.look_all(one.workspace.__eq__)
                if parts.nodes is not None:
                    parts.nodes.committed(one)
                for key in one.moved:
                    parts.registry.moved(key)
