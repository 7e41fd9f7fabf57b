"""A store whose server is away when it is to be opened again: that is an outage, and only at a start the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from engine.app import Engine
from engine.stores import Store, open_store
from engine.world import World
from protocol.errors import NotYet, StoreUnavailable
from tocsin.testing.engines import a_config

AWAY = "no connection to the database at db:5432/tocsin: refused"


class Opened:
    """How often it was tried. `away`: so many of the next tries fail. `dies`: the open store does."""

    def __init__(self, away: int = 0) -> None:
        self.tries, self.away, self.has_died = 0, away, False
        self.dies, self.is_open = trio.Event(), trio.Event()

    @asynccontextmanager
    async def open_store(self, url: str, **options: Any) -> AsyncIterator[Store]:
        self.tries += 1
        if self.away:
            self.away -= 1
            raise NotYet(AWAY)
        async with open_store(url, **options) as store:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._die, scope)
                    self.is_open.set()
                    yield store
                    nursery.cancel_scope.cancel()
        if self.has_died:
            self.has_died = False
            raise RuntimeError("the writer has died")

    async def _die(self, scope: trio.CancelScope) -> None:
        await self.dies.wait()
        self.has_died = True
        scope.cancel()


async def test_a_server_that_is_away_when_a_part_is_started_again_is_waited_for() -> None:
    opened = Opened()
    with capture_logs() as logs:
        async with Engine(a_config(), World(open_store=opened.open_store)) as engine:
            opened.away, opened.is_open = 3, trio.Event()
            death, opened.dies = opened.dies, trio.Event()
            death.set()
            with trio.fail_after(60):
                await opened.is_open.wait()
                while True:
                    try:
                        assert engine.service is not None
                        break
                    except StoreUnavailable:
                        await trio.lowlevel.checkpoint()
    assert opened.tries == 5
    assert [line["cause"] for line in logs if line["event"] == "store_is_not_opened_again_yet"] == [AWAY] * 3


async def test_a_server_that_is_away_at_a_start_ends_it() -> None:
    with capture_logs(), pytest.raises(NotYet):
        async with Engine(a_config(), World(open_store=Opened(away=1).open_store)):
            pass
