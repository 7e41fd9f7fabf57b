"""Reads and writes at leisure: analytics does much of it, and nobody waits for that. So between two of them the store
is left to others for a few times as long: the writer that keeps what rings, a server, and, where the engine itself
reads (a store in memory, the scoring of predictions), the core that its loop is on.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import trio

PAUSE_FACTOR = 4
# A store that is slow by itself need not be spared for longer.
PAUSE_MAX_S = 0.5
# So long somebody who looks at many things holds the loop; the longest pause after that.
HOLDS_S = 0.002
HELD_PAUSE_MAX_S = 1.0
# Alerts of a page: a few milliseconds.
PAGE_ALERTS = 500
T = TypeVar("T")


async def at_leisure(read: Awaitable[T]) -> T:
    """What was read, or written, after the pause that follows."""
    began = trio.current_time()
    found = await read
    await pause_since(began, PAUSE_MAX_S)
    return found


async def pause_since(began: float, at_most_s: float) -> None:
    """Leaves the machine to others for a few times as long as what began then (the loop's clock) has taken."""
    await trio.sleep(min((trio.current_time() - began) * PAUSE_FACTOR, at_most_s))


class Turn:
    """Somebody's turn at the loop, who looks at many things one after another."""

    def __init__(self) -> None:
        self._began = trio.current_time()

    async def may_rest(self) -> None:
        """Between two of them: leaves the loop to others if it was held for long enough."""
        if trio.current_time() - self._began > HOLDS_S:
            await pause_since(self._began, HELD_PAUSE_MAX_S)
            self._began = trio.current_time()
