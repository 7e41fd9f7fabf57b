"""What the engine asks and tells of the other nodes, and what that is where there are none.

Owns nothing. Whoever's doings reach further than this process is handed `Others` when it is made: with one process
`NoOthers`, which has nobody to ask; with several what `engine.verbs.elsewhere` makes of the nodes' letters. So nobody
asks whether there are other nodes but to spare the work of telling nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from protocol.hints import Broadcast, Hint
from protocol.model import Principal, StreamKey


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One connection as it is now. `lag_s`: how long its oldest unsent byte waits; `dropped`: messages left out."""

    client_id: str
    workspace: str
    user: str
    role: str
    address: str
    connected_at: str
    subscriptions: int
    messages_in: int
    messages_out: int
    waiting_bytes: int
    lag_s: float
    dropped: int


class ConnectionsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose connections: None restricts nothing. Those after this id, at most so many, oldest first."""

    workspace: str | None
    user: str | None
    after: str
    limit: int


class EndAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which connections end: one by its id, or all of a user. `workspace` None: of any."""

    workspace: str | None
    user: str | None = None
    client_id: str | None = None


class Others(Protocol):
    """The other nodes. Who does not answer in time is left out."""

    @property
    def are_there(self) -> bool:
        """Whether there can be any: what nobody would hear need not be made."""

    def hint(self, stream: StreamKey, hints: Sequence[Hint]) -> None:
        """Tells whoever follows a stream on another node something beside it."""

    def revocations_changed(self) -> None:
        """Something was revoked here, or is not any more; it is stored."""

    async def caught_up(self) -> None:
        """Returns once they know what was changed here, or a second later."""

    async def connections(self, asked: ConnectionsAsked) -> Sequence[ConnectionInfo]:
        """Theirs: each node's oldest ones, in any order."""

    async def end(self, asked: EndAsked) -> int:
        """Ends connections there; how many there were."""

    async def has(self, workspace: str | None, client_id: str) -> bool:
        """Whether one of them has this connection."""

    async def say(self, workspace: str, word: Broadcast) -> int:
        """Tells a broadcast there; how many heard it."""

    async def redeem(self, ticket: str) -> Principal | None:
        """Whose ticket this is, if one of them has made it and it is good."""


class NoOthers:
    """One process is all there is."""

    are_there = False

    def hint(self, stream: StreamKey, hints: Sequence[Hint]) -> None:
        """Nobody follows it elsewhere."""

    def revocations_changed(self) -> None:
        """Nobody else has a gate."""

    async def caught_up(self) -> None:
        """Nobody else has to know."""

    async def connections(self, asked: ConnectionsAsked) -> Sequence[ConnectionInfo]:
        """None."""
        return ()

    async def end(self, asked: EndAsked) -> int:
        """None were ended."""
        return 0

    async def has(self, workspace: str | None, client_id: str) -> bool:
        """Nobody has it."""
        return False

    async def say(self, workspace: str, word: Broadcast) -> int:
        """Nobody heard it."""
        return 0

    async def redeem(self, ticket: str) -> Principal | None:
        """Nobody made it."""
        return None
