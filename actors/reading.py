"""Where to read a stream: its audience, and what was told on it before. Used by whoever follows and whoever looks back.

Owns nothing. Waits for the audience (a channel that starts) and for the store.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.audience import Audience
from actors.history import Chunk
from actors.ports import HISTORY_CHUNK
from actors.session_kit import SessionKit
from protocol.model import ChannelKey, Event, StreamKey


async def audience_of(kit: SessionKit, key: StreamKey) -> Audience:
    """The audience of a stream. Raises StoreUnavailable, Busy."""
    if isinstance(key, ChannelKey):
        return await kit.registry.cell(key).wait_audience()
    return await kit.derived.audience(key)


async def missed(kit: SessionKit, audience: Audience, key: StreamKey, after: int) -> Chunk:
    """The next events of a stream after an offset: ring first, store second. Raises StoreUnavailable."""

    async def read(after: int) -> Sequence[Event]:
        if isinstance(key, ChannelKey):
            return await kit.store.history(key, after, HISTORY_CHUNK)
        return await kit.store.derived_history(key, after, HISTORY_CHUNK)

    return await kit.history.after(audience, after, read)
