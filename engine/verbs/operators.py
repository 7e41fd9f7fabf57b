"""What operators see of connections, and how they end them. Every door and embedding programs call this.

An administrator sees and ends the connections of his own workspace; one of the workspace `system` those of all. What
belongs to another workspace is answered exactly as what does not exist. Reads what the roster has at this moment; only
the record of an act waits, for the store.
"""

from __future__ import annotations

import heapq

import msgspec

from actors.peer import Peer
from actors.roster import Roster
from engine.access.audit import AuditTrail, TrailPage, TrailWanted, check_administrator
from engine.access.roles import SYSTEM_WORKSPACE
from engine.pages import PAGE_MAX, Cursors, Name
from protocol.errors import CloseCode, UnknownChannel
from protocol.model import Principal
from protocol.names import check_id, is_workspace
from protocol.times import rfc3339

# Of a page: the id of its last connection, which is greater than those that came before it (UUIDv7).
CURSORS = Cursors("connections", tuple[Name])
FORCED = "disconnected by an administrator"


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


class ConnectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Connections in the order of their coming, and where the next page starts (None: there is none)."""

    items: list[ConnectionInfo]
    next_cursor: str | None = None


class Operators:
    """The operators' verbs. All raise PermissionDenied for anybody but an administrator."""

    def __init__(self, roster: Roster, trail: AuditTrail) -> None:
        self._roster = roster
        self._trail = trail

    def connections(
        self,
        who: Principal,
        workspace: str | None = None,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_MAX,
    ) -> ConnectionPage:
        """Who is connected: authenticated connections, oldest first. Raises UnknownChannel for others' workspaces,
        BadRequest for a cursor that is not ours."""
        workspace, limit = _scope(who, workspace), min(limit, PAGE_MAX)
        (after,) = ("",) if cursor is None else CURSORS.place(cursor)
        meant = (
            each for each in self._roster.connections() if each.client_id > after and _is_of(each, workspace, user)
        )
        found = heapq.nsmallest(limit + 1, meant, key=lambda each: each.client_id)
        shown = [_shown(each, each.principal) for each in found[:limit] if each.principal is not None]
        return ConnectionPage(items=shown, next_cursor=CURSORS.following(found, limit, lambda each: (each.client_id,)))

    async def disconnect(self, who: Principal, client_id: str, address: str = "") -> None:
        """Ends one connection with 3503. Raises UnknownChannel if this workspace has no such connection."""
        scope = _scope(who, None)
        self._known(client_id, scope)
        await self._trail.record(who, "disconnect", client_id, address)
        # Asked again: it may have left meanwhile, and then what was wanted is so.
        connection = self._roster.find(client_id)
        if connection is not None:
            connection.end(CloseCode.FORCED, FORCED)

    async def disconnect_user(self, who: Principal, user: str, workspace: str | None = None, address: str = "") -> int:
        """Ends all connections of a user with 3503; how many there were. An administrator of `system` says which
        workspace; everybody else means his own."""
        scope = _scope(who, workspace) or who.workspace
        check_id(user, "user")
        target = user if scope == who.workspace else f"{user} of {scope}"
        await self._trail.record(who, "disconnect_user", target, address)
        return self._roster.end_where(
            lambda each: (each.workspace, each.user) == (scope, user), CloseCode.FORCED, FORCED
        )

    async def acts(self, who: Principal, wanted: TrailWanted | None = None) -> TrailPage:
        """What people and administrators of this workspace did, newest first."""
        return await self._trail.page(who, wanted or TrailWanted())

    def _known(self, client_id: str, workspace: str | None) -> None:
        connection = self._roster.find(client_id)
        if connection is None or not _is_of(connection, workspace, None):
            raise UnknownChannel("there is no such connection")


def _scope(who: Principal, workspace: str | None) -> str | None:
    """The workspace that is meant; None: all, which only administrators of `system` may."""
    check_administrator(who)
    if who.workspace == SYSTEM_WORKSPACE and (workspace is None or is_workspace(workspace)):
        return workspace
    if workspace not in (None, who.workspace):
        raise UnknownChannel("there is no such workspace")
    return who.workspace


def _is_of(connection: Peer, workspace: str | None, user: str | None) -> bool:
    who = connection.principal
    if who is None or connection.ending is not None:  # who only reads his Close is not connected any more
        return False
    return workspace in (None, who.workspace) and user in (None, who.user)


def _shown(connection: Peer, who: Principal) -> ConnectionInfo:
    outbox = connection.outbox.statistics()
    return ConnectionInfo(
        client_id=connection.client_id,
        workspace=who.workspace,
        user=who.user,
        role=who.role,
        address=connection.address,
        connected_at=rfc3339(connection.connected_at),
        subscriptions=connection.subscriptions,
        messages_in=connection.messages_in,
        messages_out=connection.messages_out,
        waiting_bytes=outbox.waiting_bytes,
        lag_s=round(outbox.lag_s, 3),
        dropped=sum(outbox.dropped.values()),
    )
