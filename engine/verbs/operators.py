"""What operators see of connections, and how they end them. Every door and embedding programs call this.

An administrator sees and ends the connections of his own workspace; one of the workspace `system` those of all. What
belongs to another workspace is answered exactly as what does not exist. Reads what the roster has at this moment; only
the record of an act waits, for the store.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec

from actors.peer import Peer
from actors.roster import Roster
from engine.access.audit import AuditTrail, TrailPage, TrailWanted
from engine.access.roles import workspace_meant
from engine.others import ConnectionInfo, ConnectionsAsked, EndAsked, Others
from engine.pages import PAGE_MAX, Cursors, Name
from protocol.errors import CloseCode, UnknownChannel
from protocol.model import Principal
from protocol.names import check_id
from protocol.times import rfc3339

# Of a page: the id of its last connection, which is greater than those that came before it (UUIDv7).
CURSORS = Cursors("connections", tuple[Name])
FORCED = "disconnected by an administrator"


class ConnectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Connections in the order of their coming, and where the next page starts (None: there is none)."""

    items: list[ConnectionInfo]
    next_cursor: str | None = None


class Operators:
    """The operators' verbs. All raise PermissionDenied for anybody but an administrator."""

    def __init__(self, roster: Roster, trail: AuditTrail, others: Others) -> None:
        self._roster = roster
        self._trail = trail
        self._others = others

    async def connections(
        self,
        who: Principal,
        workspace: str | None = None,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_MAX,
    ) -> ConnectionPage:
        """Who is connected, to any node that answers within a second: authenticated connections, oldest first. Raises
        UnknownChannel for others' workspaces, BadRequest for a cursor that is not ours."""
        asked = self._asked(who, workspace, user, cursor, limit)
        return _page([*self.here(asked), *await self._others.connections(asked)], asked)

    def _asked(
        self, who: Principal, workspace: str | None, user: str | None, cursor: str | None, limit: int
    ) -> ConnectionsAsked:
        (after,) = ("",) if cursor is None else CURSORS.place(cursor)
        # One more than is shown says whether there is another page.
        return ConnectionsAsked(
            workspace=workspace_meant(who, workspace), user=user, after=after, limit=min(limit, PAGE_MAX) + 1
        )

    def here(self, asked: ConnectionsAsked) -> list[ConnectionInfo]:
        """Connections of this node, oldest first, whoever asks."""
        meant = (
            each
            for each in self._roster.connections()
            if each.client_id > asked.after and _is_of(each, asked.workspace, asked.user)
        )
        found = heapq.nsmallest(asked.limit, meant, key=lambda each: each.client_id)
        return [_shown(each, each.principal) for each in found if each.principal is not None]

    def end_here(self, asked: EndAsked) -> int:
        """Ends connections of this node, whoever asks; how many there were."""
        if asked.client_id is None:
            meant = (asked.workspace, asked.user)
            return self._roster.end_where(lambda each: (each.workspace, each.user) == meant, CloseCode.FORCED, FORCED)
        if not self.is_here(asked.workspace, asked.client_id):
            return 0
        connection = self._roster.find(asked.client_id)
        if connection is not None:
            connection.end(CloseCode.FORCED, FORCED)
        return 1

    def is_here(self, workspace: str | None, client_id: str) -> bool:
        """Whether this node has this connection, of this workspace (None: of any)."""
        connection = self._roster.find(client_id)
        return connection is not None and _is_of(connection, workspace, None)

    async def disconnect(self, who: Principal, client_id: str, address: str = "") -> None:
        """Ends one connection with 3503. Raises UnknownChannel if this workspace has no such connection."""
        asked = EndAsked(workspace=workspace_meant(who, None), client_id=client_id)
        await self._known(client_id, asked.workspace)
        await self._trail.record(who, "disconnect", client_id, address)
        # Asked again: it may have left meanwhile, and then what was wanted is so.
        if not self.end_here(asked):
            await self._others.end(asked)

    async def disconnect_user(self, who: Principal, user: str, workspace: str | None = None, address: str = "") -> int:
        """Ends all connections of a user with 3503; how many there were. An administrator of `system` says which
        workspace; everybody else means his own."""
        scope = workspace_meant(who, workspace) or who.workspace
        check_id(user, "user")
        target = user if scope == who.workspace else f"{user} of {scope}"
        await self._trail.record(who, "disconnect_user", target, address)
        asked = EndAsked(workspace=scope, user=user)
        # Ours first: a node that does not answer is waited for.
        here = self.end_here(asked)
        return here + await self._others.end(asked)

    async def acts(self, who: Principal, wanted: TrailWanted | None = None) -> TrailPage:
        """What people and administrators of this workspace did, newest first."""
        return await self._trail.page(who, wanted or TrailWanted())

    async def _known(self, client_id: str, workspace: str | None) -> None:
        if not self.is_here(workspace, client_id) and not await self._others.has(workspace, client_id):
            raise UnknownChannel("there is no such connection")


def _page(found: Sequence[ConnectionInfo], asked: ConnectionsAsked) -> ConnectionPage:
    limit = asked.limit - 1
    ordered = sorted(found, key=lambda each: each.client_id)
    cursor = CURSORS.following(ordered, limit, lambda each: (each.client_id,))
    return ConnectionPage(items=ordered[:limit], next_cursor=cursor)


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
