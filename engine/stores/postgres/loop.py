"""The foreign loop that the shared store runs on, and a nursery beside it, for the time of a context.

Whose context it is knows nothing of nurseries: what they make a group of comes out as the one exception that it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.supervisor import root_cause
from engine.foreign import ForeignLoop


@asynccontextmanager
async def on_foreign_loop(foreign: ForeignLoop | None = None) -> AsyncIterator[tuple[ForeignLoop, trio.Nursery]]:
    """The given loop, which its owner runs, or one of its own. What runs in the nursery is cancelled at the end."""
    try:
        async with trio.open_nursery() as nursery:
            if foreign is None:
                foreign = ForeignLoop()
                await nursery.start(foreign.run)
            yield foreign, nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise root_cause(group) from None
