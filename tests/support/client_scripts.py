"""What many tests of the client begin with: its address, a client, and servers that do the usual."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from protocol.items import ItemResult
from protocol.model import Reason, Status
from tests.support.client_server import Peer
from tocsin.client import Client

Clock = trio.testing.MockClock
URL = "ws://engine:3008"
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a1", offset=1)

Talk = Callable[..., Any]


async def idle(peer: Peer) -> None:
    """Greets, and is there until the client hangs up."""
    await peer.greet()
    await peer.closed()


async def follows(peer: Peer) -> None:
    """Greets, grants one subscription, and is there until the client hangs up."""
    await peer.greet()
    await peer.subscribed()
    await peer.closed()


@asynccontextmanager
async def a_client(token: Any = "t", **options: Any) -> AsyncIterator[Client]:
    async with Client(URL, token, **options) as client:
        yield client


async def fresh_token() -> str:
    return "fresh"
