"""The durable part of a channel: its mailbox and its audience, and what is known of its actor.

Owned by the registry; the channel's actor (`actors.channel`) works on it, and whoever has a command or wants to follow
talks to it. It survives crashes of the actor and goes only when the channel is retired. Waits for nothing but, in
`wait_audience`, for the actor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from actors.audience import Audience, channel_offset
from actors.mailbox import PARKED, Envelope, Mailbox
from protocol.errors import Busy, StoreUnavailable
from protocol.model import ChannelKey, Event


@dataclass(frozen=True)
class ChannelLimits:
    """Bounds of each channel."""

    mailbox_max: int = 10_000
    batch_max: int = 240
    # A channel that nobody uses or watches for so long is retired; the next use recalls it.
    idle_s: float = 60.0


class Cell:
    """The durable part of one channel."""

    def __init__(self, key: ChannelKey, limits: ChannelLimits, owner: str | None = None) -> None:
        self.key = key
        # The node that decides for this channel; None: we do. It says which kind of actor runs the cell.
        self.owner = owner
        self.mailbox = Mailbox(limits.mailbox_max)
        self.audience: Audience | None = None
        self.is_parked = False
        # Why the store did not answer, while it does not; new commands are refused at once, held ones are kept.
        self.away: str | None = None
        # Somebody else has moved the channel on in the store: memory must be recalled before anything is decided.
        self.is_behind = False
        # Somebody may have: before anything is decided it is looked where the channel stands.
        self.may_be_behind = False
        self._ready = trio.Event()
        self._news = trio.Event()
        self._reowned = trio.Event()

    def put_all(self, envelopes: Sequence[Envelope]) -> None:
        """Puts commands into the mailbox, all or none. Raises Busy or StoreUnavailable."""
        if self.is_parked:
            for envelope in envelopes:
                envelope.answer(PARKED)
            return
        if self.away is not None:
            raise StoreUnavailable(f"the store is away ({self.away}); nothing was stored, send it again in a moment")
        self.mailbox.put_all(envelopes)

    async def wait_audience(self) -> Audience:
        """The channel's audience, once its position was recalled. Raises StoreUnavailable if that cannot be done."""
        while self.audience is None:
            if self.away is not None:
                raise StoreUnavailable(f"the store is away ({self.away}); subscribe again in a moment")
            if self.is_parked:
                raise Busy(str(PARKED.message))
            await self._ready.wait()
        return self.audience

    def moved(self) -> None:
        """The store has moved on without us (a workflow batch, another node); the actor is woken to look."""
        self.is_behind = True
        self.wake()

    def wake(self) -> None:
        """The actor has something to look at: other orders, another owner, or the store, if it may have moved on."""
        self.mailbox.wake()
        if self.has_news:
            self._news.set()

    @property
    def has_news(self) -> bool:
        """Whether there may be something in the store that nobody here has been told of."""
        return self.is_behind or self.may_be_behind

    def looked(self) -> None:
        """The store is looked at from now on; whoever moves the channel on meanwhile may come too late for it."""
        self.is_behind = self.may_be_behind = False

    def hear(self, events: Sequence[Event]) -> int:
        """Another node has committed these events of the channel. Gives the number of deliveries.

        If we only follow, and they come next, our followers are told at once; else somebody looks into the store.
        """
        audience = self.audience
        if audience is None:
            self.moved()
        elif channel_offset(events[-1]) > audience.told:
            if self.owner is not None and channel_offset(events[0]) <= audience.told + 1:
                return audience.tell(events)
            self.moved()
        return 0

    def change_owner(self, owner: str | None) -> None:
        """Somebody else decides from now on; whoever runs the cell is to be woken."""
        self.owner = owner
        self._reowned.set()
        self._reowned = trio.Event()

    async def wait_owner_other_than(self, owner: str | None) -> None:
        """Waits until somebody else decides."""
        while self.owner == owner:
            await self._reowned.wait()

    async def wait_news(self) -> None:
        """Waits until the store has moved on without us, if it has not already."""
        await self._news.wait()
        self._news = trio.Event()

    def changed(self) -> None:
        """Wakes who waits for the audience."""
        self._ready.set()
        self._ready = trio.Event()

    def park(self) -> None:
        """Set aside: everything that waits is refused."""
        self.is_parked = True
        self.mailbox.refuse_all(PARKED)
        self.changed()
