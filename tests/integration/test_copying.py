"""`tocsin copy`: an installation moves from SQLite to Postgres and back, row for row, or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner

from engine.stores import migrate, open_store
from engine.stores.copying import LEFT_BEHIND, Row
from engine.stores.copying import copy as copy_rows
from engine.stores.jobs import JobQuery
from engine.stores.sqlite.copying import SqliteEnd, source_file, target_file
from protocol.errors import StoreRefused
from protocol.jobs import NewJob, Queue
from protocol.model import ChannelKey
from tests.support.postgres_rows import fill as fill_all_tables
from tests.support.postgres_rows import in_transaction
from tests.support.postgres_server import PASSWORD, PostgresDatabase
from tests.support.stores import KEY, a_commit, committed, fill
from tocsin.cli import cli

# An installation in use: alerts, jobs in each state, lines of the ledger (see tests/component/test_upgrades.py).
OLD = Path(__file__).parents[1] / "component" / "stores_of_old" / "0015.sql"


def copy(source: str, target: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["copy", "--from", source, "--to", target])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert PASSWORD not in result.output
    return result.exit_code, result.output


def dump(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables, and the next numbers."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        wanted = [name for name in names if name not in LEFT_BEHIND and not name.startswith("sqlite_stat")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in wanted}


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A file with all that an installation has, which nobody uses."""
    path = tmp_path / "tocsin.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {migrate.APPLICATION_ID}")
    migrate.migrate(str(path))
    trio.run(_use, str(path))
    return path


async def _use(url: str) -> None:
    async with open_store(url) as store:
        await fill(store, KEY, 3, size=2)


