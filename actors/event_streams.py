"""The event streams of one HTTP server: who may open one, and the end of all of them.

Owns: which streams there are. Each is a request of HTTP for as long as it lasts, so there are fewer of them than of
HTTP's connections: requests must still get in. Synchronous but for `serve`, which is the life of one stream.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from actors.event_stream import EventStream, Wire
from actors.outbox import OutboxLimits
from actors.peer import reconnect_after_ms
from actors.ports import NewId
from actors.session_kit import SessionKit
from actors.tally import one_less
from protocol import messages as m
from protocol.errors import CloseCode, ConversationEnded, LimitReached
from protocol.limits import Limit
from protocol.model import Principal
from protocol.wording import several

# Nobody can say when a stream ends; a page that asks again so often is no burden.
RETRY_AFTER_S = 10.0


@dataclass(frozen=True)
class StreamLimits:
    """How many streams there may be, of all and of each user, and what may wait for one."""

    streams_max: int = 500
    per_user_max: int = 32
    outbox: OutboxLimits = field(default_factory=OutboxLimits)


class EventStreams:
    """The streams that there are."""

    def __init__(self, kit: SessionKit, limits: StreamLimits, new_id: NewId) -> None:
        self._kit = kit
        self._limits = limits
        self._new_id = new_id
        self._open: dict[EventStream, None] = {}
        self._of_user: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def check(self, who: Principal, request: m.Subscribe) -> None:
        """Raises TocsinError if this may not be followed, or there is no room: before anything was answered."""
        self._kit.desk.locate(who, request.channel, request.framework_id)
        self._check_room(who)

    async def serve(self, who: Principal, request: m.Subscribe, address: str, wire: Wire) -> None:
        """One stream, from its beginning to its end. Raises LimitReached if there is no room."""
        stream = self._enter(who, address)
        try:
            await stream.run(who, request, wire)
        finally:
            self._kit.roster.count_refusal(stream.ending.limit if stream.ending else None)
            self._kit.roster.strike(stream)
            one_less(self._of_user, (who.workspace, who.user))
            del self._open[stream]

    def end_all(self) -> None:
        """The server stops: everybody is told when to come back."""
        for stream in self._open:
            stream.leave(CloseCode.SHUTDOWN, "shutting down", reconnect_after_ms())

    def _enter(self, who: Principal, address: str) -> EventStream:
        self._check_room(who)
        stream = EventStream(self._new_id(), self._kit, self._limits.outbox)
        stream.address = address
        try:
            self._kit.roster.claim(stream, who)
        except ConversationEnded as end:
            self._kit.roster.count_refusal(end.limit)
            raise LimitReached(end.reason, end.limit, RETRY_AFTER_S) from end
        self._kit.roster.enter(stream)
        self._open[stream] = None
        self._of_user[who.workspace, who.user] += 1
        return stream

    def _check_room(self, who: Principal) -> None:
        count, of_user = len(self._open), self._of_user[who.workspace, who.user]
        if of_user >= self._limits.per_user_max:
            limit = f"limit {self._limits.per_user_max} (api.streams_per_user_max)"
            text = f"{several(of_user, 'event stream')} of this user, {limit}"
            self._refuse(text, Limit.STREAMS_PER_USER)
        if count >= self._limits.streams_max:
            self._refuse(
                f"{several(count, 'event stream')}, limit {self._limits.streams_max} (api.streams_max)", Limit.STREAMS
            )

    def _refuse(self, text: str, limit: Limit) -> None:
        self._kit.roster.count_refusal(limit)
        raise LimitReached(text, limit, RETRY_AFTER_S)
