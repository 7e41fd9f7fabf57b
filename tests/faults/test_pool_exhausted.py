"""All sessions that read are held by questions without an end: who comes next is told so, all others are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from engine.stores import AlertQuery, open_store
from engine.stores.postgres import readers
from engine.stores.postgres.sessions import Pace
from engine.stores.tables.connection import Connection
from protocol.errors import StoreUnavailable
from tests.support.engines import an_engine
from tests.support.postgres_server import APP, PostgresDatabase
from tests.support.stores import KEY, a_commit, committed, fill

ALL = AlertQuery(workspace="acme", limit=500)
# What is asked of a server that lives is answered within this, on any machine.
CALM_MAX_S = 100.0
# The engine would end those who hold a session after 6 s; here it is held until all has been asked.
HELD = Pace(connect_s=CALM_MAX_S, transaction_s=10 * CALM_MAX_S)
ASLEEP = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{APP}' AND wait_event = 'PgSleep'"


def without_an_end(connection: Connection) -> None:
    """The engine's own limit for a statement would end it after 5 s."""
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SELECT pg_sleep(600)")


async def hold_all(store: Any, database: PostgresDatabase, nursery: trio.Nursery) -> None:
    """Every session that reads is busy until the nursery is cancelled."""
    store._readers._sessions._pace = HELD
    for _ in range(readers.READ_SESSIONS):
        nursery.start_soon(_hold, store)
    with trio.fail_after(CALM_MAX_S):
        while database.server.sql(ASLEEP) != [[str(readers.READ_SESSIONS)]]:
            await trio.sleep(0.02)


async def _hold(store: Any) -> None:
    begin = readers.opening(readers.READING, None)
    await store._readers._foreign.call(lambda: store._readers._sessions.transact(begin, without_an_end))


async def test_a_read_that_finds_no_place_is_refused_with_the_limit_and_those_that_wait_are_answered_later(
    postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "READS_WAITING_MAX", 20)
    monkeypatch.setattr(readers, "READ_MAX_S", 2 * CALM_MAX_S)
    async with open_store(postgres_database.url) as store:
        base = await fill(store, KEY, 1)
        answers: list[int] = []

        async def ask() -> None:
            answers.append(len((await store.alerts(ALL)).items))

        async with trio.open_nursery() as waiting, trio.open_nursery() as holding:
            await hold_all(store, postgres_database, holding)
            for _ in range(20):
                waiting.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(StoreUnavailable, match="20 reads are waiting, limit 20; try again in a moment"):
                await store.alerts(ALL)
            await committed(store, a_commit(KEY, base))
            assert answers == []
            holding.cancel_scope.cancel()
        assert answers == [2] * 20
        assert len((await store.alerts(ALL)).items) == 2


async def test_whoever_asks_meanwhile_is_told_to_try_again_and_triggers_are_acked(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_engine(tmp_path, store=postgres_database.url) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('acme', 'boss')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:

            async def ring(title: str) -> httpx.Response:
                body = {"alerts": [{"framework_id": "web", "title": title}]}
                return await client.post("/api/v1/triggers", json=body)

            (first,) = (await ring("first")).json()["results"]
            assert first["status"] == "fired"
            async with trio.open_nursery() as nursery:
                await hold_all(engine._tree.up.store, postgres_database, nursery)
                monkeypatch.setattr(readers, "READ_MAX_S", 0.5)
                refused = await client.get("/api/v1/alerts")
                assert refused.status_code == 503
                assert "no answer within 0.5 s" in refused.json()["detail"]
                assert refused.headers["Retry-After"]
                (second,) = (await ring("second")).json()["results"]
                assert second["status"] == "fired"
                assert (await client.get("/readyz")).status_code == 200
                nursery.cancel_scope.cancel()
            monkeypatch.setattr(readers, "READ_MAX_S", CALM_MAX_S)
            assert len((await client.get("/api/v1/alerts")).json()["items"]) == 2
