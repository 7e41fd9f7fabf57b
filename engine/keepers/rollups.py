"""Has readings rolled up, again and again. Owns nothing; the store knows how far it is, so a crash costs nothing.

While the store is away it waits for the next turn. Apart from `upkeep`, which comes every ten minutes: what is not
rolled up yet has to be summed up for everybody who asks.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from actors.supervisor import Started
from engine.stores import Store
from protocol.errors import StoreUnavailable

log = structlog.get_logger()


class RollUps:
    """Takes turns. `is_ours`: whether that is this node's to do."""

    def __init__(self, store: Store, every_s: float, is_ours: Callable[[], bool]) -> None:
        self._store = store
        self._every_s = every_s
        # Of several nodes one is enough.
        self.is_ours = is_ours

    async def run(self, status: Started) -> None:
        """Takes its turns for ever."""
        status.started()
        while True:
            try:
                if self.is_ours():
                    await self._store.roll_up()
            except StoreUnavailable as fault:
                log.warning("roll_up_postponed", cause=str(fault))
            await trio.sleep(self._every_s)
