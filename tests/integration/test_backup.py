"""A copy that is made as docs/operations.md says, while the engine runs, is a whole store."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from engine.app import Engine
from engine.stores import AlertQuery
from protocol.items import TriggerInput
from tests.support.engines import ROOT, an_engine
from tests.support.postgres_server import PostgresDatabase, programs
from tocsin import Client

PAGE = (ROOT / "docs" / "operations.md").read_text()
PATIENCE_S = 600.0


async def place_of(engine: Engine) -> tuple[str, int]:
    """Epoch and offset of a channel, as a client is told them."""
    async with Client(engine.ws_url, engine.issue_token("main", "bob")) as client:
        answer = await client.subscribe("web")
        assert answer is not None
        return answer.epoch, answer.offset


async def test_a_copy_of_a_running_engine_restores_all_that_was_acknowledged_and_its_identity(tmp_path: Path) -> None:
    [statement] = re.findall(r'sqlite3 data/tocsin.db "(VACUUM INTO .*?)"', PAGE)
    copy = tmp_path / "copy"
    copy.mkdir()
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path / "data") as engine:
            who, token = engine.principal("ann"), engine.issue_token("main", "ann")
            await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Kept")])
            with closing(sqlite3.connect(tmp_path / "data" / "tocsin.db")) as beside:
                beside.execute(statement.replace("$to", str(copy)))
            await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Too late")])
            epoch, _ = await place_of(engine)
        shutil.copy(tmp_path / "data" / "secret.key", copy)
        async with an_engine(copy) as restored:
            assert await place_of(restored) == (epoch, 1)
            assert restored.service.authenticate(token).user == "ann"
            page = await restored.service.alerts(restored.principal("ann"), AlertQuery(workspace="main"))
            assert [alert.title for alert in page.items] == ["Kept"]


async def test_a_dump_of_a_running_shared_store_restores_all_that_was_acknowledged(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    server, dump = postgres_database.server, tmp_path / "tocsin.dump"
    copy = PostgresDatabase(server, server.new_database())
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path / "data", store=postgres_database.url) as engine:
            who = engine.principal("ann")
            await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Kept")])
            await program("pg_dump", "--format=custom", "--file", str(dump), "--dbname", postgres_database.keeper_url)
            epoch, _ = await place_of(engine)
        # As the page says: the roles are there, the database is empty, and a superuser restores.
        await program("pg_restore", "--exit-on-error", "--dbname", copy.keeper_url, str(dump))
        async with an_engine(tmp_path / "data", store=copy.url) as restored:
            assert await place_of(restored) == (epoch, 1)
            page = await restored.service.alerts(restored.principal("ann"), AlertQuery(workspace="main"))
            assert [alert.title for alert in page.items] == ["Kept"]
    server.drop_database(copy.name)


async def program(name: str, *arguments: str) -> None:
    """One of Postgres' own."""
    assert name in PAGE
    await trio.run_process([str(programs() / name), *arguments])
