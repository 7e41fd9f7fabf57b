"""What the store needs now and then: trimming old events, deleting objects that were over long ago, and being asked
whether it really has no duplicates.

Owns: nothing but the answer of the last count. Runs at the start and then every `trim_every_s`; while the store is away
it waits for the next turn. If it crashes, its supervisor starts it again.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.shelf.endings import forget_over
from engine.stores import Store
from protocol.errors import StoreUnavailable
from protocol.times import SECOND_US

log = structlog.get_logger()


class Upkeep:
    """Looks after a store. `is_ours`: whether that is this node's to do."""

    def __init__(self, store: Store, clock: Clock, every_s: float, over_s: float, is_ours: Callable[[], bool]) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._over_us = int(over_s * SECOND_US)
        # Of several nodes one is enough.
        self.is_ours = is_ours
        # Objects deleted since the start, because they were over for `over_s`.
        self.forgotten = 0
        # Open alerts beyond the first of their identity, at the last count; the suppression windows keep it at 0.
        self.duplicates_stored = 0

    async def run(self, status: Started) -> None:
        """Takes its turns for ever."""
        status.started()
        while True:
            try:
                self.duplicates_stored = await self._store.duplicates()
                trimmed, forgotten = await self._tidy() if self.is_ours() else (0, 0)
            except StoreUnavailable as fault:
                log.warning("upkeep_postponed", cause=str(fault))
            else:
                self.forgotten += forgotten
                if trimmed or forgotten or self.duplicates_stored:
                    log.info(
                        "upkeep",
                        trimmed_events=trimmed,
                        objects_forgotten=forgotten,
                        duplicates_stored=self.duplicates_stored,
                    )
            await trio.sleep(self._every_s)

    async def _tidy(self) -> tuple[int, int]:
        """How many events and objects went."""
        now = self._clock()
        trimmed = await self._store.trim(now)
        return trimmed, await forget_over(self._store, now - self._over_us, now)
