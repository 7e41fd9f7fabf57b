"""Five hundred HTTP requests that break off wherever they are just then: nothing of them stays in the pool.

A session with the database goes from request to request, and from workspace to workspace. So what a request that was
cut could leave behind is looked for in the sessions themselves, outside of a transaction: whose rows may be seen, an
open transaction, a lock. Half are cut by their clients (what was begun goes on to its end), half by the server, as it
does when it needs room and when it ends: that cancels a transaction in its middle.
"""

from __future__ import annotations

import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import trio

from engine import foreign as foreign_loop
from engine.app import Engine
from engine.foreign import ForeignLoop
from engine.sections.doors import Limits
from engine.stores.postgres.readers import READ_SESSIONS
from tests.support.engines import an_engine
from tests.support.http_server import read_all
from tests.support.postgres_server import APP, PostgresDatabase

REQUESTS = 500
# At a time; more than there are sessions.
TOGETHER = 10
# A request takes some milliseconds: some are cut before they are read, some in the middle, some are answered.
CUT_AFTER_MAX_S = 0.02
# Whatever was begun ends in milliseconds; this only ends what hangs.
CALM_MAX_S = 120.0
WORKSPACES = ("acme", "umbrella")
READ = ("GET", "/api/v1/alerts", None)
TRIGGER = ("POST", "/api/v1/triggers", {"alerts": [{"framework_id": "web", "title": "disk"}]})
ASKED: list[tuple[str, str, Any]] = [
    READ,
    ("GET", "/api/v1/history?framework_id=web", None),
    ("GET", "/api/v1/rules", None),
    TRIGGER,
    ("POST", "/api/v1/rules", {"framework_id": "web", "condition": "value > 1"}),
]
UNBOUND = Limits(producer_messages_per_s=1e6, producer_messages_burst=10**6)
# Of a session, outside of a transaction: whose rows it may see, and how many locks it holds but for this question's.
LEFT = (
    "SELECT coalesce(current_setting('tocsin.workspaces', true), ''), (SELECT count(*) FROM pg_locks"
    " WHERE pid = pg_backend_pid() AND relation IS DISTINCT FROM 'pg_locks'::regclass AND locktype <> 'virtualxid')"
)
WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{APP}' AND wait_event_type = 'Lock'"


class Crowd:
    """Those who ask."""

    def __init__(self, engine: Engine, chance: random.Random) -> None:
        self.asked = 0
        self._engine, self._chance = engine, chance
        self._tokens = [engine.issue_token(name, "boss") for name in WORKSPACES]

    async def ask(
        self, asked: list[tuple[str, str, Any]], until: Callable[[], Awaitable[None]], *, by_server: bool
    ) -> None:
        """So many requests at a time, all cut at the moment when `until` is over."""
        async with trio.open_nursery() as nursery:
            for _ in range(TOGETHER):
                nursery.start_soon(self._one, self._request(*self._chance.choice(asked)))
            await until()
            if by_server:
                server: Any = self._engine._tree.doors._http
                for scope in list(server._streams.values()):
                    scope.cancel()
            else:
                nursery.cancel_scope.cancel()

    async def _one(self, request: bytes) -> None:
        self.asked += 1
        host, port = self._engine.http_url.rpartition("//")[2].split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(request)
            await read_all(stream)

    def _request(self, method: str, path: str, body: Any) -> bytes:
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: x",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            f"Authorization: Bearer {self._chance.choice(self._tokens)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + content


@asynccontextmanager
async def nobody_gets_at_the_alerts(database: PostgresDatabase, foreign: ForeignLoop) -> AsyncIterator[None]:
    """Whoever asks for them waits meanwhile, in his transaction."""

    async def hold() -> asyncpg.Connection:
        keeper = await asyncpg.connect(database.keeper_url)
        await keeper.execute("BEGIN; LOCK TABLE alert IN ACCESS EXCLUSIVE MODE")
        return keeper

    keeper = await foreign.call(hold)
    try:
        yield
    finally:
        await foreign.call(keeper.close)


async def test_five_hundred_requests_that_are_cut_leave_no_setting_no_transaction_and_no_lock_in_the_pool(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who hangs does so for ever; whoever is only slow is nobody who was left behind.
    monkeypatch.setattr(foreign_loop, "CANCEL_MAX_S", CALM_MAX_S)
    chance = random.Random(1)
    async with an_engine(tmp_path, store=postgres_database.url, limits=UNBOUND) as engine:
        store: Any = engine._tree.up.store
        foreign: ForeignLoop = engine._tree._foreign
        readers = store._readers._sessions
        pools = [readers, store._writer._committer._commits, store._writer._committer._changes]
        crowd = Crowd(engine, chance)

        async def all_sessions_wait_for_the_lock() -> None:
            with trio.fail_after(CALM_MAX_S):
                while int(postgres_database.server.sql(WAITING)[0][0]) < READ_SESSIONS:
                    await trio.sleep(0.02)

        for by_server in (False, True):
            # These are surely in the middle of their transactions.
            async with nobody_gets_at_the_alerts(postgres_database, foreign):
                await crowd.ask([READ], all_sessions_wait_for_the_lock, by_server=by_server)
        while crowd.asked < REQUESTS:
            moment = chance.uniform(0, CUT_AFTER_MAX_S)
            await crowd.ask(ASKED, functools.partial(trio.sleep, moment), by_server=chance.random() < 0.5)
        with trio.fail_after(CALM_MAX_S):
            while store._readers._asked:
                await trio.sleep(0.02)

        async def look() -> list[tuple[bool, str, int]]:
            # Taken out: what the engine does by itself meanwhile takes other ones.
            taken = [connection for pool in pools for connection in pool._idle]
            for pool in pools:
                pool._idle.clear()
            found = [(each.session.is_in_transaction(), *await each.session.fetchrow(LEFT)) for each in taken]
            for each in taken:
                each.session.terminate()
            return found

        async with httpx.AsyncClient(base_url=engine.http_url) as client:
            for name in WORKSPACES:
                headers = {"Authorization": f"Bearer {engine.issue_token(name, 'boss')}"}
                assert (await client.get("/api/v1/alerts", headers=headers)).status_code == 200
        left = await foreign.call(look)
        assert left
        assert set(left) == {(False, "", 0)}
        assert readers.opened > READ_SESSIONS, "those whose transaction was cut in its middle were not given back"
        assert foreign.statistics()["abandoned"] == 0
