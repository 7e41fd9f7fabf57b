"""What one conversation follows: brings the peer level with a stream, then attaches it, and lets go at the end.

Owns: which audiences this conversation belongs to. Waits for the audience (a channel that starts), for history (ring
first, store second) and for its own peer to take that history, never for a commit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from actors.audience import Audience, Group
from actors.frames import IDLE_LANE, HintFrame
from actors.history import Chunk
from actors.peer import Peer
from actors.reading import audience_of, hear_of, missed, moment_at
from actors.session_kit import SessionKit
from actors.snapshots import tell_open_alerts
from protocol import messages as m
from protocol.codec import form_of, frame_message
from protocol.effects import FROM_SNAPSHOT, RecipientMark
from protocol.errors import (
    BadRequest,
    CloseCode,
    ConversationEnded,
    PermissionDenied,
    StoreUnavailable,
    UnknownChannel,
)
from protocol.model import ChannelKey, Severity, StreamKey
from protocol.session import ServerConversation
from protocol.stream import recovery
from protocol.times import rfc3339

STORE_AWAY = "the store is away; come back and recover"


@dataclass(slots=True)
class _Followed:
    """One stream that the peer follows, and how far it says to have received and seen it."""

    audience: Audience
    group: Group
    stream: StreamKey
    # Every event after this one was sent, or left out by the filter.
    begins: int
    # By whether it is about seeing: up to where it is marked; FROM_SNAPSHOT: not even the snapshot yet.
    marked: dict[bool, int]


class Subscriptions:
    """The subscriptions of one conversation."""

    def __init__(
        self,
        connection: Peer,
        kit: SessionKit,
        conversation: ServerConversation,
    ) -> None:
        self._connection = connection
        self._kit = kit
        self._conversation = conversation
        self._counters = kit.roster.counters
        self._form = form_of(connection.subprotocol)
        self._followed: dict[str, _Followed] = {}

    async def subscribe(self, message: m.Subscribe) -> None:
        """Brings the peer level, if it asks for that, and attaches it. Raises TocsinError or ConversationEnded."""
        key = self._kit.desk.locate(self._conversation.who, message.channel, message.framework_id)
        audience = await audience_of(self._kit, key)
        if audience.name not in self._followed:
            self._conversation.subscribing(len(self._followed))
        self._leave(audience.name)
        if message.recover is not None and message.recover.epoch == audience.epoch:
            with audience.recovering():
                await hear_of(self._kit, audience, key, message.recover.offset)
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
        begins = audience.told
        with audience.recovering():
            if message.recover and outcome.recovered:
                begins = message.recover.offset
                await self._make_level(audience, key, message.min_severity, begins)
            elif message.snapshot:
                begins = await self._tell_snapshot(audience, key, message.min_severity)
                await self._make_level(audience, key, message.min_severity, begins)
            marked = begins if outcome.recovered or not message.snapshot else FROM_SNAPSHOT
            self._follow(audience, key, message.min_severity, begins, marked)
        if isinstance(key, ChannelKey):
            self._kit.presence.subscribed(self._connection.client_id, key)
        if message.recover and outcome.recovered:
            await self._tell_found(audience, key, message.recover.offset)

    def unsubscribe(self, message: m.Unsubscribe) -> None:
        """No more of this channel; also said if there was none."""
        key = self._kit.desk.locate(self._conversation.who, message.channel, message.framework_id)
        self._leave(key.name)
        self._connection.say(m.Unsubscribed(channel=key.name, id=message.id))

    def mark(self, message: m.Received | m.Seen) -> None:
        """Notes how far the peer says to have received, or seen, a channel. Raises UnknownChannel or BadRequest."""
        key = self._kit.desk.locate(self._conversation.who, message.channel, None)
        followed = self._followed.get(key.name)
        if followed is None:
            raise UnknownChannel(f"this connection does not follow {key.name}: subscribe to it first")
        told, offset, is_seen = followed.audience.told, message.offset, isinstance(message, m.Seen)
        if offset > told:
            raise BadRequest(f"offset {offset} of {key.name} was not told yet, the last one is {told}")
        gap = self._connection.outbox.gap_after(key.name)
        if gap is not None:
            # What was left out since the subscription began nobody has received, whatever came after it.
            offset = min(offset, max(gap, followed.begins))
        before = followed.marked[is_seen]
        if before == FROM_SNAPSHOT and offset >= followed.begins:
            self._mark(followed, is_seen, FROM_SNAPSHOT, followed.begins)
            before = followed.marked[is_seen] = followed.begins
        if offset > before != FROM_SNAPSHOT:
            self._mark(followed, is_seen, before, offset)
            followed.marked[is_seen] = offset

    def _mark(self, followed: _Followed, is_seen: bool, after: int, until: int) -> None:
        mark = RecipientMark(
            stream=followed.stream,
            user=self._conversation.who.user,
            is_seen=is_seen,
            min_severity=followed.group.min_severity,
            after=after,
            until=until,
            at=self._kit.clock(),
        )
        self._kit.recipients.mark(mark, FROM_SNAPSHOT if after == FROM_SNAPSHOT else followed.begins)

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

    async def _tell_snapshot(self, audience: Audience, key: StreamKey, min_severity: Severity) -> int:
        try:
            return await tell_open_alerts(self._connection, self._kit, audience, key, min_severity)
        except StoreUnavailable as fault:
            raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, STORE_AWAY) from fault

    async def _make_level(self, audience: Audience, key: StreamKey, min_severity: Severity, after: int) -> None:
        """Tells what came after an offset, until nothing is missing."""
        last = await self._tell_missed(audience, key, min_severity, after)
        if last < audience.told:
            # What the filter left out at the end moved the offset too: else the next `prev` looks like a gap.
            at = rfc3339(self._kit.clock())
            self._connection.say(
                m.PositionMessage(channel=audience.name, epoch=audience.epoch, offset=audience.told, at=at)
            )

    async def _tell_missed(self, audience: Audience, key: StreamKey, min_severity: Severity, after: int) -> int:
        """History at the peer's own pace: ring first, store second, until level. On return nothing is missing.

        Gives the last offset that the peer knows of: below what was told, if its filter left out the rest.
        """
        at = prev = after
        while at < audience.told:
            chunk = await self._missed(audience, key, at)
            events = chunk.events
            # A derived stream loses the events of its long channels: holes may be anywhere below its floor.
            places = [at, *map(audience.offset_of, events)] if events else [at, audience.told + 1]
            holes = [there - 1 for here, there in itertools.pairwise(places) if there != here + 1]
            if holes:
                audience.floor = max(audience.floor, holes[-1])  # so the next try is told that it was trimmed
                raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, "history was trimmed; subscribe again")
            frames, prev = chunk.frames(audience, self._form, min_severity, prev)
            self._connection.caught_up(len(frames))
            for frame in frames:
                # One by one: a chunk of long alerts at once could fill an outbox whose peer reads well.
                self._connection.outbox.push(frame)
                await self._connection.pace()
            at = audience.offset_of(events[-1])
        return prev

    async def _tell_found(self, audience: Audience, key: StreamKey, offset: int) -> None:
        """Tells what was found since an offset; what is found from now on comes live."""
        found = await self._kit.findings.of(key)
        if not found:
            return
        try:
            since = await moment_at(self._kit, audience, key, offset)
        except StoreUnavailable:
            return  # It is level, and follows: hints are no reason to send it away.
        for each in found:
            if each.until >= since:
                self._connection.outbox.push(HintFrame(frame_message(each.hint, self._form), IDLE_LANE, audience.name))

    async def _missed(self, audience: Audience, key: StreamKey, after: int) -> Chunk:
        try:
            return await missed(self._kit, audience, key, after)
        except StoreUnavailable as fault:
            # `subscribed` has promised everything: a mere error would leave a client that waits for ever.
            raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, STORE_AWAY) from fault

    def _follow(self, audience: Audience, key: StreamKey, min_severity: Severity, begins: int, marked: int) -> None:
        # Subscribed again: what had been left out was sent now, or lies before where this subscription begins.
        self._connection.outbox.forget_gap(audience.name)
        group = audience.attach(self._connection.outbox, self._form, min_severity, self._connection.lost)
        self._followed[audience.name] = _Followed(audience, group, key, begins, {False: marked, True: marked})
        self._connection.followed(audience.name, group)
        self._counters.followed(audience.name)
        self._kit.proofs.follow(audience)

    def _leave(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is not None:
            followed.audience.detach(self._connection.outbox, followed.group)
            self._connection.left(name)
            self._connection.outbox.forget_gap(name)
            self._counters.left(name)
