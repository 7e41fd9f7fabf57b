"""Tells people in the app: a `notification` on their stream, while they follow it.

Owns nothing. The ledger is the record: a line is written before anybody is told of it, and who was away asks for his
list (`GET /api/v1/notifications`). So the message has no offset, as hints have none, and a slow reader may miss it.
"""

from __future__ import annotations

from actors.derived import DerivedStreams
from engine.notify.ports import Sent
from engine.others import Others
from engine.stores import Store
from protocol.hints import Notification
from protocol.model import DerivedKey
from protocol.notify import Outgoing


class InApp:
    """The sender of the channel `in_app`."""

    def __init__(self, store: Store, derived: DerivedStreams, others: Others) -> None:
        self._store = store
        self._derived = derived
        self._others = others

    async def send(self, message: Outgoing) -> Sent:
        """Tells him, if he is there. `delivered` is what he says himself: that he has read it."""
        user = message.recipient.user or ""
        stream = DerivedKey(message.workspace, user)
        audience = self._derived.find(stream)
        if audience is not None or self._others.are_there:
            rendered = message.rendered
            told = Notification(
                channel=stream.name,
                key=message.key,
                kind=message.change.value,
                alert=message.alerts[0],
                more=message.more + len(message.alerts) - 1,
                text=rendered.subject if rendered is not None else message.alerts[0].title,
                unread=await self._store.unread(message.workspace, user),
            )
            if audience is not None:
                audience.hint([told])
            self._others.hint(stream, [told])
        return Sent()
