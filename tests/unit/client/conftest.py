"""The client under test meets a scripted server in memory, and never has luck with its pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from tests.support.client_scripts import Talk
from tests.support.client_server import Server
from tocsin import connection as transport


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    """Installs a server with these scripts."""
    async with trio.open_nursery() as nursery:

        def install(*scripts: Any, **options: Any) -> Server:
            server = Server(nursery, *scripts, **options)
            monkeypatch.setattr(transport, "dial", server.dial)
            return server

        yield install
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def no_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest pause each time."""
    monkeypatch.setattr("tocsin.link.random.random", lambda: 1.0)
