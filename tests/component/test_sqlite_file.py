"""Which files are used as a store, which are refused, and that a refused one is left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio

from engine.stores import open_store
from engine.stores.migrate import APPLICATION_ID
from engine.stores.sqlite.file import Database
from protocol.errors import StoreRefused
from tests.support.stores import KEY, NOW, a_commit, committed, fill


async def opened(path: Path) -> str:
    """Opens, commits one alert more, closes; the epoch."""
    async with open_store(str(path), clock=lambda: NOW) as store:
        await fill(store, KEY, 1, base=(await store.recall(KEY)).offset)
        return store.epoch


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the lock, with what is in them."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")}


async def refused(path: Path) -> str:
    """Opening must fail and change nothing; the message."""
    before = contents(path.parent)
    with pytest.raises(StoreRefused) as caught:
        await opened(path)
    assert contents(path.parent) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/t.db", "data/t.db"),
        ("sqlite:////var/t.db", "/var/t.db"),
        ("/var/t.db", "/var/t.db"),
        ("t.db", "t.db"),
        ("odd:name.db", "odd:name.db"),
        ("memory:", None),
        ("sqlite://:memory:", None),
        (":memory:", None),
    ],
)
def test_a_url_names_a_file_or_memory(url: str, path: str | None) -> None:
    assert Database.of_url(url).path == (None if path is None else Path(path))


@pytest.mark.parametrize("url", ["postgresql:u:hush@db/t", "postgresql//u:hush@db/t", "mysql://u:hu/sh@db/t"])
def test_what_was_meant_as_a_database_elsewhere_is_no_file_and_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"u:\*\*\*@db/t' is not known: use sqlite:///"):
        Database.of_url(url)


async def test_a_new_store_makes_its_folder_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "ünd % ?.db"
    mask = os.umask(0o022)
    try:
        async with open_store(f"sqlite:///{path}") as store:
            await committed(store, a_commit())
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
            assert set(modes) == {path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}.lock"}
            assert set(modes.values()) == {0o600}
            assert path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(mask)
    # A clean end leaves no log behind.
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


async def test_two_stores_have_different_epochs(tmp_path: Path) -> None:
    assert await opened(tmp_path / "a.db") != await opened(tmp_path / "b.db")


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch(0o600)
    await opened(tmp_path / "empty.db")


async def test_a_file_held_by_another_engine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(str(path)) as store:
        with pytest.raises(StoreRefused, match=f"in use by another engine .process {os.getpid()}."):
            await opened(path)
        await fill(store, KEY, 1)
    await opened(path)


async def test_a_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but more than sixteen bytes")
    assert "is not an SQLite database" in await refused(tmp_path / "notes.txt")


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.commit()
    assert "belongs to another program" in await refused(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
    assert "0x7" in await refused(path)


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await opened(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migration VALUES (999, 'from the future', 0, 'x')")
    assert "newer than this program (migration 999 'from the future')" in await refused(path)


async def test_a_database_of_another_build_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await opened(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE migration SET checksum = 'other'")
    assert "with another text than ours" in await refused(path)


async def a_large_file(path: Path) -> None:
    async with open_store(str(path)) as store:
        await fill(store, KEY, 4, size=100)


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 10)


async def test_a_damaged_file_is_refused_and_left_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await a_large_file(path)
    damage(path)
    assert "is damaged" in await refused(path)


@pytest.mark.parametrize("is_empty", [False, True])
async def test_a_log_whose_database_is_gone_is_refused_and_left(tmp_path: Path, is_empty: bool) -> None:
    # SQLite would delete it together with what was acknowledged last.
    path, wal = tmp_path / "store.db", tmp_path / "store.db-wal"
    wal.write_bytes(b"commits")
    if is_empty:
        path.touch()
    said = await refused(path)
    assert "is gone" in said
    assert "put the database back" in said
    assert wal.read_bytes() == b"commits"
    assert path.exists() is is_empty


async def test_a_truncated_file_is_refused_and_left_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await a_large_file(path)
    os.truncate(path, 4096 * 5)
    assert "is damaged" in await refused(path)


KILLED = """
import os, sys, trio
sys.path.insert(0, {root!r})
from engine.stores import open_store
from tests.support.stores import KEY, fill

async def main():
    async with open_store({path!r}) as store:
        await fill(store, KEY, 3, size=100)
        os._exit(0)

trio.run(main)
"""


def leave_a_log(path: Path) -> None:
    """A store that was killed: committed pages are still in its log only."""
    code = KILLED.format(root=str(Path(__file__).parents[2]), path=str(path))
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_a_killed_store_opens_with_all_that_was_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await trio.to_thread.run_sync(leave_a_log, path)
    (tmp_path / "store.db-shm").unlink()
    async with open_store(str(path), clock=lambda: NOW) as store:
        assert len((await store.recall(KEY)).rows) == 300


async def test_a_damaged_file_with_a_log_is_refused_and_left_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await a_large_file(path)
    with closing(sqlite3.connect(path)) as connection:
        # A log beside the file, so that it cannot be looked at as immutable.
        connection.execute("UPDATE store SET created_at = 0")
        connection.commit()
        log = (tmp_path / "store.db-wal").read_bytes()
    (tmp_path / "store.db-wal").write_bytes(log)
    damage(path)
    assert "is damaged" in await refused(path)


async def test_a_file_that_another_program_keeps_locked_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await a_large_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("UPDATE store SET created_at = 0")
        with pytest.raises(StoreRefused, match="cannot be opened: database is locked"):
            await opened(path)
    await opened(path)


async def test_a_slow_check_is_stopped_and_the_store_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    await a_large_file(path)
    monkeypatch.setattr("engine.stores.sqlite.file.QUICK_CHECK_MAX_S", -1.0)
    monkeypatch.setattr("engine.stores.sqlite.file._CHECK_STEPS", 1)
    await opened(path)


async def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreRefused, match=r"store\.db cannot be used: .*make its folder writable") as caught:
        await opened(tmp_path / "file" / "store.db")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["store.db", "store.db.lock"])
async def test_a_folder_in_the_files_place_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(StoreRefused, match="cannot be used: Is a directory"):
        await opened(tmp_path / "store.db")


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreRefused, match="too old"):
        await opened(tmp_path / "store.db")


async def test_a_file_system_without_wal_is_refused(tmp_path: Path) -> None:
    class NoWal(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("journal_mode = WAL", "journal_mode = DELETE"), *parameters)

    database = Database(tmp_path / "store.db", connection_class=NoWal)
    with pytest.raises(StoreRefused, match="cannot do SQLite's WAL"), database.locked():
        database.connect()


async def test_a_database_in_memory_has_one_connection() -> None:
    with pytest.raises(ValueError, match="one connection"):
        Database(None).connect_reader()
    async with open_store("memory:") as one, open_store("memory:") as two:
        await fill(one, KEY, 1)
        assert (await two.recall(KEY)).offset == 0
        assert one.epoch != two.epoch


async def test_a_journal_that_a_power_cut_left_is_undone_at_the_start(tmp_path: Path) -> None:
    # Only the first start, before the write-ahead log is there, writes such a journal.
    path, cut = tmp_path / "store.db", tmp_path / "cut"
    epoch = await opened(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE torn (body)")
        connection.execute("INSERT INTO torn VALUES (zeroblob(1000000))")
        cut.mkdir()
        for file in tmp_path.glob("store.db*"):
            (cut / file.name).write_bytes(file.read_bytes())
    assert (cut / "store.db-journal").stat().st_size
    assert await opened(cut / "store.db") == epoch
    with closing(sqlite3.connect(cut / "store.db")) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'torn'").fetchall()
