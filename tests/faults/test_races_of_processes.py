"""Two processes at one database, a file or a Postgres: who wins a job, and what settles it under another lease."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from protocol.jobs import Queue
from tests.support.engines import ROOT, environment, first_line
from tests.support.jobs import a_job
from tests.support.racing_node import Answer, answered, shared

RACES = {"sqlite": 1_000, "postgres": 200}


@pytest.fixture(params=RACES)
def kind_of_store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def where(kind_of_store: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The file, or the URL."""
    if kind_of_store == "sqlite":
        return str(tmp_path / "store.db")
    return str(request.getfixturevalue("postgres_database").url)


class Node:
    """A process that races."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process

    async def begin(self) -> None:
        """Has it claim once."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"go\n")

    async def race(self, answers: list[Answer]) -> None:
        """What came of it."""
        answers.append(msgspec.json.decode(await first_line(self._process), type=Answer))


@asynccontextmanager
async def a_node(where: str, folder: Path, name: str) -> AsyncIterator[Node]:
    with (folder / f"{name}.log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tests.support.racing_node", where, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
            cwd=ROOT,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await first_line(process) == "ready"
        yield Node(process)
        await process.stdin.aclose()
        assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdin.aclose()
            await process.stdout.aclose()


async def test_races_of_two_processes_have_one_winner_each_whose_finish_counts_once(
    kind_of_store: str, where: str, tmp_path: Path
) -> None:
    winners, races = Counter[str](), RACES[kind_of_store]
    async with (
        shared(where) as store,
        a_node(where, tmp_path, "n1") as first,
        a_node(where, tmp_path, "n2") as second,
    ):
        for number in range(races):
            (made,) = await answered(lambda: store.enqueue([a_job()]))
            one: list[Answer] = []
            other: list[Answer] = []
            async with trio.open_nursery() as nursery:
                # Where there is one core only, whoever is told first may always win: they take turns at that.
                pair = [(first, one), (second, other)]
                for node, answers in pair if number % 2 else reversed(pair):
                    await node.begin()
                    nursery.start_soon(node.race, answers)
            (won,) = [node for node, (answer,) in {"n1": one, "n2": other}.items() if answer.won]
            winners[won] += 1
            both = [*one, *other]
            assert [lease.job for answer in both for lease in answer.won] == [made.id]
            assert sorted(held for answer in both for held in answer.held) == [False, False, True]
        counts = await store.queue_counts()
    assert (counts[Queue.ALERT].completed, counts[Queue.PREDICTION].waiting) == (races, races)
    print(f"{races} races: {dict(winners)}")
    assert len(winners) == 2, "nobody raced"
