"""A workflow batch in the store: one transaction, few statements, nothing by halves."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.core.progress import Setting
from engine.stores import CommittedEvents, Retention
from engine.stores.objects import ObjectChange
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from engine.stores.tables.store import TableStore
from engine.stores.workflows import Ground, TrackerQuery
from protocol.commands import Batch
from protocol.effects import Commit, Decision
from protocol.errors import CommitInvalid, StoreUnavailable
from protocol.model import ChannelKey, DerivedKey
from protocol.workflows import Move, StepResult, StepStatus, TrackerInput
from tests.support.stores import NOW, Breakable, a_commit, a_row, an_alert, committed, failing, new_id
from tests.support.workflows import a_batch, a_task, a_workflow, advance, generate, keep, set_on, words

DAY_US = 86_400_000_000
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    yield
    Breakable.mend()


@asynccontextmanager
async def a_store(folder: Path, **workflow: Any) -> AsyncIterator[TableStore]:
    """A store that has the definition."""
    database = Database(folder / "store.db", connection_class=Breakable)
    async with open_database(database, Retention(), lambda: NOW, None) as store:
        await keep(store, a_workflow(**workflow))
        yield store


def names(count: int) -> list[str]:
    return [f"p{number:04}" for number in range(count)]


async def open_steps(store: TableStore, project: str) -> list[str | None]:
    rows = (await store.recall(ChannelKey("acme", project))).rows
    return [row.alert.step_id for row in rows if row.alert.state.is_open]


async def test_after_a_batch_commits_go_on_from_where_it_left_the_streams(tmp_path: Path) -> None:
    """Else the first of each would meet somebody else's offsets, be undone, and be tried again."""
    undone: list[str] = []
    keys = [ChannelKey("acme", "42"), ChannelKey("acme", "other")]
    async with a_store(tmp_path) as store:
        for key in keys:
            await committed(
                store, a_commit(key, rows=[a_row(an_alert(framework_id=key.framework, assigned_to="fred"))])
            )
        await set_on(store, ["42"], assignees={"foreman": "fred"})
        await generate(store, ["42"])
        Breakable.breaks["ROLLBACK"] = lambda: undone.append("a commit")
        for key, base in zip(keys, (2, 1), strict=True):
            alert = an_alert(framework_id=key.framework, assigned_to="fred")
            await committed(store, a_commit(key, base, rows=[a_row(alert)]))
        assert undone == []
        mine = await store.derived_history(DerivedKey("acme", "fred"), 0, 100)
        assert [event.user_offsets["fred"] for event in mine] == [1, 2, 3, 4, 5]


def tables(path: Path) -> dict[str, list[Any]]:
    """Everything in the database."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in found}


class Counting:
    """Counts the statements of a job, and fails at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.seen: list[str] = []
        self._at = at

    def __call__(self, sql: str) -> None:
        self.seen.append(sql)
        if len(self.seen) - 1 == self._at:
            failing(sqlite3.SQLITE_FULL)()


class Watched(Breakable):
    """Says every statement to whoever counts."""

    counting: Any = None

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if Watched.counting is not None and not sql.startswith(("ROLLBACK", "PRAGMA")):
            Watched.counting(sql)
        return super().execute(sql, *parameters)


@asynccontextmanager
async def counted(folder: Path, projects: int) -> AsyncIterator[TableStore]:
    """A store with projects at different steps (of five; the third is not active), finished ones among them."""
    async with open_database(
        Database(folder / "store.db", connection_class=Watched), Retention(), lambda: NOW, None
    ) as store:
        await keep(store, a_workflow(items=5, inactive=[2]))
        await set_on(store, names(projects), assignees={"foreman": "fred", "": "gina"})
        for step in range(1, 5):
            await advance(store, names(projects)[step::5])
            for _ in range(step - 1):
                await advance(store, names(projects)[step::5])
        try:
            yield store
        finally:
            Watched.counting = None


async def statements_of(advancing: Callable[[], Awaitable[Sequence[Move]]]) -> tuple[list[str], Sequence[Move]]:
    (writer,) = Breakable.made
    traced: list[str] = []
    writer.set_trace_callback(traced.append)
    moves = await advancing()
    writer.set_trace_callback(None)
    return [text[:60] for text in traced if not text.startswith(("BEGIN", "COMMIT"))], moves


