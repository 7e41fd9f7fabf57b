"""Starts the channels that owe something without being asked: a receipt, or the expiry of a source's alert.

Asks the store once, as soon as it answers. While it is away the engine is up all the same: sockets are kept, and a
channel that somebody uses is started anyway.
"""

from __future__ import annotations

import structlog

from actors.registry import Registry
from engine.patience import answered
from engine.stores import Store
from protocol.errors import Busy

log = structlog.get_logger()


async def start_unsettled(store: Store, registry: Registry) -> None:
    """Starts them all, or as many as there is room for; the others are started by their next use."""
    keys = await answered(store.unsettled, "the channels that owe something")
    for started, key in enumerate(keys):
        try:
            registry.cell(key)
        except Busy as fault:
            log.warning("unsettled_channels_wait", started=started, waiting=len(keys) - started, cause=fault.message)
            return
