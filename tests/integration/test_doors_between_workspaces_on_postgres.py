"""Ids of another workspace, asked for over HTTP, on Postgres: as on SQLite nobody learns that they are somebody's."""

from __future__ import annotations

from pathlib import Path

from tests.component.test_doors_between_workspaces import strangers_are_told_nothing
from tests.support.engines import an_engine
from tests.support.postgres_server import PostgresDatabase


async def test_an_id_of_another_workspace_is_answered_as_one_that_nobody_has(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    async with an_engine(tmp_path, store=postgres_database.url) as engine:
        await strangers_are_told_nothing(engine)
