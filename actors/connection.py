"""One accepted WebSocket as a peer among others: what a conversation is handed."""

from __future__ import annotations

import trio

from actors.outbox import Outbox
from actors.peer import Peer
from actors.websocket import WebSocket


class Connection(Peer):
    """One accepted WebSocket."""

    outbox: Outbox

    def __init__(self, client_id: str, websocket: WebSocket, outbox: Outbox, scope: trio.CancelScope) -> None:
        super().__init__(client_id, outbox, scope)
        self.websocket = websocket

    async def pace(self) -> None:
        """Waits for the peer to read what it was sent; that it reads is life."""
        await self.websocket.pace()
