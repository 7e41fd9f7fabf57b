"""What the store needs now and then: trimming old events, and being asked whether it really has no duplicates.

Owns: nothing but the answer of the last count. Runs at the start and then every `trim_every_s`; while the store is away
it waits for the next turn. If it crashes, its supervisor starts it again.
"""

from __future__ import annotations

import structlog
import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.stores import Store
from protocol.errors import StoreUnavailable

log = structlog.get_logger()


class Upkeep:
    """Looks after a store."""

    def __init__(self, store: Store, clock: Clock, every_s: float) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s
        # Open alerts beyond the first of their identity, at the last count; the suppression windows keep it at 0.
        self.duplicates_stored = 0

    async def run(self, status: Started) -> None:
        """Takes its turns for ever."""
        status.started()
        while True:
            try:
                self.duplicates_stored = await self._store.duplicates()
                trimmed = await self._store.trim(self._clock())
            except StoreUnavailable as fault:
                log.warning("upkeep_postponed", cause=str(fault))
            else:
                if trimmed or self.duplicates_stored:
                    log.info("upkeep", trimmed_events=trimmed, duplicates_stored=self.duplicates_stored)
            await trio.sleep(self._every_s)
