"""Starts the channels that owe something without being asked: a receipt, or the expiry of a source's alert.

Asks the store once, as soon as it answers. While it is away the engine is up all the same: sockets are kept, and a
channel that somebody uses is started anyway.
"""

from __future__ import annotations

import structlog

from actors.patience import answered
from actors.registry import Registry
from engine.stores import Store
from protocol.errors import Busy

log = structlog.get_logger()


async def start_unsettled(store: Store, registry: Registry) -> None:
    """Starts them all, or as many as there is room for; the others are started by their next use."""
    keys = await answered(store.unsettled, "the channels that owe something")
    # One workspace may be full, and the next one not.
    full: dict[str, str] = {}
    started = 0
    for key in keys:
        if key.workspace in full:
            continue
        try:
            registry.cell(key)
        except Busy as fault:
            full[key.workspace] = fault.message
        else:
            started += 1
    if full:
        cause = next(iter(full.values()))
        log.warning("unsettled_channels_wait", started=started, waiting=len(keys) - started, cause=cause)
