"""Who is connected, as it is on record, and who is not let in any more."""

from __future__ import annotations

from enum import Enum

import msgspec


class ConnectionEvent(Enum):
    """What happened to a client's connection."""

    OPENED = "opened"
    SUBSCRIBED = "subscribed"
    ACTIVE = "active"
    CLOSED = "closed"


class ConnectionChange(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One change of the record of connections, at `at` (microseconds).

    OPENED needs `user` and `workspace`, and `node` (of several, the one that has the connection); SUBSCRIBED needs
    `framework`; a change of an unknown client is dropped. Whatever is heard of a client, but its end, says that it is
    there.
    """

    kind: ConnectionEvent
    client_id: str
    at: int
    user: str = ""
    workspace: str = ""
    framework: str | None = None
    node: str | None = None


class RevocationKind(Enum):
    """What is revoked: one token, by its `jti`, or all that a user has until then."""

    JTI = "jti"
    USER = "user"


class Revocation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A token or a user of a workspace that is not let in any more: since `at`, until `ends_at` (microseconds)."""

    workspace: str
    kind: RevocationKind
    target: str
    at: int
    ends_at: int
    by: str
    reason: str | None = None
