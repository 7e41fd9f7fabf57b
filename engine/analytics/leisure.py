"""Reads at leisure: analytics read much, and nobody waits for them. A thread that reads takes its share of a core like
the loop that tells a thousand clients; so between two reads it is left to others for a few times as long.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import trio

PAUSE_FACTOR = 4
# A store that is slow by itself need not be spared for longer.
PAUSE_MAX_S = 0.5
# Alerts of a page: a few milliseconds.
PAGE_ALERTS = 500
T = TypeVar("T")


async def at_leisure(read: Awaitable[T]) -> T:
    """What was read, after the pause that follows."""
    began = trio.current_time()
    found = await read
    await pause_since(began, PAUSE_MAX_S)
    return found


async def pause_since(began: float, at_most_s: float) -> None:
    """Leaves the machine to others for a few times as long as what began then (the loop's clock) has taken."""
    await trio.sleep(min((trio.current_time() - began) * PAUSE_FACTOR, at_most_s))
