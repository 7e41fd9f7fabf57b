"""Where to read a stream: its audience, and what was told on it before. Used by whoever follows and whoever looks back.

Owns nothing. Waits for the audience (a channel that starts) and for the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from actors.audience import Audience
from actors.history import Chunk
from actors.ports import HISTORY_CHUNK
from actors.session_kit import SessionKit
from protocol.model import ChannelKey, Event, StreamKey
from protocol.times import parse_rfc3339


async def audience_of(kit: SessionKit, key: StreamKey) -> Audience:
    """The audience of a stream. Raises StoreUnavailable, Busy."""
    if isinstance(key, ChannelKey):
        return await kit.registry.cell(key).wait_audience()
    return await kit.derived.audience(key)


async def hear_of(kit: SessionKit, audience: Audience, key: StreamKey, offset: int) -> None:
    """A client has been told of this offset by another node, which we have not heard of yet: then the store knows it.

    Whoever follows the stream here is told, too. If the client is ahead of the store nothing changes; so it may be, of
    one that was set back. Raises StoreUnavailable.
    """
    while audience.told < offset:
        events = await _read(kit, key, audience.told)
        if not events:
            return
        audience.tell(events)


async def missed(kit: SessionKit, audience: Audience, key: StreamKey, after: int) -> Chunk:
    """The next events of a stream after an offset: ring first, store second. Raises StoreUnavailable."""

    return await kit.history.after(audience, after, partial(_read, kit, key))


async def moment_at(kit: SessionKit, audience: Audience, key: StreamKey, offset: int) -> int:
    """When the event at an offset was told, or the next one that is left (microseconds); 0: there is none.

    Raises StoreUnavailable.
    """
    before = max(offset - 1, 0)
    events = audience.ring.after(before, 1) or await _read(kit, key, before, 1)
    return parse_rfc3339(events[0].at) if events else 0


async def _read(kit: SessionKit, key: StreamKey, after: int, limit: int = HISTORY_CHUNK) -> Sequence[Event]:
    if isinstance(key, ChannelKey):
        return await kit.store.history(key, after, limit)
    return await kit.store.derived_history(key, after, limit)
