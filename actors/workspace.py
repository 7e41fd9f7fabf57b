"""Tells the workspaces' derived streams: everything that happens in a workspace, in the order of the store's commits.

Owns: one audience per workspace that somebody follows, and what was committed and not told yet. The store's feed posts
to us on the loop, in commit order, before the channels hear of their commits; what we find missing (we crashed, or a
commit was answered late) is read from the store. No machine here: the offsets were assigned with the commit.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import trio

from actors.audience import Audience, workspace_offset
from actors.channel import HISTORY_CHUNK, STORE_RETRY
from actors.ports import ChannelStore, Observer
from actors.restart import backoff_s
from actors.supervisor import Started
from protocol.errors import StoreUnavailable
from protocol.model import Event


class _Posted(NamedTuple):
    workspace: str
    events: Sequence[Event]


class Workspaces:
    """The derived streams of all workspaces that are followed here."""

    def __init__(self, store: ChannelStore, observer: Observer) -> None:
        self._store = store
        self._observer = observer
        self._audiences: dict[str, Audience] = {}
        # Bounded by the channels' commits: each has one under way, and waits for it.
        self._posted: deque[_Posted] = deque()
        self._wake = trio.Event()

    def post(self, workspace: str, events: Sequence[Event]) -> None:
        """Takes note of committed events of a workspace; called by the store in commit order, must not raise."""
        if workspace in self._audiences:
            self._posted.append(_Posted(workspace, events))
            self._wake.set()

    async def audience(self, workspace: str) -> Audience:
        """The audience of a workspace's stream. Raises StoreUnavailable if its position cannot be read."""
        found = self._audiences.get(workspace)
        if found is None:
            place = await self._store.workspace_position(workspace)
            found = self._audiences.get(workspace)  # somebody else may have asked at the same time
        if found is None:
            found = Audience(f"alerts:{workspace}:*", place.epoch, place.offset, place.floor, workspace_offset)
            self._audiences[workspace] = found
            # What was committed since its position was read was not posted to anybody: look once.
            self.post(workspace, ())
        return found

    def audiences(self) -> list[Audience]:
        """All audiences that exist now."""
        return list(self._audiences.values())

    async def run(self, status: Started) -> None:
        """Tells what is posted, for ever."""
        for workspace, audience in list(self._audiences.items()):
            await self._fill(workspace, audience, None)
        status.started()
        while True:
            await self._wake.wait()
            while self._posted:
                await self._tell(self._posted[0])
                self._posted.popleft()
            self._forget_unfollowed()
            self._wake = trio.Event()

    async def _tell(self, posted: _Posted) -> None:
        audience = self._audiences[posted.workspace]  # forgotten only when nothing is posted
        until = posted.events[0].workspace_offset - 1 if posted.events else None
        await self._fill(posted.workspace, audience, until)
        self._observer.delivered(audience.tell(posted.events))

    async def _fill(self, workspace: str, audience: Audience, until: int | None) -> None:
        """Tells from the store what was committed and not posted, up to `until` (None: all there is)."""
        attempt = 0
        while until is None or audience.told < until:
            try:
                missed = await self._store.workspace_history(workspace, audience.told, HISTORY_CHUNK)
            except StoreUnavailable:
                attempt += 1
                await trio.sleep(backoff_s(STORE_RETRY, attempt, random.random()))  # noqa: S311  # jitter
                continue
            if not missed:
                return
            self._observer.delivered(audience.tell(missed))

    def _forget_unfollowed(self) -> None:
        for workspace in [w for w, audience in self._audiences.items() if not audience]:
            del self._audiences[workspace]
