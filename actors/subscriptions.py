"""What one conversation follows: brings the peer level with a stream, then attaches it, and lets go at the end.

Owns: which audiences this conversation belongs to. Waits for the audience (a channel that starts), for history (ring
first, store second) and for its own peer to take that history, never for a commit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import trio

from actors.audience import Audience, Group
from actors.connection import Connection
from actors.history import Chunk
from actors.ports import HISTORY_CHUNK
from actors.session_kit import SessionKit
from protocol import messages as m
from protocol.codec import form_of
from protocol.errors import CloseCode, ConversationEnded, PermissionDenied, StoreUnavailable
from protocol.model import ChannelKey, Event, StreamKey
from protocol.session import ServerConversation
from protocol.stream import recovery
from protocol.times import rfc3339


class Subscriptions:
    """The subscriptions of one conversation."""

    def __init__(
        self,
        connection: Connection,
        kit: SessionKit,
        conversation: ServerConversation,
    ) -> None:
        self._connection = connection
        self._kit = kit
        self._conversation = conversation
        self._counters = kit.roster.counters
        self._form = form_of(connection.subprotocol)
        self._followed: dict[str, tuple[Audience, Group]] = {}

    async def subscribe(self, message: m.Subscribe) -> None:
        """Brings the peer level, if it asks for that, and attaches it. Raises TocsinError or ConversationEnded."""
        key = self._kit.desk.locate(self._conversation.who, message.channel, message.framework_id)
        audience = await self._audience(key)
        if audience.name not in self._followed:
            self._conversation.subscribing(len(self._followed))
        self._leave(audience.name)
        outcome = recovery(message.recover, audience.epoch, audience.told, audience.floor)
        self._connection.say(
            m.Subscribed(
                id=message.id,
                channel=audience.name,
                epoch=audience.epoch,
                offset=audience.told,
                recovered=outcome.recovered,
                reason=outcome.reason,
            )
        )
        if outcome.recovered:
            with audience.recovering():
                last = await self._tell_missed(audience, key, message)
                if last < audience.told:
                    # What the filter left out at the end moved the offset too: else the next `prev` looks like a gap.
                    at = rfc3339(self._kit.clock())
                    self._connection.say(
                        m.PositionMessage(channel=audience.name, epoch=audience.epoch, offset=audience.told, at=at)
                    )
                self._follow(audience, message)
        else:
            self._follow(audience, message)
        if isinstance(key, ChannelKey):
            self._kit.presence.subscribed(self._connection.client_id, key)

    def unsubscribe(self, message: m.Unsubscribe) -> None:
        """No more of this channel; also said if there was none."""
        key = self._kit.desk.locate(self._conversation.who, message.channel, message.framework_id)
        self._leave(key.name)
        self._connection.say(m.Unsubscribed(channel=key.name, id=message.id))

    def leave_all(self) -> None:
        """The conversation is over."""
        for name in list(self._followed):
            self._leave(name)

    def leave_forbidden(self) -> None:
        """A refreshed token may allow less than the one that these were subscribed with."""
        for name in list(self._followed):
            try:
                self._kit.desk.locate(self._conversation.who, name, None)
            except PermissionDenied as fault:
                self._leave(name)
                self._connection.say(m.Unsubscribed(channel=name, code=fault.code))

    async def _audience(self, key: StreamKey) -> Audience:
        if isinstance(key, ChannelKey):
            return await self._kit.registry.cell(key).wait_audience()
        return await self._kit.derived.audience(key)

    async def _tell_missed(self, audience: Audience, key: StreamKey, message: m.Subscribe) -> int:
        """History at the peer's own pace: ring first, store second, until level. On return nothing is missing.

        Gives the last offset that the peer knows of: below what was told, if its filter left out the rest.
        """
        at = prev = message.recover.offset if message.recover else audience.told
        outbox = self._connection.outbox
        while at < audience.told:
            chunk = await self._missed(audience, key, at)
            events = chunk.events
            # A derived stream loses the events of its long channels: holes may be anywhere below its floor.
            places = [at, *map(audience.offset_of, events)] if events else [at, audience.told + 1]
            holes = [there - 1 for here, there in itertools.pairwise(places) if there != here + 1]
            if holes:
                audience.floor = max(audience.floor, holes[-1])  # so the next try is told that it was trimmed
                raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, "history was trimmed; subscribe again")
            frames, prev = chunk.frames(audience, self._form, message.min_severity, prev)
            for frame in frames:
                # One by one: a chunk of long alerts at once could fill an outbox whose peer reads well.
                outbox.push(frame)
                await outbox.wait_below(self._kit.limits.backlog_bytes)
                self._connection.websocket.heard_at = trio.current_time()  # it reads: that is life
            at = audience.offset_of(events[-1])
        return prev

    async def _missed(self, audience: Audience, key: StreamKey, after: int) -> Chunk:
        store = self._kit.store

        async def read(after: int) -> Sequence[Event]:
            if isinstance(key, ChannelKey):
                return await store.history(key, after, HISTORY_CHUNK)
            return await store.derived_history(key, after, HISTORY_CHUNK)

        try:
            return await self._kit.history.after(audience, after, read)
        except StoreUnavailable as fault:
            # `subscribed` has promised everything: a mere error would leave a client that waits for ever.
            raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, "the store is away; come back and recover") from fault

    def _follow(self, audience: Audience, message: m.Subscribe) -> None:
        group = audience.attach(self._connection.outbox, self._form, message.min_severity)
        self._followed[audience.name] = (audience, group)
        self._counters.followed(audience.name)

    def _leave(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is not None:
            audience, group = followed
            audience.detach(self._connection.outbox, group)
            self._counters.left(name)