async def test_the_first_batch_of_a_workspace_takes_at_most_eleven_statements(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await set_on(store, names(3), "i1", assignees={"foreman": "fred"})
        within, moves = await statements_of(lambda: advance(store, names(3)))
        assert {word for word, _, _ in words(moves)} == {"advanced"}
        assert any("INSERT INTO workspace" in text for text in within)
        assert len(within) == 11, within


async def test_a_thousand_projects_take_at_most_eleven_statements(tmp_path: Path) -> None:
    async with counted(tmp_path, 1_000) as store:
        await generate(store, names(1_000))
        within, moves = await statements_of(lambda: advance(store, names(1_000)))
        assert len(within) == 11, within
        done = [word for word, _, _ in words(moves)]
        assert {word: done.count(word) for word in set(done)} == {"advanced": 600, "finished": 200, "rejected": 200}
        for project in names(1_000)[::50]:
            assert len(await open_steps(store, project)) == (1 if moves[int(project[1:])].result.item_id else 0)


@pytest.mark.parametrize("verb", [generate, advance])
async def test_whichever_statement_fails_nothing_of_a_batch_remains(tmp_path: Path, verb: Any) -> None:
    async with counted(tmp_path, 10) as store:
        told: list[CommittedEvents] = []
        store.set_feed(told.extend)
        before, at = tables(tmp_path / "store.db"), 0
        while True:
            Watched.counting = counting = Counting(at)
            try:
                moves = await verb(store, names(10))
            except StoreUnavailable:
                Watched.counting = None
                assert tables(tmp_path / "store.db") == before
                assert told == []
                at += 1
                continue
            Watched.counting = None
            break
        assert at == len(counting.seen) > 8, "each statement has failed once, then none"
        assert any(move.commit for move in moves)
        events = await store.derived_history(DerivedKey("acme"), 0, 1_000)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
        mine = await store.derived_history(DerivedKey("acme", "fred"), 0, 1_000)
        assert [event.user_offsets["fred"] for event in mine] == list(range(1, len(mine) + 1))


async def test_what_cannot_be_stored_is_refused_and_leaves_the_store_alive(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await set_on(store, ["42"])
        await generate(store, ["42"])

        def twice(ground: Ground) -> Sequence[Move]:
            """Rings for a step that rings already, past everything that would have refused it."""
            place = ground.places["42"]
            row = place.recalled.rows[0]
            row = msgspec.structs.replace(row, alert=msgspec.structs.replace(row.alert, id=new_id()))
            decision = Decision(results=(), offset=1, rows=(row,))
            commit = Commit(ChannelKey("acme", "42"), 1, Batch(new_id(), NOW, ()), decision)
            return [Move(result=StepResult(project_id="42", status=StepStatus.FIRED, reason="fired"), commit=commit)]

        batch = a_batch([a_task("42", None)])
        with pytest.raises(CommitInvalid, match="UNIQUE"):
            await store.move_projects(msgspec.structs.replace(batch, decide=twice))
        assert words(await advance(store, ["42"])) == [("advanced", "fired", "i1")]


async def test_a_definition_that_cannot_be_read_fails_its_batch_and_nothing_else(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        strange = ObjectChange(
            workspace="acme", kind="workflow", id="odd", body='{"id":"odd"}', by="ed", at=NOW, verb="create_workflow"
        )
        await store.change_objects([strange])
        task = a_task("42", Setting(TrackerInput(workflow_id="odd"), 0))
        with pytest.raises(CommitInvalid, match="phases"):
            await store.move_projects(a_batch([task], ["odd"]))
        await set_on(store, ["42"])
        assert words(await generate(store, ["42"])) == [("fired", "fired", "i0")]


KILLED = """
import sys, trio
sys.path.insert(0, {root!r})
from engine.stores import open_store
from tests.support.workflows import *

NAMES = [f"p{{number}}" for number in range(40)]

async def main():
    async with open_store({path!r}) as store:
        await keep(store, a_workflow(items=400))
        await set_on(store, NAMES, assignees={{"foreman": "fred"}})
        while True:
            moves = await advance(store, NAMES)
            print(moves[0].result.item_id, flush=True)

trio.run(main)
"""


@pytest.mark.parametrize("acks", [1, 12])
async def test_what_was_advanced_survives_kill_9_whole(tmp_path: Path, acks: int) -> None:
    path = tmp_path / "store.db"
    code = KILLED.format(root=ROOT, path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acks)]
        process.kill()
        lines += [line for line in process.stdout.readlines() if line.endswith("\n")]
    async with open_database(Database(path), Retention(), lambda: NOW, None) as store:
        found = (await store.trackers(TrackerQuery(workspace="acme", limit=100))).items
        items = {tracker.item_id for tracker in found}
        assert len(items) == 1, "all of a batch, or nothing"
        reached = int((items.pop() or "i0")[1:])
        assert int(lines[-1].strip()[1:]) <= reached
        for tracker in found:
            assert await open_steps(store, tracker.project_id) == [tracker.item_id]
        events = await store.derived_history(DerivedKey("acme"), 0, 100_000)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
