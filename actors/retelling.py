"""Tells again what a stream told: pages of its messages, for whoever looks back instead of following.

Owns nothing. Reads as recovery does (ring first, store second), and builds no message that a follower would not get.
Waits for the audience and the store. What is not kept any more is said, never passed over in silence.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from actors.audience import Audience
from actors.reading import audience_of, missed
from actors.session_kit import SessionKit
from protocol import messages as m
from protocol.codec import WireForm, decode_server, unframe
from protocol.errors import BadRequest
from protocol.model import Principal, Severity, StreamKey
from protocol.sse import event_id

# A filter that leaves out almost everything must not read a whole retention for one page: 100 reads of the store.
EVENTS_A_PAGE_MAX = 25_600


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of a stream, oldest first, and where the next page starts (null: this is up to `offset`).

    `offset` is the last one told on the stream, `floor` the one after which everything is kept. `trimmed`: between the
    place that was asked for (without one: the beginning) and these messages some are not kept any more.
    """

    channel: str
    epoch: str
    offset: int
    floor: int
    trimmed: bool
    items: list[m.AlertMessage]
    next_cursor: str | None


class Retelling:
    """Looks back at streams."""

    def __init__(self, kit: SessionKit) -> None:
        self._kit = kit

    async def page(self, who: Principal, request: m.Subscribe, limit: int) -> HistoryPage:
        """What came after `request.recover` (None: everything kept). Raises TocsinError."""
        key = self._kit.desk.locate(who, request.channel, request.framework_id)
        audience = await audience_of(self._kit, key)
        after = _begin(audience, request.recover)
        with audience.recovering():
            items, at, trimmed = await self._read(audience, key, request.min_severity, after, limit)
        return HistoryPage(
            channel=audience.name,
            epoch=audience.epoch,
            offset=audience.told,
            floor=audience.floor,
            trimmed=trimmed,
            items=items,
            next_cursor=event_id(m.Position(audience.epoch, at)) if at < audience.told else None,
        )

    async def _read(
        self, audience: Audience, key: StreamKey, min_severity: Severity, after: int, limit: int
    ) -> tuple[list[m.AlertMessage], int, bool]:
        """Messages, the offset that they lead up to, and whether something between is gone."""
        items: list[m.AlertMessage] = []
        trimmed = after < audience.floor
        at = max(after, audience.floor)
        end = min(audience.told, at + EVENTS_A_PAGE_MAX)
        while at < end and len(items) < limit:
            chunk = await missed(self._kit, audience, key, at)
            if not chunk.events:
                return items, audience.told, True
            trimmed = trimmed or _has_hole(at, [audience.offset_of(event) for event in chunk.events])
            frames, _ = chunk.frames(audience, WireForm.JSON, min_severity, at)
            told = [_message(frame.data) for frame in frames[: limit - len(items)]]
            items += told
            is_full = len(told) < len(frames)
            at = told[-1].offset if is_full else audience.offset_of(chunk.events[-1])
        return items, at, trimmed


def _begin(audience: Audience, place: m.Position | None) -> int:
    if place is None:
        return 0
    if place.epoch != audience.epoch:
        raise BadRequest(f"the store is another one now (epoch {audience.epoch}): leave the place out, or ask afresh")
    if place.offset > audience.told:
        raise BadRequest(f"offset {place.offset} was not told yet, the last one is {audience.told}")
    return place.offset


def _has_hole(after: int, offsets: Sequence[int]) -> bool:
    return any(there != here + 1 for here, there in itertools.pairwise([after, *offsets]))


def _message(frame: bytes) -> m.AlertMessage:
    message = decode_server(unframe(frame)[1], WireForm.JSON)
    assert isinstance(message, m.AlertMessage)  # noqa: S101  # history has no other frames
    return message