def test_there_and_back_again_is_the_same_row_for_row(
    installation: Path, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    before, back = dump(installation), tmp_path / "back.db"
    there, said = copy(str(installation), postgres_database.owner_url)
    assert (there, said.splitlines()[-1]) == (0, "copied; every table was counted on both sides")
    assert copy(postgres_database.owner_url, str(back))[0] == 0
    after = dump(back)
    assert {name for name, rows in before.items() if rows} >= {
        "alert",
        "event",
        "job",
        "job_done",
        "delivery",
    }
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


async def test_what_was_copied_goes_on_where_it_was(installation: Path, postgres_database: PostgresDatabase) -> None:
    async with open_store(str(installation)) as store:
        epoch, was = store.epoch, await store.recall(KEY)
        told, jobs = await store.history(KEY, 0, 100), await store.jobs(JobQuery(workspace="main"))
    await trio.to_thread.run_sync(copy, str(installation), postgres_database.owner_url)
    async with open_store(postgres_database.url) as store:
        assert store.epoch == epoch
        assert await store.recall(KEY) == was
        assert await store.history(KEY, 0, 100) == told
        assert await store.jobs(JobQuery(workspace="main")) == jobs
        await committed(store, a_commit(base=was.offset))
        (new,) = await store.enqueue([NewJob(queue=Queue.ALERT, kind="k", workspace="main")])
        assert new.id > max(job.id for job in jobs)
        await committed(store, a_commit(ChannelKey("acme", "new")))


def test_every_table_of_postgres_comes_along(postgres_database: PostgresDatabase, tmp_path: Path) -> None:
    server = postgres_database.server
    asyncio.run(in_transaction(postgres_database.url, "*", fill_all_tables))
    server.sql("INSERT INTO store VALUES (1, 'the epoch', 1)", postgres_database.name)
    code, said = copy(postgres_database.owner_url, str(tmp_path / "copy.db"))
    assert code == 0
    assert "left behind: row_audit" in said
    found = dump(tmp_path / "copy.db")
    empty = {name for name, rows in found.items() if not rows}
    assert empty <= {"job_queue", "job_cron", "job_count"}
    assert "disconnected" in found["websocket_connections"][0]


def test_a_target_that_is_not_empty_is_refused_and_left_as_it_is(
    installation: Path, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    async def start_once() -> None:
        async with open_store(postgres_database.url):
            pass

    trio.run(start_once)
    code, said = copy(str(installation), postgres_database.owner_url)
    assert code == 2
    assert "the target is not empty (table store has 1 row;" in said
    code, said = copy(postgres_database.owner_url, str(installation))
    assert code == 2
    assert "the target is not empty" in said
    assert postgres_database.server.sql("SELECT count(*) FROM alert", postgres_database.name) == [["0"]]


ITSELF = "is the store to read and the store to write, both: name an empty one"


def test_a_file_is_not_copied_onto_itself_however_it_is_written(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(installation)
    (tmp_path / "link.db").symlink_to(installation)
    (tmp_path / "hard.db").hardlink_to(installation)
    monkeypatch.chdir(tmp_path)
    for target in (str(installation), f"sqlite:///{installation}", "tocsin.db", "link.db", "hard.db"):
        code, said = copy(str(installation), target)
        assert code == 2, target
        assert ITSELF in said, target
    assert dump(installation) == before


def test_a_database_is_not_copied_onto_itself_by_whatever_host_and_login(postgres_database: PostgresDatabase) -> None:
    server, owner = postgres_database.server, postgres_database.owner_url
    login, _, place = owner.rpartition("@")
    assert "127.0.0.1" in place
    urls = [owner, f"{login}@{place.replace('127.0.0.1', 'localhost')}", server.url(postgres_database.name)]
    for target in [*urls, postgres_database.url]:
        code, said = copy(owner, target)
        assert code == 2, target
        assert ITSELF in said, target


def test_a_copy_that_breaks_off_leaves_nothing_and_can_be_said_again(
    installation: Path, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    server, name = postgres_database.server, postgres_database.name
    # Tables come in the order of their names: many are there already when this one breaks off.
    server.sql("ALTER TABLE job_done ADD CONSTRAINT never CHECK (id < 0)", name)
    code, said = copy(str(installation), postgres_database.owner_url)
    assert code == 2
    assert "never" in said
    assert server.sql("SELECT count(*) FROM alert", name) == [["0"]]
    server.sql("ALTER TABLE job_done DROP CONSTRAINT never", name)
    assert copy(str(installation), postgres_database.owner_url)[0] == 0
    # Once more, the other way.
    with closing(sqlite3.connect(tmp_path / "back.db")) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        connection.execute("CREATE TRIGGER never BEFORE INSERT ON job_done BEGIN SELECT RAISE(ABORT, 'never'); END")
    with pytest.raises(sqlite3.IntegrityError):
        copy(postgres_database.owner_url, str(tmp_path / "back.db"))
    with closing(sqlite3.connect(tmp_path / "back.db")) as connection:
        assert connection.execute("SELECT count(*) FROM alert").fetchone() == (0,)


class Losing(SqliteEnd):
    """A target that loses a row."""

    async def write(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        await super().write(table, columns, rows[1:] if table == "alert" else rows)


def test_a_row_that_does_not_arrive_is_noticed(installation: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    with pytest.raises(StoreRefused, match=r"rows? of alert \d+ arrived"):  # noqa: SIM117
        with source_file(str(installation)) as source, target_file(str(path)) as target:
            asyncio.run(copy_rows(source, Losing(target._connection), lambda table, count: None))
    assert not any(rows for name, rows in dump(path).items() if name not in ("sqlite_sequence", "store"))


async def test_a_store_that_somebody_uses_is_neither_read_nor_written(
    installation: Path, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    async with open_store(postgres_database.url) as store:
        await fill(store, KEY, 1)
        for source, target in (
            (postgres_database.owner_url, str(tmp_path / "copy.db")),
            (str(installation), postgres_database.owner_url),
        ):
            code, said = await trio.to_thread.run_sync(copy, source, target)
            assert code == 2
            assert "stop all its engines first" in said
    async with open_store(str(installation)):
        code, said = await trio.to_thread.run_sync(copy, str(installation), postgres_database.owner_url)
        assert code == 2
        assert "in use by another engine" in said


@pytest.mark.parametrize("gone", [True, False])
def test_a_source_that_is_not_there_or_of_an_older_version_is_refused(tmp_path: Path, gone: bool) -> None:
    path = tmp_path / "old.db"
    if not gone:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            migrate.apply(connection, migrate.migrations("sqlite")[:3])
    code, said = copy(str(path), str(tmp_path / "copy.db"))
    assert code == 2
    assert ("is not there" if gone else "is of an older version") in said
    assert path.exists() is not gone


def test_a_target_without_migrations_is_told_the_command(
    installation: Path, postgres_server: Any, empty_postgres: str
) -> None:
    code, said = copy(str(installation), postgres_server.url(empty_postgres))
    assert code == 2
    assert "tocsin migrate --store URL" in said


def test_what_is_copied_is_no_change_of_anybodys_but_what_comes_later_is(
    installation: Path, postgres_database: PostgresDatabase
) -> None:
    server, name = postgres_database.server, postgres_database.name
    assert copy(str(installation), postgres_database.owner_url)[0] == 0
    assert server.sql("SELECT count(*) FROM row_audit", name) == [["0"]]
    server.sql("UPDATE alert SET state = 5 WHERE id = (SELECT min(id) FROM alert)", name)
    assert server.sql("SELECT count(*) FROM row_audit", name) == [["1"]]


def test_the_owners_password_need_not_stand_on_the_command_line(
    installation: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    code, _ = copy(str(installation), postgres_database.owner_url.replace(f":{PASSWORD}@", "@"))
    assert code == 0


def test_an_engines_login_may_not_copy_and_is_told_who_may(
    installation: Path, postgres_database: PostgresDatabase
) -> None:
    code, said = copy(str(installation), postgres_database.url)
    assert code == 2
    assert "To copy is for the database's owner" in said
    assert "Migrations" not in said
