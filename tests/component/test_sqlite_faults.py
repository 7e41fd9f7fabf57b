"""What happens to the SQLite store when the disk, the file, another program or our own code fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from engine.stores import CommittedEvents, Retention
from engine.stores.connections import ConnectionChange, ConnectionEvent
from engine.stores.sqlite import commit as committing
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from engine.stores.tables.store import TableStore
from protocol.effects import Behind, Committed, Unavailable
from protocol.errors import StoreRefused, StoreUnavailable
from protocol.model import ChannelKey, DerivedKey
from tests.support.stores import KEY, NOW, OTHER, Breakable, a_commit, committed, failing, fill

OPENED = ConnectionChange(kind=ConnectionEvent.OPENED, client_id="c", at=NOW, user="ann", workspace="acme")


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    yield
    Breakable.mend()


@asynccontextmanager
async def breakable(folder: Path) -> AsyncIterator[TableStore]:
    """A store whose writer's connections break on demand."""
    database = Database(folder / "store.db", connection_class=Breakable)
    async with open_database(database, Retention(), lambda: NOW, None) as store:
        yield store


def writers() -> list[Breakable]:
    """The connections that the writer has opened so far; readers are of another class."""
    return Breakable.made


async def test_a_database_locked_by_another_program_is_unavailable_until_it_lets_go(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        await fill(store, KEY, 1)
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            outcome = await store.commit(a_commit(base=1))
            assert isinstance(outcome, Unavailable)
            assert "SQLITE_BUSY" in outcome.cause
            assert not store.is_available
            with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                await store.connection_changes([OPENED])
            assert (await store.recall(KEY)).offset == 1
            other.execute("ROLLBACK")
        await fill(store, KEY, 1, base=1)
        assert store.is_available
        assert (store.statistics()["unavailable"], store.statistics()["jobs"]) == (2, 0), "the commit and the note"
        assert len(writers()) == 1


async def test_a_full_disk_is_unavailable_until_there_is_room(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        offset = await fill(store, KEY, 1, size=50)
        (writer,) = writers()
        writer.execute("PRAGMA max_page_count = 10")
        outcome = await store.commit(a_commit(base=offset, rows=200))
        assert isinstance(outcome, Unavailable)
        assert "SQLITE_FULL" in outcome.cause
        assert (await store.recall(KEY)).offset == offset
        writer.execute("PRAGMA max_page_count = 1000000")
        await fill(store, KEY, 1, base=offset, size=200)
        assert (await store.derived_position(DerivedKey("acme"))).offset == 250


@pytest.mark.parametrize(
    ("code", "statement"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, "COMMIT"),
        (sqlite3.SQLITE_IOERR_WRITE, "INSERT INTO event"),
        (sqlite3.SQLITE_READONLY, "BEGIN IMMEDIATE"),
        (sqlite3.SQLITE_CANTOPEN, "BEGIN IMMEDIATE"),
    ],
)
async def test_after_an_io_error_nothing_is_acknowledged_and_the_connection_is_replaced(
    tmp_path: Path, code: int, statement: str
) -> None:
    async with breakable(tmp_path) as store:
        await fill(store, KEY, 1)
        Breakable.breaks[statement] = failing(code)
        for _ in range(2):
            commit = a_commit(base=1)
            assert isinstance(await store.commit(commit), Unavailable)
        Breakable.breaks.clear()
        await committed(store, commit)
        assert store.is_available
        assert len(writers()) == 3
        assert (await store.recall(KEY)).offset == 2


async def test_after_an_io_error_the_log_is_copied_before_anything_is_acknowledged(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        await fill(store, KEY, 1)
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM alert").fetchall()
            await fill(store, KEY, 1, base=1)
            Breakable.breaks["COMMIT"] = failing(sqlite3.SQLITE_IOERR_FSYNC)
            commit = a_commit(base=2)
            assert isinstance(await store.commit(commit), Unavailable)
            Breakable.breaks.clear()
            outcome = await store.commit(commit)
            assert isinstance(outcome, Unavailable)
            assert "cannot copy the log" in outcome.cause
        Breakable.breaks["PRAGMA wal_checkpoint"] = failing(sqlite3.SQLITE_FULL)
        assert isinstance(await store.commit(commit), Unavailable)
        Breakable.breaks.clear()
        await committed(store, commit)
        assert (await store.recall(KEY)).offset == 3


async def test_a_damaged_page_found_while_running_is_unavailable(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        Breakable.breaks["INSERT INTO alert"] = failing(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError)
        outcome = await store.commit(a_commit())
        assert isinstance(outcome, Unavailable)
        assert outcome.cause.startswith("its data are damaged: ")
        assert not store.is_available


@pytest.fixture
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "PLACE_KNOWN_S", 0.0)


@pytest.mark.usefixtures("looks_each_time")
async def test_nothing_is_acknowledged_into_a_file_that_was_moved_until_it_is_back(tmp_path: Path) -> None:
    path, away = tmp_path / "store.db", tmp_path / "elsewhere.db"
    async with breakable(tmp_path) as store:
        await fill(store, KEY, 1)
        path.rename(away)
        commit = a_commit(base=1)
        for _ in range(2):
            outcome = await store.commit(commit)
            assert isinstance(outcome, Unavailable)
            assert outcome.cause.startswith("its file was moved or deleted: ")
        path.write_bytes(b"")  # another one in its place is none
        assert isinstance(await store.commit(commit), Unavailable)
        with pytest.raises(StoreUnavailable, match="moved or deleted"):
            await store.connection_changes([OPENED])
        away.replace(path)
        await committed(store, commit)
        assert (await store.recall(KEY)).offset == 2
    assert len(writers()) == 1


@pytest.mark.usefixtures("looks_each_time")
async def test_a_file_that_is_moved_while_it_is_written_acknowledges_nothing(tmp_path: Path) -> None:
    path, away = tmp_path / "store.db", tmp_path / "elsewhere.db"
    async with breakable(tmp_path) as store:
        commit = a_commit()
        Breakable.breaks["COMMIT"] = lambda: away.exists() or path.rename(away)
        assert isinstance(await store.commit(commit), Unavailable)
        Breakable.breaks.clear()
        away.replace(path)
        await committed(store, commit)  # found, not decided again
        assert (await store.recall(KEY)).offset == 1


async def test_a_failed_rollback_replaces_the_connection(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        Breakable.breaks["COMMIT"] = failing(sqlite3.SQLITE_FULL)
        Breakable.breaks["ROLLBACK"] = failing(sqlite3.SQLITE_IOERR)
        assert isinstance(await store.commit(a_commit()), Unavailable)
        Breakable.breaks.clear()
        await fill(store, KEY, 1)
        assert len(writers()) == 2


async def test_a_database_that_cannot_be_opened_again_stays_unavailable(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        Breakable.breaks["COMMIT"] = failing(sqlite3.SQLITE_IOERR_FSYNC)
        assert isinstance(await store.commit(a_commit()), Unavailable)
        Breakable.breaks.clear()
        (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
        assert isinstance(await store.commit(a_commit()), Unavailable)
        assert not (tmp_path / "store.db").exists(), "an empty database must not take the place of a lost one"
        (tmp_path / "elsewhere.db").rename(tmp_path / "store.db")
        await fill(store, KEY, 1)


async def test_somebody_elses_events_are_found_by_their_offsets_not_overwritten(tmp_path: Path) -> None:
    async with breakable(tmp_path) as store:
        await fill(store, KEY, 2)
        with closing(sqlite3.connect(tmp_path / "store.db")) as other, other:
            other.execute(
                "INSERT INTO event SELECT channel, 3, workspace, 3, at, body FROM event WHERE channel_offset = 2"
            )
            other.execute("UPDATE channel SET last_offset = 3")
            other.execute("UPDATE workspace SET last_offset = 3")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(committed, store, a_commit(OTHER))
            assert await store.commit(a_commit(base=2)) == Behind(3)
        await fill(store, KEY, 1, base=3)
        position = await store.derived_history(DerivedKey("acme"), 0, 10)
        assert [event.workspace_offset for event in position] == [1, 2, 3, 4, 5]


async def test_a_disk_that_fails_while_the_invalid_one_is_sought_is_unavailable(tmp_path: Path) -> None:
    tries = iter((failing(sqlite3.SQLITE_CONSTRAINT, sqlite3.IntegrityError), failing(sqlite3.SQLITE_FULL)))
    async with breakable(tmp_path) as store:
        Breakable.breaks["INSERT INTO alert"] = lambda: next(tries)()
        assert isinstance(await store.commit(a_commit()), Unavailable)
        Breakable.breaks.clear()
        await fill(store, KEY, 1)


async def test_a_bug_in_the_writer_ends_the_store_with_its_exception_and_leaves_nobody_waiting(tmp_path: Path) -> None:
    outcomes: list[object] = []
    started = threading.Event()

    async def commit(store: TableStore, key: ChannelKey) -> None:
        with trio.CancelScope(shield=True):
            outcomes.append(await store.commit(a_commit(key)))

    def die() -> None:
        started.wait(60)
        raise ZeroDivisionError("a bug")

    Breakable.breaks["INSERT INTO alert"] = die
    with pytest.raises(ZeroDivisionError, match="a bug"):
        async with breakable(tmp_path) as store, trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(commit, store, ChannelKey("acme", f"f{number}"))
            nursery.start_soon(commit, store, ChannelKey("acme", "f1"))
            await trio.testing.wait_all_tasks_blocked()
            started.set()
            await trio.sleep_forever()
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 6
    assert not store.is_available
    assert store.statistics()["pending"] == 0
    assert isinstance(await store.commit(a_commit()), Unavailable)
    with pytest.raises(StoreUnavailable):
        await store.recall(KEY)
    with pytest.raises(StoreUnavailable):
        await store.connection_changes([OPENED])


async def test_a_bug_while_closing_leaves_nobody_waiting(tmp_path: Path) -> None:
    started = threading.Event()
    outcomes: list[object] = []

    async def commit(store: TableStore, key: ChannelKey) -> None:
        outcomes.append(await store.commit(a_commit(key)))

    async def release(store: TableStore) -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(await store.commit(a_commit()), Unavailable)
        started.set()

    def die() -> None:
        started.wait(60)
        raise ZeroDivisionError("a bug")

    Breakable.breaks["INSERT INTO alert"] = die
    async with trio.open_nursery() as nursery:
        with pytest.raises(ZeroDivisionError):
            async with breakable(tmp_path) as store:
                for number in range(3):
                    nursery.start_soon(commit, store, ChannelKey("acme", f"f{number}"))
                await trio.testing.wait_all_tasks_blocked()
                # Closing asks the thread to end; only then may it meet the bug.
                nursery.start_soon(release, store)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


async def test_a_bug_ends_a_store_in_memory_too() -> None:
    database = Database(None, connection_class=Breakable)
    with pytest.raises(ZeroDivisionError):
        async with open_database(database, Retention(), lambda: NOW, None) as store:
            Breakable.breaks["COMMIT"] = lambda: [1 // 0].clear()
            with trio.CancelScope(shield=True):
                assert isinstance(await store.commit(a_commit()), Unavailable)
            assert not store.is_available
            await trio.sleep_forever()


async def test_an_sql_error_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="injected"):
        async with breakable(tmp_path) as store:
            Breakable.breaks["BEGIN IMMEDIATE"] = failing(sqlite3.SQLITE_ERROR)
            assert isinstance(await store.commit(a_commit()), Unavailable)
            await trio.sleep_forever()


async def test_a_feed_that_raises_ends_the_store_but_the_commit_is_answered(tmp_path: Path) -> None:
    def feed(_: Sequence[CommittedEvents]) -> None:
        raise RuntimeError("cannot tell")

    with pytest.raises(RuntimeError, match="cannot tell"):
        async with breakable(tmp_path) as store:
            store.set_feed(feed)
            with trio.CancelScope(shield=True):
                assert isinstance(await store.commit(a_commit()), Committed)
            await trio.sleep_forever()


async def test_the_bodys_own_exception_passes_unwrapped(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        async with breakable(tmp_path):
            raise KeyError


async def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    hold = threading.Event()
    keys = [ChannelKey("acme", f"f{number}") for number in range(100)]
    async with trio.open_nursery() as nursery, breakable(tmp_path) as store:
        Breakable.breaks["COMMIT"] = lambda: [hold.wait(60)].clear()
        for key in keys:
            nursery.start_soon(committed, store, a_commit(key))
        await trio.testing.wait_all_tasks_blocked()
        assert store.statistics()["pending"] == 100
        hold.set()
    async with breakable(tmp_path) as store:
        assert (await store.derived_position(DerivedKey("acme"))).offset == 100


async def test_a_group_takes_commits_of_different_channels_within_its_bounds(tmp_path: Path) -> None:
    hold, entered = threading.Event(), threading.Event()
    sizes: list[int] = []

    def wait() -> None:
        entered.set()
        hold.wait(60)

    database = Database(tmp_path / "store.db", connection_class=Breakable)
    async with open_database(database, Retention(), lambda: NOW, lambda _, batches: sizes.append(batches)) as store:
        Breakable.breaks["BEGIN"] = wait
        async with trio.open_nursery() as nursery:
            nursery.start_soon(committed, store, a_commit())
            await trio.to_thread.run_sync(entered.wait, 60)
            for number in range(70):
                nursery.start_soon(committed, store, a_commit(ChannelKey("acme", f"f{number:02}")))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(store.connection_changes, [OPENED])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(committed, store, a_commit(base=1))
            await trio.testing.wait_all_tasks_blocked()
            # The same channel twice: the second waits for the next group.
            nursery.start_soon(store.commit, a_commit(base=2))
            await trio.testing.wait_all_tasks_blocked()
            hold.set()
    assert sizes == [1, 64, 6, 1, 1]


async def test_who_finds_no_place_waits_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.stores.sqlite.thread.PLACES", 3)
    async with breakable(tmp_path) as store, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(committed, store, a_commit(ChannelKey("acme", f"f{number}")))
    assert store.statistics()["pending"] == 0


async def test_a_disk_that_hangs_does_not_keep_the_engine_from_ending(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    hold = threading.Event()
    with trio.CancelScope() as scope:
        async with breakable(tmp_path) as store, trio.open_nursery() as nursery:
            Breakable.breaks["COMMIT"] = lambda: [hold.wait(30)].clear()
            nursery.start_soon(store.commit, a_commit())
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    # The hanging writer may wake up yet: its file stays locked.
    with pytest.raises(StoreRefused, match="in use by another engine"):
        async with breakable(tmp_path):
            pass
    hold.set()
    for thread in threading.enumerate():
        if thread.name == "store-writer":
            thread.join(60)


KILLED = """
import sys, trio
sys.path.insert(0, {root!r})
from engine.stores import open_store
from protocol.effects import Committed
from protocol.model import ChannelKey
from tests.support.stores import a_commit

async def produce(store, key):
    base = 0
    while True:
        commit = a_commit(key, base, 7)
        outcome = await store.commit(commit)
        assert isinstance(outcome, Committed)
        base += 7
        print(key.framework, outcome.results[-1].alert_id, base, flush=True)

async def main():
    async with open_store({path!r}) as store, trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(produce, store, ChannelKey("acme", f"f{{number}}"))

trio.run(main)
"""
ROOT = str(Path(__file__).parents[2])


@pytest.mark.parametrize("acks", [1, 40, 150])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, acks: int) -> None:
    path = tmp_path / "store.db"
    code = KILLED.format(root=ROOT, path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acks)]
        process.kill()
        lines += process.stdout.readlines()
    acked = [line.split() for line in lines if line.endswith("\n")]
    async with open_database(Database(path), Retention(), lambda: NOW, None) as store:
        found = await store.locate("acme", [alert_id for _, alert_id, _ in acked])
        assert len(found) == len(acked) >= acks
        events = await store.derived_history(DerivedKey("acme"), 0, 100_000)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
        for key in {place.key for place in found.values()}:
            own = [event.offset for event in await store.history(key, 0, 100_000)]
            assert own == list(range(1, (await store.recall(key)).offset + 1))
            assert len(own) % 7 == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


FILE_LIMIT = """
import resource, sys, signal, trio
sys.path.insert(0, {root!r})
from engine.stores import open_store
from protocol.effects import Committed, Unavailable
from tests.support.stores import KEY, a_commit, fill

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with open_store({path!r}) as store:
        offset = await fill(store, KEY, 2)
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
        commit = a_commit(base=offset, rows=1_000)
        assert isinstance(await store.commit(commit), Unavailable)
        assert not store.is_available
        assert (await store.recall(KEY)).offset == offset
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert isinstance(await store.commit(commit), Committed)
        assert store.is_available
        assert len(await store.history(KEY, 0, 2_000)) == offset + 1_000
        print("recovered")

trio.run(main)
"""


async def test_writes_that_the_system_refuses_are_unavailable_until_it_allows_them(tmp_path: Path) -> None:
    code = FILE_LIMIT.format(root=ROOT, path=str(tmp_path / "store.db"))
    done = await trio.run_process([sys.executable, "-c", code], capture_stdout=True, check=False)
    assert done.stdout.decode().splitlines()[-1:] == ["recovered"]


async def test_a_store_that_is_locked_at_the_start_is_refused(tmp_path: Path) -> None:
    async with breakable(tmp_path):
        pass
    Breakable.breaks["INSERT OR IGNORE INTO store"] = failing(sqlite3.SQLITE_BUSY)
    with pytest.raises(StoreRefused, match="cannot be opened: injected"):
        async with breakable(tmp_path):
            pass
    Breakable.mend()
    async with breakable(tmp_path) as store:
        assert store.is_available
