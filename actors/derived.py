"""Tells the derived streams: everything that happens in a workspace, and what is assigned to one person in it.

Owns: one audience per derived stream that somebody follows, and what was committed and not told yet. The store's feed
posts to us on the loop, in commit order, before the channels hear of their commits; what we find missing (we crashed,
or a commit was answered late) is read from the store. No machine here: the offsets were assigned with the commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import trio

from actors import patience
from actors.audience import Audience, user_offset, workspace_offset
from actors.ports import HISTORY_CHUNK, ChannelStore, Observer
from actors.supervisor import Started
from protocol.errors import StoreUnavailable
from protocol.model import DerivedKey, Event

# About 10 MB: what is committed while the store does not let us read what comes before. Beyond it we read that, too.
POSTED_MAX_EVENTS = 10_000


class _Posted(NamedTuple):
    stream: DerivedKey
    events: Sequence[Event]


class DerivedStreams:
    """The derived streams that are followed here."""

    def __init__(self, store: ChannelStore, observer: Observer) -> None:
        self._store = store
        self._observer = observer
        self._audiences: dict[DerivedKey, Audience] = {}
        self._posted: deque[_Posted] = deque()
        # Who hears of all commits, whoever follows a stream; called as `post` and `look_all` are.
        self.on_post: Callable[[str, Sequence[Event]], None] = lambda workspace, events: None
        self.on_look_all: Callable[[Callable[[str], bool]], None] = lambda is_meant: None
        # A note to look into the store counts as one.
        self.posted_events = 0
        self._wake = trio.Event()

    def post(self, workspace: str, events: Sequence[Event]) -> None:
        """Takes note of the events of one commit; called by the store in commit order, must not raise."""
        self.on_post(workspace, events)
        self._post(DerivedKey(workspace), events)
        for user in dict.fromkeys(user for event in events for user in event.people):
            # Events that come again (a commit answered late) have no user offset: then the store is looked into.
            self._post(DerivedKey(workspace, user), [event for event in events if user in event.user_offsets])

    def look(self, workspace: str, events: Sequence[Event]) -> None:
        """Looks into the store for these events, and all others: a channel found them there, and nobody posted them.

        They cannot be posted as they are: what other channels committed between two of them would be left out.
        """
        self.on_post(workspace, ())
        self._post(DerivedKey(workspace), ())
        for user in dict.fromkeys(user for event in events for user in event.people):
            self._post(DerivedKey(workspace, user), ())

    def look_all(self, is_meant: Callable[[str], bool]) -> None:
        """Looks into the store for all streams of these workspaces: something may have been missed."""
        self.on_look_all(is_meant)
        for stream in list(self._audiences):
            if is_meant(stream.workspace):
                self._post(stream, ())

    def _post(self, stream: DerivedKey, events: Sequence[Event]) -> None:
        if stream in self._audiences:
            # Two notes more for each stream, so that folding again and again costs nothing that counts.
            if self.posted_events + len(events) >= POSTED_MAX_EVENTS + 2 * len(self._audiences):
                self._fold()
            self._posted.append(_Posted(stream, events))
            self.posted_events += len(events) or 1
            self._wake.set()

    def _fold(self) -> None:
        """Leaves one note of each stream to look into the store, where everything that was posted is."""
        streams = dict.fromkeys(posted.stream for posted in self._posted)
        self._posted = deque(_Posted(stream, ()) for stream in streams)
        self.posted_events = len(streams)

    async def audience(self, stream: DerivedKey) -> Audience:
        """The audience of a stream. Raises StoreUnavailable if its position cannot be read."""
        found = self._audiences.get(stream)
        if found is None:
            place = await self._store.derived_position(stream)
            found = self._audiences.get(stream)  # somebody else may have asked at the same time
        if found is None:
            offset_of = workspace_offset if stream.user is None else user_offset(stream.user)
            found = Audience(stream.name, place.epoch, place.offset, place.floor, offset_of)
            self._audiences[stream] = found
            # What was committed since its position was read was not posted to anybody: look once.
            self._post(stream, ())
        return found

    def find(self, stream: DerivedKey) -> Audience | None:
        """The audience of a stream, if somebody follows it here."""
        return self._audiences.get(stream)

    def audiences(self) -> list[Audience]:
        """All audiences that exist now."""
        return list(self._audiences.values())

    async def run(self, status: Started) -> None:
        """Tells what is posted, for ever."""
        for stream, audience in list(self._audiences.items()):
            await self._fill(stream, audience, None)
        status.started()
        while True:
            await self._wake.wait()
            while self._posted:
                posted = self._posted.popleft()
                self.posted_events -= len(posted.events) or 1
                await self._tell(posted)  # if this is broken off, the next run begins by looking into the store
            self._forget_unfollowed()
            self._wake = trio.Event()

    async def _tell(self, posted: _Posted) -> None:
        audience = self._audiences[posted.stream]  # forgotten only when nothing is posted, and by us
        until = audience.offset_of(posted.events[0]) - 1 if posted.events else None
        await self._fill(posted.stream, audience, until)
        self._observer.delivered(audience.tell(posted.events))

    async def _fill(self, stream: DerivedKey, audience: Audience, until: int | None) -> None:
        """Tells from the store what was committed and not posted, up to `until` (None: all there is)."""
        attempt = 0
        while until is None or audience.told < until:
            try:
                missed = await self._store.derived_history(stream, audience.told, HISTORY_CHUNK)
            except StoreUnavailable:
                attempt += 1
                await patience.pause(attempt)
                continue
            if not missed:
                return
            self._observer.delivered(audience.tell(missed))

    def _forget_unfollowed(self) -> None:
        for stream in [stream for stream, audience in self._audiences.items() if not audience]:
            del self._audiences[stream]
