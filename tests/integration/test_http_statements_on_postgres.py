"""No request makes a Postgres run more than a handful of statements either, where each of them is a trip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.component import test_http_statements
from tests.component.test_http_statements import STATEMENTS_MAX, every_route_asked, nothing_by_itself, too_many
from tests.support.postgres_server import PostgresDatabase
from tests.support.statements_on_postgres import PostgresStatementCount

__all__ = ["nothing_by_itself"]

# Far more than the bound, and few enough that a slow machine has done with them.
MANY = 60


@pytest.mark.usefixtures("nothing_by_itself")
async def test_neither_a_request_nor_what_channels_commit_for_it_takes_more_than_a_handful_of_statements(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MANY", "USUALLY"):
        monkeypatch.setattr(test_http_statements, name, MANY)
    scene = await every_route_asked(tmp_path, PostgresStatementCount(), store=postgres_database.url)
    assert too_many(scene) == {}
    commits = [group for taken in scene.taken.values() for each in taken for group in each.groups]
    assert max(map(len, commits)) > 3, "commits are counted"
    assert [group for group in commits if len(group) > STATEMENTS_MAX] == []
