"""Starts the channels that owe something without being asked: a receipt, or the expiry of a source's alert.

Asks the store as soon as it answers, and again whenever this node has become the owner of other workspaces. While the
store is away the engine is up all the same: sockets are kept, and a channel that somebody uses is started anyway.
"""

from __future__ import annotations

import structlog

from actors.bell import Bell
from actors.patience import answered
from actors.registry import Registry
from engine.stores import Store
from protocol.errors import Busy

log = structlog.get_logger()


async def keep_starting(store: Store, registry: Registry, gained: Bell) -> None:
    """Starts those that are ours, now and each time that `gained` is rung."""
    while True:
        await start_unsettled(store, registry)
        await gained.event.wait()
        gained.clear()


async def start_unsettled(store: Store, registry: Registry) -> None:
    """Starts all that are ours, or as many as there is room for; the others are started by their next use."""
    keys = await answered(store.unsettled, "the channels that owe something")
    # One workspace may be full, and the next one not.
    full: dict[str, str] = {}
    started = 0
    for key in keys:
        if key.workspace in full or not registry.is_ours(key.workspace):
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
